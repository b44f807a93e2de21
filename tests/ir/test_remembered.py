"""Facts kept in nodes: found once, shared by equal questions, no part of the node's value."""

from __future__ import annotations

import gc
from dataclasses import replace

from mlc.ir.affine import linear_form
from mlc.ir.dtype import F32
from mlc.ir.expr import Binary, Const, Load, Var
from mlc.ir.remembered import remembered
from mlc.ir.rewrite import free_variables, loads_in, mentions, walk
from mlc.ir.stmt import Buffer, For, Store
from mlc.ir.text.print_loops import print_stmt
from mlc.passes.schedule.dependence import touched_by

X = Buffer.dense("x", (8,), F32)


class _Node:
    __slots__ = ("_size", "asked")

    def __init__(self) -> None:
        self.asked = 0


@remembered("_size")
def _size(node: _Node) -> int:
    """What is asked."""
    node.asked += 1
    return 0


def test_a_fact_is_found_once_for_each_node() -> None:
    node, other = _Node(), _Node()
    assert [_size(node), _size(node), _size(other)] == [0, 0, 0]
    assert (node.asked, other.asked) == (1, 1)
    assert _size.__doc__ == "What is asked."


def test_nodes_compare_and_are_copied_without_what_is_known_of_them() -> None:
    known, fresh = Var("i") * 4 + Var("j"), Var("i") * 4 + Var("j")
    assert free_variables(known) == {"i", "j"}
    assert hash(known) == hash(fresh)
    assert known == fresh
    loop = For("i", Const(8), "serial", Store(X, (Var("i"),), Const(1.0, F32)))
    assert mentions(loop) == {"i", "x"}
    other = replace(loop, var="j", body=Store(X, (Var("j"),), Const(1.0, F32)))
    assert mentions(other) == {"j", "x"}


def test_what_is_known_of_nodes_leaves_no_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        value = Binary("add", Load(X, (Var("i") * 2 + 1,)), Const(1.0, F32))
        loop = For("i", Const(3), "serial", Store(X, (Var("i"),), value))
        assert len(list(walk(loop))) == 2
        assert mentions(loop) == {"i", "x"}
        assert [load.buffer for load in loads_in(value)] == [X]
        assert linear_form(loads_in(value)[0].index[0]).terms == {Var("i"): 2}
        assert set(touched_by(loop)) == {"x"}
        assert print_stmt(loop).startswith("for i in 3 {")
        del value, loop
        assert gc.collect() == 0
    finally:
        gc.enable()
