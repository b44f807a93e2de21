"""What a thread of the pool does: wait for a job, join it, take chunks, as LLVM IR text.

Before: the futex's and the placement's fragments. After: a template, whose `$` names are the
offsets into the pool and the bits of its state that `thread_pool` lays down, of a fragment that
defines

    ptr  @mlc_pool_worker(ptr pool)                  the life of a thread, until the pool stops
    void @mlc_pool_run_chunks(ptr pool, i64 self)    its share of a job; the caller, 0, takes part
    void @mlc_pool_await_job(ptr pool, i32 seen)     spins, then sleeps, until there is another job
"""

from __future__ import annotations

WORKER = """\
; Take chunks of the current job until none is left: those of thread `self`, then of those after it.
define internal void @mlc_pool_run_chunks(ptr %pool, i64 %self) nounwind {
entry:
  %body.address = getelementptr inbounds i8, ptr %pool, i64 $BODY
  %args.address = getelementptr inbounds i8, ptr %pool, i64 $ARGS
  %count.address = getelementptr inbounds i8, ptr %pool, i64 $COUNT
  %chunk.address = getelementptr inbounds i8, ptr %pool, i64 $CHUNK
  %chunks.address = getelementptr inbounds i8, ptr %pool, i64 $CHUNKS
  %counters.address = getelementptr inbounds i8, ptr %pool, i64 $COUNTERS
  %workers.address = getelementptr inbounds i8, ptr %pool, i64 $WORKERS
  %body = load ptr, ptr %body.address, align 8
  %args = load ptr, ptr %args.address, align 8
  %count = load i64, ptr %count.address, align 8
  %chunk = load i64, ptr %chunk.address, align 8
  %chunks = load i64, ptr %chunks.address, align 8
  %counters = load ptr, ptr %counters.address, align 8
  %workers = load i32, ptr %workers.address, align 4
  %others = zext i32 %workers to i64
  %threads = add i64 %others, 1
  br label %visit
visit:
  %owner = phi i64 [ %self, %entry ], [ %owner.next, %leave ]
  %visited = phi i64 [ 1, %entry ], [ %visited.next, %leave ]
  %owner.after = add i64 %owner, 1
  %before = mul i64 %owner.after, %chunks
  %limit = udiv i64 %before, %threads
  %offset = shl i64 %owner, 6
  %counter = getelementptr inbounds i8, ptr %counters, i64 %offset
  %seen = load atomic i64, ptr %counter monotonic, align 8
  %left = icmp slt i64 %seen, %limit
  br i1 %left, label %take, label %leave
take:
  %number = atomicrmw add ptr %counter, i64 1 monotonic
  %some = icmp slt i64 %number, %limit
  br i1 %some, label %run, label %leave
run:
  %begin = mul i64 %number, %chunk
  %reach = add i64 %begin, %chunk
  %within = icmp slt i64 %reach, %count
  %end = select i1 %within, i64 %reach, i64 %count
  call void %body(ptr %args, i64 %begin, i64 %end)
  br label %take
leave:
  %last = icmp eq i64 %owner.after, %threads
  %owner.next = select i1 %last, i64 0, i64 %owner.after
  %visited.next = add i64 %visited, 1
  %more = icmp ule i64 %visited.next, %threads
  br i1 %more, label %visit, label %done
done:
  ret void
}

; Wait until the generation differs from `seen`.
define internal void @mlc_pool_await_job(ptr %pool, i32 %seen) nounwind {
entry:
  %generation = getelementptr inbounds i8, ptr %pool, i64 $GENERATION
  %sleepers = getelementptr inbounds i8, ptr %pool, i64 $SLEEPERS
  %changed = call i1 @mlc_spin_while_equal(ptr %generation, i32 %seen)
  br i1 %changed, label %done, label %sleep
sleep:
  %counted = atomicrmw add ptr %sleepers, i32 1 seq_cst
  %status = call i64 @mlc_futex_wait(ptr %generation, i32 %seen)
  %woken = icmp eq i64 %status, 0
  br i1 %woken, label %check, label %uncount
uncount:
  %uncounted = atomicrmw sub ptr %sleepers, i32 1 seq_cst
  br label %check
check:
  %now = load atomic i32, ptr %generation acquire, align 4
  %same = icmp eq i32 %now, %seen
  br i1 %same, label %sleep, label %done
done:
  ret void
}

define internal ptr @mlc_pool_worker(ptr %pool) nounwind {
entry:
  %state = getelementptr inbounds i8, ptr %pool, i64 $STATE
  %stop = getelementptr inbounds i8, ptr %pool, i64 $STOP
  %allowed = getelementptr inbounds i8, ptr %pool, i64 $ALLOWED
  %caller.address = getelementptr inbounds i8, ptr %pool, i64 $CALLER_PROCESSOR
  %numbered = getelementptr inbounds i8, ptr %pool, i64 $NUMBERED
  %number = atomicrmw add ptr %numbered, i32 1 monotonic
  %number.wide = zext i32 %number to i64
  %self = add i64 %number.wide, 1
  br label %idle
idle:
  %seen = phi i32 [ 0, %entry ], [ %generation, %look ], [ %generation, %leave ],
                  [ %generation, %wake.caller ]
  call void @mlc_pool_await_job(ptr %pool, i32 %seen)
  %caller = load atomic i32, ptr %caller.address monotonic, align 4
  call void @mlc_leave_processor(ptr %allowed, i32 %caller)
  br label %join
join:
  %now = load atomic i64, ptr %state acquire, align 8
  %high = lshr i64 %now, 32
  %generation = trunc i64 %high to i32
  ; After the generation, or the last one could be taken for seen without its stop.
  %stopping = load atomic i32, ptr %stop acquire, align 4
  %stays = icmp eq i32 %stopping, 0
  br i1 %stays, label %look, label %exit
look:
  %open.bit = and i64 %now, $OPEN
  %open = icmp ne i64 %open.bit, 0
  br i1 %open, label %try, label %idle
try:
  %joined = add i64 %now, 1
  %swap = cmpxchg ptr %state, i64 %now, i64 %joined acq_rel monotonic
  %success = extractvalue { i64, i1 } %swap, 1
  br i1 %success, label %work, label %join
work:
  call void @mlc_pool_run_chunks(ptr %pool, i64 %self)
  br label %leave
leave:
  %before = atomicrmw sub ptr %state, i64 1 acq_rel
  %leaving = and i64 %before, $LEAVING_MASK
  %wakes = icmp eq i64 %leaving, $LAST_AND_WAITING
  br i1 %wakes, label %wake.caller, label %idle
wake.caller:
  %woken = call i32 @mlc_futex_wake(ptr %state, i32 1)
  br label %idle
exit:
  ret ptr null
}
"""
