"""A network that spells words in phonemes, as an ONNX model and in NumPy.

A GRU reads the letters; another one, started with what the first remembers, says one phoneme after
the other until it says that the word is over. The weights are laid out as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper, parser

from tests.trained.engines import Array

LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
START, END, LONGEST = 2, 3, 20
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
# In alphabetical order, each vowel without stress, with the main and with a lesser one; UW also
# without any mark.
PHONEMES = (
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    *sorted(
        [
            *(f"{vowel}{stress}" for vowel in _VOWELS.split() for stress in range(3)),
            *_CONSONANTS.split(),
            "UW",
        ]
    ),
)

_GRAPH = """<ir_version: 8, opset_import: ["" : 17]>
g (int64[letters] word) => (int64[phonemes] said) {
    rows = Gather(enc_emb, word)
    batch_axis = Constant<value_ints = [1]>()
    read = Unsqueeze(rows, batch_axis)
    steps, memory = GRU<hidden_size = 256, linear_before_reset = 1>(read, enc_w, enc_r, enc_b)
    start = Constant<value_ints = [2]>()
    longest = Constant<value_int = 20>()
    go_on = Constant<value = bool {1}>()
    last, kept, all = Loop(longest, go_on, start, memory) <body = body
        (int64 step, bool alive, int64[1] before, float[1,1,256] state)
        => (bool more, int64[1] next, float[1,1,256] state_after, int64[1] spoken) {
        row = Gather(dec_emb, before)
        first_axis = Constant<value_ints = [0]>()
        heard = Unsqueeze(row, first_axis)
        all_states, state_after = GRU<hidden_size = 256, linear_before_reset = 1>
            (heard, dec_w, dec_r, dec_b, , state)
        flat = Squeeze(state_after, first_axis)
        scores = Gemm<transB = 1>(flat, fc_w, fc_b)
        next = ArgMax<axis = 1, keepdims = 0>(scores)
        end = Constant<value_ints = [3]>()
        same = Equal(next, end)
        over = Squeeze(same)
        more = Not(over)
        spoken = Identity(next)
    }>
    one = Constant<value_ints = [1]>()
    said = Squeeze(all, one)
}"""


def numbers(word: str) -> Array:
    """The letters of `word` and the end: int64[letters]."""
    return np.array([*(LETTERS.index(letter) for letter in word), LETTERS.index("</s>")], np.int64)


def spelled(said: Array) -> str:
    """Phonemes up to the end, as a dictionary of pronunciations writes them."""
    ends = np.flatnonzero(said == END)
    return " ".join(PHONEMES[index] for index in (said[: ends[0]] if len(ends) else said))


def in_numpy(weights: Mapping[str, Array], word: str) -> Array:
    """What the network says, the end with it, computed step by step."""
    state = np.zeros(weights["enc_w_hh"].shape[1], np.float32)
    for letter in numbers(word):
        state = _step(weights, "enc", weights["enc_emb"][letter], state)
    said = [START]
    while len(said) <= LONGEST and said[-1] != END:
        state = _step(weights, "dec", weights["dec_emb"][said[-1]], state)
        said.append(int((weights["fc_w"] @ state + weights["fc_b"]).argmax()))
    return np.array(said[1:], np.int64)


def _step(weights: Mapping[str, Array], part: str, heard: Array, state: Array) -> Array:
    """One step of a gated recurrent unit (Cho et al. 2014), the reset after the product."""
    outer = weights[f"{part}_w_ih"] @ heard + weights[f"{part}_b_ih"]
    inner = weights[f"{part}_w_hh"] @ state + weights[f"{part}_b_hh"]
    size = len(state)
    gates = 1 / (1 + np.exp(-(outer[: 2 * size] + inner[: 2 * size])))
    reset, update = gates[:size], gates[size:]
    new = np.tanh(outer[2 * size :] + reset * inner[2 * size :])
    return np.asarray((1 - update) * new + update * state)


def in_onnx(weights: Mapping[str, Array]) -> onnx.ModelProto:
    """The network as a model: letters in, phonemes out, as many as it says."""
    model = parser.parse_model(_GRAPH)
    held = {name: weights[name] for name in ("enc_emb", "dec_emb", "fc_w", "fc_b")}
    for part in ("enc", "dec"):
        held[f"{part}_w"] = _update_first(weights[f"{part}_w_ih"])[None]
        held[f"{part}_r"] = _update_first(weights[f"{part}_w_hh"])[None]
        biases = [_update_first(weights[f"{part}_b_{side}"]) for side in ("ih", "hh")]
        held[f"{part}_b"] = np.concatenate(biases)[None]
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in held.items()
    )
    return model


def _update_first(rows: Array) -> Array:
    """From the order reset, update, new to ONNX's: update, reset, new."""
    reset, update, new = np.split(rows, 3)
    return np.concatenate([update, reset, new])
