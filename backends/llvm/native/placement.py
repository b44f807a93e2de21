"""Keeping a worker off the processor of the thread that waits for it, as LLVM IR text.

A woken thread is often put on the processor of the thread that woke it, and short jobs end before
the system spreads them: the caller then does all the work alone. So each worker compares its
processor with the caller's when a job begins, and where they are the same it leaves for the others
of the set that the pool's creator was allowed. It never leaves that set; nothing else is pinned.

After: a fragment that defines

    void @mlc_leave_processor(ptr allowed, i32 caller)   `allowed`: a set of 1024 bits
    void @mlc_allowed_processors(ptr allowed)            the calling thread's set
    i32  @sched_getcpu()                                 libc's
"""

from __future__ import annotations

SET_BYTES = 128
"""Bytes of a set of processors, as libc's `cpu_set_t` has."""

PLACEMENT = """\
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define internal void @mlc_allowed_processors(ptr %allowed) nounwind {
  %status = call i32 @sched_getaffinity(i32 0, i64 128, ptr %allowed)
  ret void
}

define internal void @mlc_leave_processor(ptr %allowed, i32 %caller) nounwind {
entry:
  %others = alloca [16 x i64], align 8
  %here = call i32 @sched_getcpu()
  %same = icmp eq i32 %here, %caller
  %known = icmp ult i32 %here, 1024
  %shared = and i1 %same, %known
  br i1 %shared, label %remove, label %done
remove:
  call void @llvm.memcpy.p0.p0.i64(ptr align 8 %others, ptr align 8 %allowed, i64 128, i1 false)
  %number = lshr i32 %here, 6
  %wide = zext i32 %number to i64
  %word = getelementptr inbounds i64, ptr %others, i64 %wide
  %place = and i32 %here, 63
  %shift = zext i32 %place to i64
  %bit = shl i64 1, %shift
  %keep = xor i64 %bit, -1
  %old = load i64, ptr %word, align 8
  %new = and i64 %old, %keep
  store i64 %new, ptr %word, align 8
  br label %look
look:
  %index = phi i64 [ 0, %remove ], [ %index.next, %look ]
  %seen = phi i64 [ 0, %remove ], [ %union, %look ]
  %next = getelementptr inbounds i64, ptr %others, i64 %index
  %part = load i64, ptr %next, align 8
  %union = or i64 %seen, %part
  %index.next = add i64 %index, 1
  %more = icmp ult i64 %index.next, 16
  br i1 %more, label %look, label %decide
decide:
  %any = icmp ne i64 %union, 0
  br i1 %any, label %move, label %done
move:
  %status = call i32 @sched_setaffinity(i32 0, i64 128, ptr %others)
  br label %done
done:
  ret void
}
"""
