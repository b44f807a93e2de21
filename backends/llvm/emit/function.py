"""A kernel (`Func`) → LLVM functions.

A kernel becomes `void @symbol(ptr %args, ptr %pool)`, where `%args` is a table of pointers to its
parameters followed by its workspaces (buffers of scope `arena` that it allocates). Each parallel
loop becomes a function `void @symbol.parN(ptr %args, i64 %begin, i64 %end)` that the thread pool
calls with ranges of iterations; two perfectly nested parallel loops are one range. A kernel with
serial loops around parallel ones hands out a longer table of its own, which ends with the variables
of these loops.
"""

from __future__ import annotations

from mlc.backends.llvm.emit.state import Scalar, State
from mlc.backends.llvm.emit.statements import emit_statement
from mlc.backends.llvm.emit.values import emit_value
from mlc.ir.expr import Const
from mlc.ir.rewrite import walk
from mlc.ir.stmt import Alloc, Buffer, For, Func, Stmt


def workspaces(func: Func) -> tuple[Buffer, ...]:
    """Buffers that a kernel needs from the model's arena while it runs."""
    return tuple(
        part.buffer
        for part in walk(func.body)
        if type(part) is Alloc and part.buffer.scope == "arena"
    )


def emit_kernel(
    func: Func,
    symbol: str,
    declarations: dict[str, None],
    *,
    check_bounds: bool = False,
    fast_math: bool = False,
) -> str:
    """LLVM IR text of a kernel; `declarations` collects what the module must declare."""
    return _KernelEmitter(func, symbol, declarations, check_bounds, fast_math).run()


class _KernelEmitter:
    def __init__(
        self,
        func: Func,
        symbol: str,
        declarations: dict[str, None],
        check_bounds: bool,
        fast_math: bool,
    ) -> None:
        self.func = func
        self.check_bounds = check_bounds
        self.fast_math = fast_math
        self.symbol = symbol
        self.declarations = declarations
        self.functions: list[str] = []
        self.arguments = {b.name: i for i, b in enumerate((*func.params, *workspaces(func)))}
        around = _loops_around_parallel(func.body)
        self.context = {var: len(self.arguments) + i for i, var in enumerate(around)}

    def run(self) -> str:
        state = self.new_state()
        state.fork = self.parallel
        if self.context:
            self.copy_table(state)
        emit_statement(state, self.func.body)
        state.builder.line("ret void")
        header = f"define internal void @{self.symbol}(ptr %args, ptr %pool) nounwind {{\nentry:"
        return "\n\n".join([*self.functions, f"{header}\n{state.text()}\n}}"])

    def new_state(self) -> State:
        """A function that begins by reading its pointers out of the table of arguments."""
        state = State(self.declarations, emit_value, self.check_bounds, self.fast_math)
        lines = state.levels[0].preamble
        lines.append(state.allocas)
        for name, position in self.arguments.items():
            lines.append(f"  %arg{position}.slot = getelementptr ptr, ptr %args, i64 {position}")
            lines.append(f"  %arg{position} = load ptr, ptr %arg{position}.slot")
            state.pointers[name] = f"%arg{position}"
        return state

    def copy_table(self, state: State) -> None:
        """A table with room for the variables of loops around parallel ones."""
        lines = state.levels[0].preamble
        size = len(self.arguments) + len(self.context)
        state.allocas.append(f"  %context = alloca [{size} x ptr], align 16")
        for position in range(size):
            lines.append(f"  %context{position} = getelementptr ptr, ptr %context, i64 {position}")
        for position in range(len(self.arguments)):
            lines.append(f"  store ptr %arg{position}, ptr %context{position}")

    def parallel(self, state: State, loop: For) -> None:
        """Hand a parallel loop to the pool."""
        loops, body = [loop], loop.body
        while isinstance(body, For) and body.kind == "parallel":
            loops.append(body)
            body = body.body
        extents = [_constant(part) for part in loops]
        total = 1
        for extent in extents:
            total *= extent
        name = f"{self.symbol}.par{len(self.functions)}"
        for var, position in self.context.items():
            value = state.variables.get(var)
            if isinstance(value, Scalar):
                state.builder.line(f"store i64 {value.name}, ptr %context{position}")
        self.functions.append(self.parallel_body(name, loops, extents, body, state))
        table = "%context" if self.context else "%args"
        callee = "void @mlc_parallel_for(ptr %pool, ptr @{}, ptr {}, i64 {})"
        state.builder.line("call " + callee.format(name, table, total))
        state.shared_loads.clear()

    def inherit(self, state: State, outer: State) -> None:
        """Read the variables of the loops around a parallel loop."""
        lines = state.levels[0].preamble
        state.bounds |= outer.bounds
        for var, value in outer.variables.items():
            if isinstance(value, Scalar):
                position = self.context[var]
                slot = f"%outer{position}.slot"
                lines.append(f"  {slot} = getelementptr i64, ptr %args, i64 {position}")
                lines.append(f"  %outer{position} = load i64, ptr {slot}")
                value = Scalar(f"%outer{position}", 0)
            state.variables[var] = value

    def parallel_body(
        self, name: str, loops: list[For], extents: list[int], body: Stmt, outer: State
    ) -> str:
        state = self.new_state()
        self.inherit(state, outer)
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


def _loops_around_parallel(stmt: Stmt) -> list[str]:
    """The variables of serial loops with parallel ones inside."""
    return [
        part.var
        for part in walk(stmt)
        if isinstance(part, For)
        and part.kind != "parallel"
        and any(type(inner) is For and inner.kind == "parallel" for inner in walk(part.body))
    ]
