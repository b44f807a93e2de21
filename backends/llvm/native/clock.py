"""A monotonic clock as LLVM IR text.

Before: a target triple. After: a fragment (no module header) that defines
`@mlc_clock_ns() -> i64`, nanoseconds since an arbitrary start; it is constant 0 where the target
has no clock that we know how to read.
"""

from __future__ import annotations

_LINUX = """\
declare i32 @clock_gettime(i32, ptr)

; CLOCK_MONOTONIC is 1; struct timespec is { i64 seconds, i64 nanoseconds } on 64-bit Linux.
define internal i64 @mlc_clock_ns() nounwind {
  %time = alloca [2 x i64], align 8
  %status = call i32 @clock_gettime(i32 1, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %nanoseconds.address = getelementptr inbounds i8, ptr %time, i64 8
  %nanoseconds = load i64, ptr %nanoseconds.address, align 8
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %nanoseconds
  ret i64 %now
}
"""

_NONE = """\
define internal i64 @mlc_clock_ns() nounwind {
  ret i64 0
}
"""


def clock_ir(triple: str) -> str:
    """LLVM IR fragment that defines `@mlc_clock_ns` for `triple`."""
    return _LINUX if "linux" in triple.split("-") else _NONE
