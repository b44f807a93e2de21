"""A kernel that times itself: what the tuner measures.

Beside the functions of a kernel, the module has `i64 @mlc_time(ptr args, ptr pool, i64 n)`, which
calls the kernel n times and returns the nanoseconds that this took. The thread pool is a module of
its own, because compiling it takes longer than compiling most kernels: candidates share one.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc.backends.llvm.emit.module import emit_exported
from mlc.backends.llvm.native.thread_pool import thread_pool_ir
from mlc.ir.stmt import Func

TIME = "mlc_time"

SHARED = ("mlc_clock_ns", "mlc_parallel_for")
"""What kernels call in the module of the thread pool."""

_SHARED = """\
declare i64 @mlc_clock_ns()
declare void @mlc_parallel_for(ptr, ptr, ptr, i64)"""

_TIME = """\
define i64 @mlc_time(ptr %args, ptr %pool, i64 %count) nounwind {{
entry:
  %start = call i64 @mlc_clock_ns()
  br label %loop
loop:
  %done = phi i64 [0, %entry], [%next, %loop]
  call void @{symbol}(ptr %args, ptr %pool)
  %next = add i64 %done, 1
  %more = icmp ult i64 %next, %count
  br i1 %more, label %loop, label %end
end:
  %stop = call i64 @mlc_clock_ns()
  %spent = sub i64 %stop, %start
  ret i64 %spent
}}"""


def emit_timed(kernel: Func, prepare: Sequence[Func], *, fast_math: bool = False) -> str:
    """The LLVM IR text of a kernel, of the functions that prepare its constants, and `mlc_time`."""
    kernels = emit_exported([kernel, *prepare], fast_math=fast_math)
    return "\n\n".join([_SHARED, kernels, _TIME.format(symbol=kernel.name)])


def emit_shared_pool(triple: str) -> str:
    """The LLVM IR text of the thread pool, with the functions of `SHARED` callable from outside."""
    lines = thread_pool_ir(triple).splitlines()
    return "\n".join(
        line.replace("define internal", "define")
        if any(f"@{name}(" in line for name in SHARED)
        else line
        for line in lines
    )
