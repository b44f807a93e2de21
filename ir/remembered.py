"""Facts about the immutable nodes of the loop IR, found once and kept in the node.

Nodes are shared between a function and those made from it, so that a fact found for one serves
all. A fact is a function of the node alone. It is no part of the node's value: nodes compare, print
and are copied without it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

_Node = TypeVar("_Node")
_Fact = TypeVar("_Fact")


def remembered(
    slot: str,
) -> Callable[[Callable[[_Node], _Fact]], Callable[[_Node], _Fact]]:
    """Keep what a function finds about a node in this slot of the node; it is never None.

    A fact must not hold the node itself: the two would keep each other in memory.
    """

    def decorate(find: Callable[[_Node], _Fact]) -> Callable[[_Node], _Fact]:
        @functools.wraps(find)
        def recall(node: _Node) -> _Fact:
            known: _Fact | None = getattr(node, slot, None)
            if known is None:
                known = find(node)
                object.__setattr__(node, slot, known)  # nodes are frozen
            return known

        return recall

    return decorate


def hash_of(*fields: str) -> Callable[[Any], int]:
    """A hash of these fields of a node, kept in its slot `_hash`."""
    values = attrgetter(*fields)
    return remembered("_hash")(lambda node: hash(values(node)))
