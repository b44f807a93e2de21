from __future__ import annotations

import pytest

from mlc.errors import MlcError
from mlc.runtime.texts import Texts

LOOPS = {"conv": "for a", "pool": "for b"}


def test_a_text_is_given_whole_or_by_kernel() -> None:
    texts = Texts({"loops": LOOPS, "graph": {"": "graph g"}})
    assert texts.get("loops") == "for a\nfor b"
    assert texts.get("loops", "pool") == "for b"
    assert texts.get("graph") == "graph g"
    assert texts.stages == ("graph", "loops")


def test_a_text_is_made_once_and_only_when_asked_for() -> None:
    made = []

    def make() -> dict[str, str]:
        made.append(1)
        return LOOPS

    texts = Texts({"loops": make, "graph": {"": "g"}})
    assert made == []
    assert texts.get("loops", "conv") == "for a"
    assert texts.get("loops") == "for a\nfor b"
    assert made == [1]


def test_other_sources_fill_the_gaps() -> None:
    texts = Texts({"graph": {"": "mine"}})
    texts.provide("graph", {"": "yours"})
    texts.provide("asm", lambda: {"": "s"})
    assert (texts.get("graph"), texts.get("asm")) == ("mine", "s")


def test_stages_can_be_left_out() -> None:
    texts = Texts({"loops": LOOPS, "asm": {"": "s"}})
    assert texts.without("asm", "graph").stages == ("loops",)
    assert texts.stages == ("loops", "asm")


def test_unknown_stages_and_kernels_are_refused() -> None:
    texts = Texts({"loops": LOOPS, "graph": {"": "g"}})
    cases = [
        (
            ("lops", None),
            "unknown stage 'lops'\n  hint: the stages are graph, optimized, loops, llvm, asm",
        ),
        (("asm", None), "this module keeps no 'asm' text"),
        (
            ("loops", "x"),
            "no kernel 'x' in the 'loops' text\n  hint: the kernels are conv, pool",
        ),
        (("graph", "x"), "no kernel 'x' in the 'graph' text\n  hint: this stage has no kernels"),
    ]
    for arguments, message in cases:
        with pytest.raises(MlcError) as caught:
            texts.get(*arguments)
        assert str(caught.value) == message
    with pytest.raises(MlcError, match=r"^unknown stage 'text'"):
        Texts({"text": {}})


def test_a_long_list_of_kernels_is_cut() -> None:
    texts = Texts({"loops": {f"k{index}": "" for index in range(20)}})
    with pytest.raises(MlcError, match=r"hint: the kernels are k0, k1, .*, k7, …$"):
        texts.get("loops", "x")
