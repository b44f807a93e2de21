"""Waiting for a word of memory to change, as LLVM IR text: spin a while, then sleep.

Before: a target triple. After: a fragment (no module header; it needs `@mlc_clock_ns`) that defines

    i64 @mlc_futex_wait(ptr word, i32 expected)        sleep while the word holds `expected`
    i32 @mlc_futex_wake(ptr word, i32 limit)           wake sleepers; how many there were
    i1  @mlc_spin_while_equal(ptr address, i32 value)  whether the word changed in time
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

SPIN_NANOSECONDS = 100_000
"""How long to spin before giving up: a busy neighbour needs the processor more."""

SPINS_PER_CLOCK_READ = 64


@dataclass(frozen=True)
class _Processor:
    """What differs between processors: the futex system call, and what to call in spin loops."""

    futex: int
    pause_declaration: str
    pause: str


_LINUX_PROCESSORS = {
    "x86_64": _Processor(
        futex=202,
        pause_declaration="declare void @llvm.x86.sse2.pause()",
        pause="call void @llvm.x86.sse2.pause()",
    ),
    "aarch64": _Processor(
        futex=98,
        pause_declaration="declare void @llvm.aarch64.isb(i32)",
        pause="call void @llvm.aarch64.isb(i32 15)",
    ),
}

_TEMPLATE = """\
$PAUSE_DECLARATION
declare i64 @syscall(i64, ...)

; FUTEX_WAIT_PRIVATE is 128: sleep while the word holds `expected`; 0 when woken.
define internal i64 @mlc_futex_wait(ptr %word, i32 %expected) nounwind {
  %status = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 128, i32 %expected,
                                         ptr null, ptr null, i32 0)
  ret i64 %status
}

; FUTEX_WAKE_PRIVATE is 129: wake at most `limit` sleepers; how many were woken.
define internal i32 @mlc_futex_wake(ptr %word, i32 %limit) nounwind {
  %status = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 129, i32 %limit,
                                         ptr null, ptr null, i32 0)
  %woken = trunc i64 %status to i32
  %some = icmp sgt i32 %woken, 0
  %result = select i1 %some, i32 %woken, i32 0
  ret i32 %result
}

; Spin while the word at `address` equals `value`: true when it changed, false when time is over.
define internal i1 @mlc_spin_while_equal(ptr %address, i32 %value) nounwind {
entry:
  %start = call i64 @mlc_clock_ns()
  br label %spin
spin:
  %turn = phi i32 [ 0, %entry ], [ %turn.next, %again ], [ 0, %time ]
  %word = load atomic i32, ptr %address acquire, align 4
  %equal = icmp eq i32 %word, %value
  br i1 %equal, label %again, label %differs
again:
  $PAUSE
  %turn.next = add i32 %turn, 1
  %look = icmp eq i32 %turn.next, $SPINS_PER_CLOCK_READ
  br i1 %look, label %time, label %spin
time:
  %now = call i64 @mlc_clock_ns()
  %elapsed = sub i64 %now, %start
  %over = icmp ugt i64 %elapsed, $SPIN_NANOSECONDS
  br i1 %over, label %give.up, label %spin
differs:
  ret i1 true
give.up:
  ret i1 false
}
"""


def futex_ir(triple: str) -> str | None:
    """The fragment for `triple`; None on a system whose futex is not known."""
    parts = triple.split("-")
    processor = _LINUX_PROCESSORS.get(parts[0]) if "linux" in parts else None
    if processor is None:
        return None
    return Template(_TEMPLATE).substitute(
        FUTEX=processor.futex,
        PAUSE=processor.pause,
        PAUSE_DECLARATION=processor.pause_declaration,
        SPIN_NANOSECONDS=SPIN_NANOSECONDS,
        SPINS_PER_CLOCK_READ=SPINS_PER_CLOCK_READ,
    )
