"""Copies of memory onto itself: what is left of a copy whose source was made in place.

out0 = concat(in0, in1), with in0 a view of the first part of out0:

for i0 < 4: out0[i0] = in0[i0]         dropped: element by element the same addresses
for i0 < 4: out0[i0 + 4] = in1[i0]     kept
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlc.ir.affine import Linear, linear_form
from mlc.ir.expr import Const, Load, Var
from mlc.ir.graph import Value
from mlc.ir.rewrite import walk, walk_exprs
from mlc.ir.stmt import For, Func, Seq, Stmt, Store, seq
from mlc.passes.lower.views import View


def drop_self_copies(func: Func, views: Mapping[str, View]) -> Func:
    """Leave out nests that store each element where they loaded it.

    `views` gives parameters by name; those that are no longer used are left out as well. The body
    of a function that is left with nothing to do is an empty `Seq`.
    """
    nests = func.body.body if isinstance(func.body, Seq) else (func.body,)
    kept = [nest for nest in nests if not copies_itself(nest, views)]
    if len(kept) == len(nests):
        return func
    body = seq(kept)
    loads = {e.buffer.name for e in walk_exprs(body) if isinstance(e, Load)}
    stores = {part.buffer.name for part in walk(body) if isinstance(part, Store)}
    params = tuple(p for p in func.params if p.name in loads | stores)
    return replace(func, params=params, body=body)


def copies_itself(nest: Stmt, views: Mapping[str, View]) -> bool:
    """Whether a nest does nothing but store each element where it loaded it."""
    stores = [part for part in walk(nest) if isinstance(part, Store)]
    if len(stores) != 1 or not isinstance(stores[0].value, Load):
        return False
    still = {
        Var(part.var) for part in walk(nest) if isinstance(part, For) and part.extent == Const(1)
    }
    accesses = (stores[0], stores[0].value)
    places = [_address(access, views, still) for access in accesses]
    return None not in places and places[0] == places[1]


def _address(
    access: Store | Load, views: Mapping[str, View], still: set[Var]
) -> tuple[Value, Linear] | None:
    """The memory and the offset in elements; `still` are variables that are always 0."""
    view = views.get(access.buffer.name)
    if view is None:
        return None
    total = Linear({}, view.offset)
    for part, stride in zip(access.index, access.buffer.strides, strict=True):
        total = total.plus(linear_form(part), stride)
    terms = {atom: c for atom, c in total.terms.items() if atom not in still}
    return view.root, Linear(terms, total.constant)
