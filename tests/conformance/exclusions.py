"""The cases of ONNX's suite that mlc does not pass, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

_DICE = "the stored output is a throw of NumPy's global generator, whose state no model holds"
_ROUNDING = "where zero is exact, the stored output has errors of NumPy's transform in f32"

EXCLUDED: Mapping[str, str] = {
    "test_attention_4d_causal_fp16_expanded_cpu": (
        "the stored output is off by 1.4 units in the last place, and ours by 1.1 the other way"
    ),
    "test_bernoulli_cpu": _DICE,
    "test_bernoulli_double_cpu": _DICE,
    "test_bernoulli_double_expanded_cpu": _DICE,
    "test_bernoulli_expanded_cpu": _DICE,
    "test_bernoulli_seed_cpu": _DICE,
    "test_bernoulli_seed_expanded_cpu": _DICE,
    "test_dft_inverse_cpu": _ROUNDING,
    "test_dft_inverse_opset19_cpu": _ROUNDING,
    "test_loop16_seq_none_cpu": (
        "the suite cannot compare it: it takes the length of a scalar in the sequence"
    ),
}
"""Name of the case → why. A case that passes after all does not belong here: a test looks."""
