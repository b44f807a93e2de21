"""A `Program` → one LLVM module: kernels, thread pool, and the entry that walks the plan.

The entry is `i32 @mlc_run(ptr %table)`. The table holds the constants, the arena, the thread
pool, the profile (or null) and then one pointer for each input and output. With a profile, entry
i grows by the nanoseconds that call i took.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc.backends.llvm.emit.function import emit_kernel
from mlc.backends.llvm.native.thread_pool import thread_pool_ir
from mlc.ir.program import KernelCall, Place, Program
from mlc.ir.stmt import Func
from mlc.runtime.native import OUT_OF_BOUNDS

CONSTANTS, ARENA, POOL, PROFILE, FIRST_PORT = range(5)


SPARE_BYTES = 4096
"""Memory that accesses out of bounds are sent to; longer than any vector."""

_GUARDS = f"""\
@mlc_out_of_bounds = internal global i32 0
@mlc_spare_memory = internal global [{SPARE_BYTES} x i8] zeroinitializer, align 64"""


def emit_program(
    program: Program, triple: str, *, check_bounds: bool = False, fast_math: bool = False
) -> str:
    """The LLVM IR text of a whole model.

    With `check_bounds` every access is checked when it happens; one that would leave its buffer
    goes to spare memory instead, and `mlc_run` returns `OUT_OF_BOUNDS`. With `fast_math`
    exp, tanh and erf are the shorter ones of `FAST_MATH`.
    """
    declarations: dict[str, None] = {}
    kernels = [
        emit_kernel(func, symbol, declarations, check_bounds=check_bounds, fast_math=fast_math)
        for symbol, func in program.kernels.items()
    ]
    declared = "\n".join(f"declare {signature}" for signature in declarations)
    run = _run_function(program.calls, len(program.inputs), check_bounds)
    pool = thread_pool_ir(triple, used=any("@mlc_parallel_for" in kernel for kernel in kernels))
    return "\n\n".join([declared, _GUARDS, pool, *kernels, run])


def emit_functions(
    funcs: Sequence[Func], triple: str, *, check_bounds: bool = False, fast_math: bool = False
) -> str:
    """A module of kernels alone, callable from outside as `void @name(ptr args, ptr pool)`.

    `i32 @mlc_status()` tells whether any access was out of bounds since it was asked.
    """
    kernels = emit_exported(funcs, check_bounds=check_bounds, fast_math=fast_math)
    body = _status("now", check_bounds)
    status = "\n".join(["define i32 @mlc_status() nounwind {", "entry:", *body, "}"])
    return "\n\n".join([kernels, thread_pool_ir(triple), status])


def emit_exported(
    funcs: Sequence[Func], *, check_bounds: bool = False, fast_math: bool = False
) -> str:
    """A fragment of kernels that can be called from outside; it needs the thread pool."""
    declarations: dict[str, None] = {}
    kernels = [
        emit_kernel(
            func, func.name, declarations, check_bounds=check_bounds, fast_math=fast_math
        ).replace(
            f"define internal void @{func.name}(ptr %args, ptr %pool)",
            f"define void @{func.name}(ptr %args, ptr %pool)",
        )
        for func in funcs
    ]
    declared = "\n".join(f"declare {signature}" for signature in declarations)
    return "\n\n".join([declared, _GUARDS, *kernels])


def _run_function(calls: Sequence[KernelCall], inputs: int, check_bounds: bool) -> str:
    lines = ["define i32 @mlc_run(ptr %table) nounwind {", "entry:"]
    lines += _table_entry("constants", CONSTANTS) + _table_entry("arena", ARENA)
    lines += _table_entry("pool", POOL) + _table_entry("profile", PROFILE)
    used = {(place.space, place.number) for call in calls for place in call.arguments}
    for space, number in sorted(used):
        if space in ("input", "output"):
            base = FIRST_PORT + (inputs if space == "output" else 0)
            lines += _table_entry(f"{space}{number}", base + number)
    most = max((len(call.arguments) for call in calls), default=1)
    lines.append(f"  %args = alloca [{most} x ptr], align 16")
    lines.append("  %profiled = icmp ne ptr %profile, null")
    lines.append("  br i1 %profiled, label %timed, label %plain")
    lines.append("plain:")
    for number, call in enumerate(calls):
        lines += _call(call, f"c{number}")
    lines += [*_status("plain", check_bounds), "timed:"]
    for number, call in enumerate(calls):
        lines.append(f"  %start{number} = call i64 @mlc_clock_ns()")
        lines += _call(call, f"t{number}")
        lines += _profile(number)
    lines += [*_status("timed", check_bounds), "}"]
    return "\n".join(lines)


def _status(name: str, check_bounds: bool) -> list[str]:
    """Return whether an access was out of bounds, and forget it for the next call."""
    if not check_bounds:
        return ["  ret i32 0"]
    return [
        f"  %{name}.flag = atomicrmw xchg ptr @mlc_out_of_bounds, i32 0 monotonic",
        f"  %{name}.left = icmp ne i32 %{name}.flag, 0",
        f"  %{name}.status = select i1 %{name}.left, i32 {OUT_OF_BOUNDS}, i32 0",
        f"  ret i32 %{name}.status",
    ]


def _table_entry(name: str, position: int) -> list[str]:
    return [
        f"  %{name}.slot = getelementptr ptr, ptr %table, i64 {position}",
        f"  %{name} = load ptr, ptr %{name}.slot",
    ]


def _call(call: KernelCall, prefix: str) -> list[str]:
    lines = []
    for position, place in enumerate(call.arguments):
        pointer = f"%{prefix}.a{position}"
        lines.append(f"  {pointer} = getelementptr i8, ptr {_base(place)}, i64 {place.offset}")
        lines.append(f"  {pointer}.slot = getelementptr ptr, ptr %args, i64 {position}")
        lines.append(f"  store ptr {pointer}, ptr {pointer}.slot")
    lines.append(f"  call void @{call.kernel}(ptr %args, ptr %pool)")
    return lines


def _base(place: Place) -> str:
    fixed = {"constant": "%constants", "arena": "%arena"}
    return fixed.get(place.space) or f"%{place.space}{place.number}"


def _profile(number: int) -> list[str]:
    return [
        f"  %end{number} = call i64 @mlc_clock_ns()",
        f"  %time{number} = sub i64 %end{number}, %start{number}",
        f"  %sum{number}.slot = getelementptr i64, ptr %profile, i64 {number}",
        f"  %old{number} = load i64, ptr %sum{number}.slot",
        f"  %sum{number} = add i64 %old{number}, %time{number}",
        f"  store i64 %sum{number}, ptr %sum{number}.slot",
    ]
