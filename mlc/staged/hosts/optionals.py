"""Operators on optionals: a value, or `None`."""

from __future__ import annotations

import numpy as np

from mlc.errors import ModelError
from mlc.importers.onnx.node import NodeView
from mlc.staged.held import Held


def optional(node: NodeView, value: Held = None) -> list[Held]:
    """An optional of what is given; without content where nothing is."""
    return [value]


def has_element(node: NodeView, value: Held = None) -> list[Held]:
    """Whether there is content: bool[]."""
    return [np.array(value is not None)]


def get_element(node: NodeView, value: Held = None) -> list[Held]:
    """The content; raises `ModelError` where there is none."""
    if value is None:
        raise ModelError("OptionalGetElement: the optional is empty")
    return [value]


def identity(node: NodeView, value: Held = None) -> list[Held]:
    """The value itself."""
    return [value]
