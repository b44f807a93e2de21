"""The driver of loops over a compiled body, as LLVM IR text.

After: a module that defines `i32 @mlc_loop(ptr %run, ptr %table, ptr %plan)`. It calls `%run`, a
body's `mlc_run`, with `%table` until the plan's iterations are done, the condition is false, or a
call fails, and returns the last status. After each call it copies what the body hands on unchanged,
and moves the pointers of the table: the buffers that state is read from and written to change
places, what is scanned or collected advances by one slice. The plan is a row of i64:

    0  iterations at most
    1  iterations done: the result
    2  slot of the counter, or -1
    3  slot of the condition, as it lies after a call, or -1
    4  number of copies
    5  number of pairs of slots that change places
    6  number of slots that advance
    7  the copies: slot from, slot to, bytes; then the pairs: slot, slot, 0;
       then what advances: slot, bytes, 0

Slots count from the table's first entry, pool and constants included. The counter is an i64 that
grows in place; the condition is a byte.
"""

from __future__ import annotations

HEAD = 7
"""Numbers before the first list."""

DONE = 1
"""Where the plan has the number of iterations done."""

LOOP_IR = """\
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define i32 @mlc_loop(ptr %run, ptr %table, ptr %plan) nounwind {
entry:
  %done.at = getelementptr i64, ptr %plan, i64 1
  %counter.at = getelementptr i64, ptr %plan, i64 2
  %condition.at = getelementptr i64, ptr %plan, i64 3
  %copies.at = getelementptr i64, ptr %plan, i64 4
  %swaps.at = getelementptr i64, ptr %plan, i64 5
  %advances.at = getelementptr i64, ptr %plan, i64 6
  %limit = load i64, ptr %plan
  %counter.slot = load i64, ptr %counter.at
  %condition.slot = load i64, ptr %condition.at
  %copies = load i64, ptr %copies.at
  %swaps = load i64, ptr %swaps.at
  %advances = load i64, ptr %advances.at
  %first.copy = getelementptr i64, ptr %plan, i64 7
  %first.swap = getelementptr [3 x i64], ptr %first.copy, i64 %copies
  %first.advance = getelementptr [3 x i64], ptr %first.swap, i64 %swaps
  %counts = icmp sge i64 %counter.slot, 0
  %tests = icmp sge i64 %condition.slot, 0
  br label %head

head:
  %i = phi i64 [ 0, %entry ], [ %next, %continue ]
  store i64 %i, ptr %done.at
  %more = icmp slt i64 %i, %limit
  br i1 %more, label %call, label %finished

call:
  %status = call i32 %run(ptr %table)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %failure, label %copy.head

copy.head:
  %c = phi i64 [ 0, %call ], [ %c.next, %copy.body ]
  %c.more = icmp slt i64 %c, %copies
  br i1 %c.more, label %copy.body, label %swap.head

copy.body:
  %from.at = getelementptr [3 x i64], ptr %first.copy, i64 %c
  %to.at = getelementptr i64, ptr %from.at, i64 1
  %size.at = getelementptr i64, ptr %from.at, i64 2
  %from.slot = load i64, ptr %from.at
  %to.slot = load i64, ptr %to.at
  %size = load i64, ptr %size.at
  %from.entry = getelementptr ptr, ptr %table, i64 %from.slot
  %to.entry = getelementptr ptr, ptr %table, i64 %to.slot
  %from = load ptr, ptr %from.entry
  %to = load ptr, ptr %to.entry
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  %c.next = add i64 %c, 1
  br label %copy.head

swap.head:
  %s = phi i64 [ 0, %copy.head ], [ %s.next, %swap.body ]
  %s.more = icmp slt i64 %s, %swaps
  br i1 %s.more, label %swap.body, label %advance.head

swap.body:
  %left.at = getelementptr [3 x i64], ptr %first.swap, i64 %s
  %right.at = getelementptr i64, ptr %left.at, i64 1
  %left.slot = load i64, ptr %left.at
  %right.slot = load i64, ptr %right.at
  %left.entry = getelementptr ptr, ptr %table, i64 %left.slot
  %right.entry = getelementptr ptr, ptr %table, i64 %right.slot
  %left = load ptr, ptr %left.entry
  %right = load ptr, ptr %right.entry
  store ptr %right, ptr %left.entry
  store ptr %left, ptr %right.entry
  %s.next = add i64 %s, 1
  br label %swap.head

advance.head:
  %a = phi i64 [ 0, %swap.head ], [ %a.next, %advance.body ]
  %a.more = icmp slt i64 %a, %advances
  br i1 %a.more, label %advance.body, label %count

advance.body:
  %slot.at = getelementptr [3 x i64], ptr %first.advance, i64 %a
  %step.at = getelementptr i64, ptr %slot.at, i64 1
  %slot = load i64, ptr %slot.at
  %step = load i64, ptr %step.at
  %entry.at = getelementptr ptr, ptr %table, i64 %slot
  %old = load ptr, ptr %entry.at
  %new = getelementptr i8, ptr %old, i64 %step
  store ptr %new, ptr %entry.at
  %a.next = add i64 %a, 1
  br label %advance.head

count:
  %next = add i64 %i, 1
  br i1 %counts, label %increment, label %condition

increment:
  %counter.entry = getelementptr ptr, ptr %table, i64 %counter.slot
  %counter = load ptr, ptr %counter.entry
  %number = load i64, ptr %counter
  %greater = add i64 %number, 1
  store i64 %greater, ptr %counter
  br label %condition

condition:
  br i1 %tests, label %test, label %continue

test:
  %condition.entry = getelementptr ptr, ptr %table, i64 %condition.slot
  %condition.pointer = load ptr, ptr %condition.entry
  %flag = load i8, ptr %condition.pointer
  %holds = icmp ne i8 %flag, 0
  br i1 %holds, label %continue, label %stopped

continue:
  br label %head

stopped:
  store i64 %next, ptr %done.at
  ret i32 0

finished:
  ret i32 0

failure:
  ret i32 %status
}
"""
