"""The steps of the host, one file per kind of value; see `mlc.staged.step`."""

from __future__ import annotations

from collections.abc import Mapping

from mlc.staged.step import HostStep

HOST_STEPS: Mapping[tuple[str, str], HostStep] = {}
"""Domain ("" is ONNX's own) and name of the operator → its step."""
