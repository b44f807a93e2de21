"""The cases of ONNX's suite that mlc does not pass, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

EXCLUDED: Mapping[str, str] = {}
"""Name of the case → why. A case that passes after all does not belong here: a test looks."""
