"""The kernels that measure the machine compute what they should, so that they cannot be skipped."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.backends.llvm.targets import resolve
from mlc.limits import Probe, kernel_module, multiply_add_kernel, stream_kernel

HOST = resolve("host")


@pytest.mark.parametrize("threads", [1, 2])
def test_chains_of_multiply_adds(threads: int) -> None:
    length = 5
    module = kernel_module(multiply_add_kernel(HOST, threads, length), HOST, threads)
    result = module(np.full(module.inputs[0].shape, 0.5, np.float32))
    np.testing.assert_array_equal(result, np.full(result.shape, 1 - 0.5**length, np.float32))
    assert module.compiled.calls[0].flops == 2 * length * result.size


def test_there_are_chains_for_every_unit() -> None:
    _, chains, lanes = multiply_add_kernel(HOST, 1).params[1].shape
    assert lanes * 32 == HOST.vector_bits
    assert HOST.fma_latency * HOST.fma_ports <= chains < HOST.vector_registers


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stream_reads_everything(threads: int) -> None:
    size = 1 << 18
    module = kernel_module(stream_kernel(HOST, threads, size), HOST, threads)
    array = np.random.default_rng(0).integers(0, 9, module.inputs[0].shape).astype(np.float32)
    assert array.nbytes == size
    np.testing.assert_array_equal(module(array), array.sum(1))


def test_a_probe_keeps_the_best() -> None:
    probe = Probe(1)
    first, second = probe.measure(), probe.measure()
    assert second.flops >= first.flops > 0
    assert second.bytes >= first.bytes > 0
