"""Runs models in stages, and in onnxruntime to compare."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime

import mlc
from mlc.runtime.module import Module
from mlc.staged.module import StagedModule
from tests.importers.evaluate import parse

Arrays = tuple[np.ndarray, ...]


def staged(model: str | onnx.ModelProto, **options: Any) -> StagedModule:
    """The model, which must need stages."""
    proto = parse(model) if isinstance(model, str) else model
    module = mlc.compile(proto, num_threads=1, cache=False, **options)
    assert isinstance(module, StagedModule)
    return module


def whole(model: str, **options: Any) -> Module:
    """The model, which must not need stages."""
    module = mlc.compile(parse(model), num_threads=1, cache=False, **options)
    assert isinstance(module, Module)
    return module


def in_onnxruntime(model: str | onnx.ModelProto, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs that onnxruntime gives."""
    proto = parse(model) if isinstance(model, str) else model
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_inputs()]
    return list(session.run(None, dict(zip(names, arrays, strict=True))))


def check(model: str | onnx.ModelProto, *calls: Arrays, **options: Any) -> StagedModule:
    """Compare every call with onnxruntime; calls come twice, so that stages are found again."""
    module = staged(model, **options)
    for arrays in (*calls, *calls):
        results = module(*arrays)
        results = results if isinstance(results, tuple) else (results,)
        for got, wanted in zip(results, in_onnxruntime(model, *arrays), strict=True):
            assert got.dtype == wanted.dtype
            assert got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    return module
