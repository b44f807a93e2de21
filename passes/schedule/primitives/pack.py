"""Lay a buffer out anew: dimensions in blocks, in another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlc.ir.affine import simplify
from mlc.ir.expr import Const, Expr, Load, Var, minimum
from mlc.ir.rewrite import buffers_of
from mlc.ir.stmt import Buffer, For, Func, Stmt, Store, loops, zero_of
from mlc.passes.schedule.dependence import written_buffers
from mlc.passes.schedule.location import (
    RefusalError,
    block,
    fresh,
    names_in,
    ranges_of_loops,
)
from mlc.passes.schedule.rewriting import Index, lay_out_anew, rewrite_accesses
from mlc.passes.schedule.schedule import Schedule, primitive
from mlc.passes.schedule.storage import with_buffer

Blocks = Mapping[int, int] | Sequence[tuple[int, int]]
Entry = int | tuple[int, str]


@primitive
def pack(
    schedule: Schedule,
    buffer: str,
    blocks: Blocks,
    order: Sequence[Entry],
    *,
    name: str | None = None,
) -> Schedule:
    """Lay `buffer` out densely in another order, with dimensions cut in blocks.

    `blocks` gives the block size of each dimension that is cut; `order` names the new dimensions,
    outermost first: a number for a whole dimension, `(number, "outer")` and `(number, "inner")` for
    the two parts of one that is cut. The last block is filled up with zeros. All accesses change.

    A constant is packed when the model is compiled: the nest goes to `func.prepare`, and the packed
    buffer, called `name` or the old name with `_packed`, becomes the parameter. Another input is
    packed at the start of the function, into the arena. A temporary has the new layout from the
    start, and no zeros.

    >>> from mlc.ir.text import parse_func, print_func
    >>> func = parse_func('''func scale(w: f32[24,5] constant, y: f32[24,5]) {
    ...   for o in 2 {
    ...     for k in 5 {
    ...       for i in min(16, 24 - o * 16) {
    ...         y[o * 16 + i, k] = w[o * 16 + i, k] * 2.0:f32
    ...       }
    ...     }
    ...   }
    ... }''')
    >>> packed = pack(Schedule(func), "w", {0: 16}, [(0, "outer"), 1, (0, "inner")], name="p")
    >>> print(print_func(packed.func))
    func scale(p: f32[2,5,16] constant, y: f32[24,5]) {
      prepare scale_pack_w(w: f32[24,5] constant, p: f32[2,5,16] constant) {
        for p_z0 in 2 {
          for p_z1 in 5 {
            for p_z2 in 16 {
              p[p_z0, p_z1, p_z2] = 0.0:f32
            }
          }
        }
        for p_0 in 2 {
          for p_1 in 5 {
            for p_2 in min(16, 24 - p_0 * 16) {
              p[p_0, p_1, p_2] = w[p_0 * 16 + p_2, p_1]
            }
          }
        }
      }
      for o in 2 {
        for k in 5 {
          for i in min(16, 24 - o * 16) {
            y[o * 16 + i, k] = p[o, k, i] * 2.0:f32
          }
        }
      }
    }
    """
    old = buffers_of(schedule.func).get(buffer)
    if old is None:
        raise RefusalError(f"no buffer '{buffer}'", "no-such-buffer")
    layout = _layout(old, blocks, order)
    params = [param.name for param in schedule.func.params]
    if buffer not in params:
        new = replace(layout.packed(buffer), scope=old.scope)
        return Schedule(with_buffer(schedule.func, new, layout.index), schedule.trace)
    if buffer in written_buffers(schedule.func.body):
        raise RefusalError(f"parameter '{buffer}' is written", "written", buffer)
    if any(buffer == prepare.params[-1].name for prepare in schedule.func.prepare):
        raise RefusalError(f"'{buffer}' is packed already", "packed-already", buffer)
    taken = names_in(schedule.func.body) | set(params)
    new = layout.packed(fresh(name or f"{buffer}_packed", taken))
    nests = layout.nests(new, taken)
    bounds = ranges_of_loops(schedule.func.body)
    func = schedule.func
    if old.scope == "constant":
        prepare = Func(f"{func.name}_pack_{buffer}", (old, new), block((), nests), func.loc)
        new_params = tuple([new if param.name == buffer else param for param in func.params])
        body = lay_out_anew(func.body, new, buffer, layout.index, bounds)
        func = replace(func, params=new_params, body=body, prepare=(*func.prepare, prepare))
        return Schedule(func, schedule.trace)
    body = rewrite_accesses(func.body, buffer, new, layout.index, bounds)
    return schedule.with_body(block((new,), [*nests, body]))


@dataclass(frozen=True, slots=True)
class _Layout:
    """The old buffer, and per new dimension the old one, which part of it, and its size."""

    old: Buffer
    blocks: dict[int, int]
    parts: tuple[tuple[int, str], ...]

    def size(self, dim: int, part: str) -> int:
        whole, cut = self.old.shape[dim], self.blocks.get(dim, 1)
        return {"whole": whole, "outer": -(-whole // cut), "inner": cut}[part]

    @property
    def padded(self) -> bool:
        return any(self.old.shape[dim] % cut for dim, cut in self.blocks.items())

    def packed(self, name: str) -> Buffer:
        scope = "constant" if self.old.scope == "constant" else "arena"
        shape = [self.size(*part) for part in self.parts]
        return Buffer.dense(name, shape, self.old.dtype, scope)

    def index(self, index: Index) -> Index:
        """Where the element at an index of the old buffer is in the new one."""
        new: list[Expr] = []
        for dim, part in self.parts:
            at, cut = index[dim], self.blocks.get(dim, 1)
            new.append({"whole": at, "outer": at // cut, "inner": at % cut}[part])
        return tuple(new)

    def nests(self, new: Buffer, taken: set[str]) -> list[Stmt]:
        """The nests that fill the new buffer: zeros first where it is padded, then the elements."""
        zeros = [fresh(f"{new.name}_z{n}", taken) for n in range(len(self.parts))]
        fill = Store(new, tuple([Var(var) for var in zeros]), zero_of(new.dtype))
        names = {part: fresh(f"{new.name}_{n}", taken) for n, part in enumerate(self.parts)}
        bounds = {names[part]: (0, self.size(*part) - 1) for part in self.parts}
        source: list[Expr] = []
        for dim in range(len(self.old.shape)):
            if dim in self.blocks:
                outer, inner = Var(names[dim, "outer"]), Var(names[dim, "inner"])
                source.append(outer * self.blocks[dim] + inner)
            else:
                source.append(Var(names[dim, "whole"]))
        index = tuple([Var(names[part]) for part in self.parts])
        copy: Stmt = Store(new, index, Load(self.old, tuple(source)))
        for dim, part in reversed(self.parts):
            extent: Expr = Const(self.size(dim, part))
            if part == "inner" and self.old.shape[dim] % self.blocks[dim]:
                start = Var(names[dim, "outer"]) * self.blocks[dim]
                extent = simplify(minimum(extent, Const(self.old.shape[dim]) - start), bounds)
            copy = For(names[dim, part], extent, "serial", copy)
        if not self.padded:
            return [copy]
        return [loops(zip(zeros, new.shape, strict=True), fill), copy]


def _layout(old: Buffer, blocks: Blocks, order: Sequence[Entry]) -> _Layout:
    sizes = dict(blocks)
    parts = tuple([(e, "whole") if isinstance(e, int) else (e[0], e[1]) for e in order])
    expected = [
        (dim, part)
        for dim in range(len(old.shape))
        for part in (("outer", "inner") if dim in sizes else ("whole",))
    ]
    if sorted(parts) != sorted(expected) or any(size < 1 for size in sizes.values()):
        reason = f"order {list(order)} with blocks {sizes} does not name each part"
        raise RefusalError(f"{reason} of '{old.name}' once", "bad-layout", old.name)
    for dim in sizes:
        if parts.index((dim, "outer")) > parts.index((dim, "inner")):
            reason = f"the inner part of dimension {dim} of '{old.name}' comes before the outer"
            raise RefusalError(reason, "bad-layout", old.name)
    return _Layout(old, sizes, parts)
