"""A whole model at every level of x86, as far as this machine runs it."""

from __future__ import annotations

import pytest

from bench import zoo
from mlc.importers.onnx import import_model
from tests.backends.models import Running, compiled
from tests.backends.test_emit import targets
from tests.e2e.agreement import assert_agrees, reference

LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
EVERYDAY = [("lstm", level) for level in LEVELS] + [("squeezenet", "x86-64-v2")]
SLOW = [("squeezenet", level) for level in LEVELS[1:]]


def check(name: str, level: str, *, check_bounds: bool = False) -> None:
    path, feeds = zoo.build(name), zoo.inputs(name)
    run = Running(compiled(import_model(path), level, 2, check_bounds=check_bounds))
    assert_agrees(run(feeds), reference(path, feeds))


@pytest.mark.parametrize(
    ("name", "level"), [*EVERYDAY, *(pytest.param(*p, marks=pytest.mark.slow) for p in SLOW)]
)
def test_model(name: str, level: str) -> None:
    if level not in targets():
        pytest.skip(f"this machine is not {level}")
    check(name, level)


@pytest.mark.parametrize("name", ["squeezenet", "gru", "mlp"])
def test_model_stays_in_bounds(name: str) -> None:
    check(name, "host", check_bounds=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv2", "shufflenet", "ppocr_cls", "minilm_l6", "lstm"])
def test_larger_model_stays_in_bounds(name: str) -> None:
    check(name, "host", check_bounds=True)
