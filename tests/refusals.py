"""What the public API says when it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mlc
from tests.importers.evaluate import parse

RELU = "g (float[2,3] x) => (float[2,3] y) { [threshold] y = Relu(x) }"


def refusal(error: type[mlc.MlcError], call: Callable[[], object]) -> str:
    """The message of what `call` raises, which is of exactly this class."""
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    return str(caught.value)


def compile_refused(error: type[mlc.MlcError], model: Any = None, **options: Any) -> str:
    """The message of what compiling a model, by default a good one, raises."""
    model = parse(RELU) if model is None else model
    options = {"cache": False, **options}
    return refusal(error, lambda: mlc.compile(model, **options))
