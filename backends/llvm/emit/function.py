"""A kernel (`Func`) → LLVM functions.

A kernel becomes `void @symbol(ptr %args, ptr %pool)`, where `%args` is a table of pointers to its
parameters followed by its workspaces (buffers of scope `arena` that it allocates). Each parallel
loop at the top becomes a function `void @symbol.parN(ptr %args, i64 %begin, i64 %end)` that the
thread pool calls with ranges of iterations; two perfectly nested parallel loops are one range.
"""

from __future__ import annotations

from mlc.backends.llvm.emit.state import Scalar, State
from mlc.backends.llvm.emit.statements import emit_statement
from mlc.backends.llvm.emit.values import emit_value
from mlc.ir.expr import Const
from mlc.ir.rewrite import walk
from mlc.ir.stmt import Alloc, Buffer, For, Func, Seq, Stmt


def workspaces(func: Func) -> tuple[Buffer, ...]:
    """Buffers that a kernel needs from the model's arena while it runs."""
    return tuple(
        part.buffer
        for part in walk(func.body)
        if type(part) is Alloc and part.buffer.scope == "arena"
    )


def emit_kernel(
    func: Func, symbol: str, declarations: dict[str, None], *, check_bounds: bool = False
) -> str:
    """LLVM IR text of a kernel; `declarations` collects what the module must declare."""
    return _KernelEmitter(func, symbol, declarations, check_bounds).run()


class _KernelEmitter:
    def __init__(
        self, func: Func, symbol: str, declarations: dict[str, None], check_bounds: bool
    ) -> None:
        self.func = func
        self.check_bounds = check_bounds
        self.symbol = symbol
        self.declarations = declarations
        self.functions: list[str] = []
        self.arguments = {b.name: i for i, b in enumerate((*func.params, *workspaces(func)))}

    def run(self) -> str:
        state = self.new_state()
        self.top(state, self.func.body)
        state.builder.line("ret void")
        header = f"define internal void @{self.symbol}(ptr %args, ptr %pool) nounwind {{\nentry:"
        return "\n\n".join([*self.functions, f"{header}\n{state.text()}\n}}"])

    def new_state(self) -> State:
        """A function that begins by reading its pointers out of the table of arguments."""
        state = State(self.declarations, emit_value, self.check_bounds)
        lines = state.levels[0].preamble
        lines.append(state.allocas)
        for name, position in self.arguments.items():
            lines.append(f"  %arg{position}.slot = getelementptr ptr, ptr %args, i64 {position}")
            lines.append(f"  %arg{position} = load ptr, ptr %arg{position}.slot")
            state.pointers[name] = f"%arg{position}"
        return state

    def top(self, state: State, stmt: Stmt) -> None:
        """Statements outside parallel loops; these are handed to the pool."""
        if isinstance(stmt, Seq):
            for part in stmt.body:
                self.top(state, part)
        elif isinstance(stmt, Alloc) and stmt.buffer.scope == "arena":
            self.top(state, stmt.body)
        elif isinstance(stmt, For) and stmt.kind == "parallel":
            self.parallel(state, stmt)
        else:
            emit_statement(state, stmt)

    def parallel(self, state: State, loop: For) -> None:
        loops, body = [loop], loop.body
        while isinstance(body, For) and body.kind == "parallel":
            loops.append(body)
            body = body.body
        extents = [_constant(part) for part in loops]
        total = 1
        for extent in extents:
            total *= extent
        name = f"{self.symbol}.par{len(self.functions)}"
        self.functions.append(self.parallel_body(name, loops, extents, body))
        callee = "void @mlc_parallel_for(ptr %pool, ptr @{}, ptr %args, i64 {})"
        state.builder.line("call " + callee.format(name, total))

    def parallel_body(self, name: str, loops: list[For], extents: list[int], body: Stmt) -> str:
        state = self.new_state()
        builder = state.builder
        header, done = builder.fresh_label(), builder.fresh_label()
        counter, following = builder.fresh(), builder.fresh()
        builder.line("%some = icmp slt i64 %begin, %end")
        builder.line(f"br i1 %some, label %{header}, label %{done}")
        state.start_block(header)
        phi: list[str] = []
        builder.lines.append(phi)  # type: ignore[arg-type]
        state.enter_level()
        rest = counter
        for loop, extent in reversed(list(zip(loops, extents, strict=True))):
            part = rest
            if loop is not loops[0]:
                part = state.hoisted(state.level, f"urem i64 {rest}, {extent}")
                rest = state.hoisted(state.level, f"udiv i64 {rest}, {extent}")
            state.variables[loop.var] = Scalar(part, state.level)
            state.bounds[loop.var] = (0, extent - 1)
        emit_statement(state, body)
        state.leave_level()
        phi.append(f"  {counter} = phi i64 [ %begin, %entry ], [ {following}, %{state.block} ]")
        builder.line(f"{following} = add nuw nsw i64 {counter}, 1")
        again = builder.op(f"icmp slt i64 {following}, %end")
        builder.line(f"br i1 {again}, label %{header}, label %{done}")
        state.start_block(done)
        builder.line("ret void")
        signature = f"define internal void @{name}(ptr %args, i64 %begin, i64 %end) nounwind"
        return f"{signature} {{\nentry:\n{state.text()}\n}}"


def _constant(loop: For) -> int:
    value = loop.extent
    if not isinstance(value, Const):
        raise AssertionError(f"parallel loop {loop.var} without constant extent")
    return int(value.value)
