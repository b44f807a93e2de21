"""Measuring in other processes: samples come back, and so do the reasons of failures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench import race, zoo
from bench.engines import ENGINES, Engine
from bench.worker import Job, Sample, Worker

FEW = 3


def job(engine: str, path: Path) -> Job:
    return Job(engine, path, 1, zoo.inputs("tiny_mlp"))


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(job("onnxruntime", zoo.build("tiny_mlp")))
    yield made
    made.close()


def test_a_worker_computes_and_samples(worker: Worker) -> None:
    assert worker.error is None
    assert [output.shape for output in worker.outputs] == [(1, 4)]
    worker.round(0.01)
    assert len(worker.samples) >= FEW
    assert worker.milliseconds() > 0


def test_a_broken_model_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    worker = Worker(job("onnxruntime", broken))
    worker.close()
    assert worker.error is not None
    assert worker.error.startswith("InvalidProtobuf: ")


def test_interrupted_calls_do_not_count(worker: Worker) -> None:
    worker.samples = [Sample(1.0, 1.0)] * 5 + [Sample(9.0, 1.0)] * 50
    assert worker.milliseconds() == 1.0


def test_all_calls_count_when_few_are_clean(worker: Worker) -> None:
    worker.samples = [Sample(1.0, 1.0)] * 4 + [Sample(9.0, 1.0)] * 50
    assert worker.milliseconds() == 9.0


def test_wrong_results_are_not_timed(worker: Worker) -> None:
    other = Worker(worker.job)
    other.outputs[0] = other.outputs[0] + np.float32(0.1)
    race.check({"onnxruntime": worker, "mlc": other})
    other.close()
    assert worker.error is None
    assert other.error is not None
    assert other.error.endswith("of the output's range")


def test_speed_is_relative_to_the_best_peer() -> None:
    row = {"model": "m", "milliseconds": {"mlc": 2.0, "onnxruntime": 5.0, "mnn": 3.0}}
    assert race.speed(row) == pytest.approx(1.5)
    assert race.speed({"model": "m", "milliseconds": {"mlc": 2.0}}) is None


def test_the_mean_is_geometric() -> None:
    rows = [{"milliseconds": {"mlc": 1.0, "mnn": time}} for time in (2.0, 8.0)]
    assert race.mean_speed(rows) == pytest.approx(4.0)
    assert race.mean_speed([{"milliseconds": {"mlc": 1.0}}]) is None


def test_engines_that_are_not_installed_are_known() -> None:
    assert ENGINES["onnxruntime"].installed
    assert not Engine("no_such_package", ENGINES["mlc"].load).installed
