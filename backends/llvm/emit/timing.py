"""A kernel that times itself: what the tuner measures.

Beside the functions of `emit_functions`, the module has `i64 @mlc_time(ptr args, ptr pool, i64 n)`,
which calls the kernel n times and returns the nanoseconds that this took, and the functions of the
thread pool.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc.backends.llvm.emit.module import emit_functions
from mlc.ir.stmt import Func

TIME = "mlc_time"

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


def emit_timed(
    kernel: Func, prepare: Sequence[Func], triple: str, *, fast_math: bool = False
) -> str:
    """The LLVM IR text of a kernel, of the functions that prepare its constants, and `mlc_time`."""
    text = emit_functions([kernel, *prepare], triple, fast_math=fast_math)
    return f"{text}\n\n{_TIME.format(symbol=kernel.name)}"
