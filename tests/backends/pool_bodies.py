"""What the tests of the thread pool let it run: bodies in LLVM IR, and how they are called."""

from __future__ import annotations

# Bodies: `add_one` adds one to each counter of its range; `add_one_slowly` first idles a while;
# `add_sixteen` starts a job of 16 on the same pool for each index; `meet` notes who comes, in the
# order of arrival, and waits until four are there, at most 10 s. `rounds` runs many jobs without
# leaving native code.
HARNESS = """
define void @add_one(ptr %counters, i64 %begin, i64 %end) {
entry:
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %address = getelementptr i32, ptr %counters, i64 %i
  %old = load i32, ptr %address
  %new = add i32 %old, 1
  store i32 %new, ptr %address
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}

define void @add_one_slowly(ptr %counters, i64 %begin, i64 %end) {
entry:
  br label %delay
delay:
  %turn = phi i32 [ 0, %entry ], [ %turn.next, %delay ]
  fence seq_cst
  %turn.next = add i32 %turn, 1
  %wait = icmp ult i32 %turn.next, 2000
  br i1 %wait, label %delay, label %work
work:
  call void @add_one(ptr %counters, i64 %begin, i64 %end)
  ret void
}

define void @add_sixteen(ptr %pool_and_counters, i64 %begin, i64 %end) {
entry:
  %pool = load ptr, ptr %pool_and_counters
  %second = getelementptr ptr, ptr %pool_and_counters, i64 1
  %counters = load ptr, ptr %second
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]
  %offset = mul i64 %i, 16
  %part = getelementptr i32, ptr %counters, i64 %offset
  call void @mlc_parallel_for(ptr %pool, ptr @add_one, ptr %part, i64 16)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}

define void @meet(ptr %met, i64 %begin, i64 %end) {
entry:
  %arrival = atomicrmw add ptr %met, i32 1 seq_cst
  %place = add i32 %arrival, 2
  %guest = getelementptr i32, ptr %met, i32 %place
  %index = trunc i64 %begin to i32
  store i32 %index, ptr %guest
  %start = call i64 @mlc_clock_ns()
  br label %wait
wait:
  %arrived = load atomic i32, ptr %met seq_cst, align 4
  %all = icmp uge i32 %arrived, 4
  br i1 %all, label %success, label %time
time:
  %now = call i64 @mlc_clock_ns()
  %elapsed = sub i64 %now, %start
  %over = icmp ugt i64 %elapsed, 10000000000
  br i1 %over, label %done, label %wait
success:
  %second = getelementptr i32, ptr %met, i64 1
  %count = atomicrmw add ptr %second, i32 1 seq_cst
  br label %done
done:
  ret void
}

define void @parallel_for(ptr %pool, ptr %counters, i64 %count) {
  call void @mlc_parallel_for(ptr %pool, ptr @add_one, ptr %counters, i64 %count)
  ret void
}

define void @parallel_for_slow(ptr %pool, ptr %counters, i64 %count) {
  call void @mlc_parallel_for(ptr %pool, ptr @add_one_slowly, ptr %counters, i64 %count)
  ret void
}

define void @parallel_for_meeting(ptr %pool, ptr %met, i64 %count) {
  call void @mlc_parallel_for(ptr %pool, ptr @meet, ptr %met, i64 %count)
  ret void
}

define void @parallel_for_nested(ptr %pool, ptr %pool_and_counters, i64 %count) {
  call void @mlc_parallel_for(ptr %pool, ptr @add_sixteen, ptr %pool_and_counters, i64 %count)
  ret void
}

define void @rounds(ptr %pool, ptr %counters, i64 %count, i64 %rounds) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void @mlc_parallel_for(ptr %pool, ptr @add_one, ptr %counters, i64 %count)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %rounds
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""

PROTOTYPES = {
    "mlc_pool_create": "void *(*)(int32_t)",
    "mlc_pool_destroy": "void (*)(void *)",
    "parallel_for": "void (*)(void *, void *, int64_t)",
    "parallel_for_slow": "void (*)(void *, void *, int64_t)",
    "parallel_for_meeting": "void (*)(void *, void *, int64_t)",
    "parallel_for_nested": "void (*)(void *, void *, int64_t)",
    "rounds": "void (*)(void *, void *, int64_t, int64_t)",
}
