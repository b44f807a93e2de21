"""The persistent thread pool of a compiled model, as LLVM IR text.

Before: a target triple. After: a fragment (no module header) that defines

    ptr  @mlc_pool_create(i32 workers)      a pool of `workers` extra threads, or null
    void @mlc_pool_destroy(ptr pool)        joins the threads of an idle pool; null is fine
    void @mlc_parallel_for(ptr pool, ptr body, ptr args, i64 count)
    i64  @mlc_clock_ns()

`mlc_parallel_for` splits [0, count) into chunks that the caller and the workers take one by one,
and calls `void body(ptr args, i64 begin, i64 end)` for each; it returns when all have run. Without
a pool, or when the pool is serving another caller (nested or concurrent), it runs the body inline.
Only libc is needed: pthreads, `syscall` for the futex, and the clock.

Every thread has a range of the chunks of its own, which it takes first; then it helps the others.
So what a thread wrote in one job it mostly finds in its own caches in the next.

How it works. One 64-bit word, `state`, holds the generation of the job in its high half and
`open | waiting | active count` in its low half. The caller publishes a job by storing the next
generation with the open bit. A worker joins by a compare-and-swap that adds one to the active
count, which succeeds only while the job is open; it subtracts one when no chunk is left (its side
is in `worker`). The caller takes chunks too, then clears the open bit and waits for the active
count to reach zero. So only workers that really joined are waited for: one that never got a
processor delays nobody.

Both halves are futex words: workers sleep on the generation, the caller on the low half. Everybody
spins for a while before sleeping. `sleepers` counts the workers asleep, so that a publication
without sleepers makes no system call; whoever ends a sleep (the waker for those it woke, the
sleeper itself otherwise) takes it off the count. Workers keep off the caller's processor: see
`placement`.
"""

from __future__ import annotations

from string import Template

from mlc.backends.llvm.native.clock import clock_ir
from mlc.backends.llvm.native.futex import futex_ir
from mlc.backends.llvm.native.placement import PLACEMENT, SET_BYTES
from mlc.backends.llvm.native.worker import WORKER

CHUNKS_PER_THREAD = 4


# Byte offsets into the pool. What the caller writes, what all fight over and what only lies there
# are on different cache lines.
_LAYOUT = {
    "LOCK": 0,
    "WORKERS": 4,
    "STATE": 64,
    "GENERATION": 68,
    "SLEEPERS": 72,
    "STOP": 76,
    "NUMBERED": 80,
    "BODY": 128,
    "ARGS": 136,
    "COUNT": 144,
    "CHUNK": 152,
    "CALLER_PROCESSOR": 160,
    "CHUNKS": 168,
    "COUNTERS": 176,
    "ALLOWED": 192,
    "THREADS": 192 + SET_BYTES,
}

_STATE_BITS = {
    "OPEN": 1 << 31,
    "NOT_OPEN": -(1 << 31) - 1,
    "WAITING": 1 << 30,
    "ACTIVE_MASK": (1 << 30) - 1,
    "LAST_AND_WAITING": (1 << 30) | 1,
    "LEAVING_MASK": (1 << 31) - 1,
    "ONE_GENERATION": 1 << 32,
}

# All signals but the synchronous ones (ILL 4, ABRT 6, BUS 7, FPE 8, SEGV 11) are blocked in
# workers, so that the host's handlers run on the host's threads.
_BLOCKED_SIGNALS = ~sum(1 << (number - 1) for number in (4, 6, 7, 8, 11))

_CREATE_AND_DESTROY = """\
declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define ptr @mlc_pool_create(i32 %workers) nounwind {
entry:
  %blocked = alloca [16 x i64], align 8
  %previous = alloca [16 x i64], align 8
  %some = icmp sgt i32 %workers, 0
  br i1 %some, label %allocate, label %none
allocate:
  %wide = zext i32 %workers to i64
  %rounded = add i64 %wide, 7
  %lines = lshr i64 %rounded, 3
  %threads.size = shl i64 %lines, 6
  %counters.begin = add i64 %threads.size, $THREADS
  %all = add i64 %wide, 1
  %counters.size = shl i64 %all, 6
  %size = add i64 %counters.begin, %counters.size
  %pool = call ptr @aligned_alloc(i64 64, i64 %size)
  %failed = icmp eq ptr %pool, null
  br i1 %failed, label %none, label %prepare
prepare:
  call void @llvm.memset.p0.i64(ptr align 64 %pool, i8 0, i64 %size, i1 false)
  %counters = getelementptr inbounds i8, ptr %pool, i64 %counters.begin
  %counters.address = getelementptr inbounds i8, ptr %pool, i64 $COUNTERS
  store ptr %counters, ptr %counters.address, align 8
  call void @llvm.memset.p0.i64(ptr align 8 %blocked, i8 0, i64 128, i1 false)
  store i64 $BLOCKED_SIGNALS, ptr %blocked, align 8
  %allowed = getelementptr inbounds i8, ptr %pool, i64 $ALLOWED
  call void @mlc_allowed_processors(ptr %allowed)
  %masked = call i32 @pthread_sigmask(i32 2, ptr %blocked, ptr %previous)
  br label %start
start:
  %index = phi i64 [ 0, %prepare ], [ %index.next, %started ]
  %offset = shl i64 %index, 3
  %threads = getelementptr inbounds i8, ptr %pool, i64 $THREADS
  %thread = getelementptr inbounds i8, ptr %threads, i64 %offset
  %status = call i32 @pthread_create(ptr %thread, ptr null, ptr @mlc_pool_worker, ptr %pool)
  %created = icmp eq i32 %status, 0
  br i1 %created, label %started, label %finish
started:
  %index.next = add i64 %index, 1
  %more = icmp ult i64 %index.next, %wide
  br i1 %more, label %start, label %finish
finish:
  %running = phi i64 [ %index, %start ], [ %index.next, %started ]
  %unmasked = call i32 @pthread_sigmask(i32 2, ptr %previous, ptr null)
  %workers.address = getelementptr inbounds i8, ptr %pool, i64 $WORKERS
  %narrow = trunc i64 %running to i32
  store i32 %narrow, ptr %workers.address, align 4
  %any = icmp ne i64 %running, 0
  br i1 %any, label %ready, label %discard
ready:
  ret ptr %pool
discard:
  call void @free(ptr %pool)
  ret ptr null
none:
  ret ptr null
}

define void @mlc_pool_destroy(ptr %pool) nounwind {
entry:
  %absent = icmp eq ptr %pool, null
  br i1 %absent, label %done, label %stop
stop:
  %stop.address = getelementptr inbounds i8, ptr %pool, i64 $STOP
  store atomic i32 1, ptr %stop.address release, align 4
  %state = getelementptr inbounds i8, ptr %pool, i64 $STATE
  %before = atomicrmw add ptr %state, i64 $ONE_GENERATION seq_cst
  %generation = getelementptr inbounds i8, ptr %pool, i64 $GENERATION
  %woken = call i32 @mlc_futex_wake(ptr %generation, i32 2147483647)
  %workers.address = getelementptr inbounds i8, ptr %pool, i64 $WORKERS
  %workers = load i32, ptr %workers.address, align 4
  %wide = zext i32 %workers to i64
  %threads = getelementptr inbounds i8, ptr %pool, i64 $THREADS
  br label %join
join:
  %index = phi i64 [ 0, %stop ], [ %index.next, %join ]
  %offset = shl i64 %index, 3
  %thread.address = getelementptr inbounds i8, ptr %threads, i64 %offset
  %thread = load i64, ptr %thread.address, align 8
  %status = call i32 @pthread_join(i64 %thread, ptr null)
  %index.next = add i64 %index, 1
  %more = icmp ult i64 %index.next, %wide
  br i1 %more, label %join, label %release
release:
  call void @free(ptr %pool)
  br label %done
done:
  ret void
}
"""

_PARALLEL_FOR = """\
; Publish a job of `tasks` chunks, and wake as many sleepers as can be of use.
define internal void @mlc_pool_publish(ptr %pool, i32 %workers, i64 %tasks) nounwind {
entry:
  %state = getelementptr inbounds i8, ptr %pool, i64 $STATE
  %sleepers = getelementptr inbounds i8, ptr %pool, i64 $SLEEPERS
  %before = load atomic i64, ptr %state monotonic, align 8
  %generation = lshr i64 %before, 32
  %generation.next = add i64 %generation, 1
  %high = shl i64 %generation.next, 32
  %published = or i64 %high, $OPEN
  store atomic i64 %published, ptr %state seq_cst, align 8
  %asleep = load atomic i32, ptr %sleepers seq_cst, align 4
  %any = icmp sgt i32 %asleep, 0
  br i1 %any, label %wake, label %done
wake:
  %others = sub i64 %tasks, 1
  %wide = zext i32 %workers to i64
  %few = icmp slt i64 %others, %wide
  %limit.wide = select i1 %few, i64 %others, i64 %wide
  %limit = trunc i64 %limit.wide to i32
  %word = getelementptr inbounds i8, ptr %pool, i64 $GENERATION
  %woken = call i32 @mlc_futex_wake(ptr %word, i32 %limit)
  %uncounted = atomicrmw sub ptr %sleepers, i32 %woken seq_cst
  br label %done
done:
  ret void
}

; Let nobody join any more, and wait for those who did.
define internal void @mlc_pool_close(ptr %pool) nounwind {
entry:
  %state = getelementptr inbounds i8, ptr %pool, i64 $STATE
  %before = atomicrmw and ptr %state, i64 $NOT_OPEN acq_rel
  %active = and i64 %before, $ACTIVE_MASK
  %alone = icmp eq i64 %active, 0
  br i1 %alone, label %done, label %look
look:
  %low = load atomic i32, ptr %state acquire, align 8
  %low.active = and i32 %low, $ACTIVE_MASK
  %left = icmp eq i32 %low.active, 0
  br i1 %left, label %done, label %spin
spin:
  %changed = call i1 @mlc_spin_while_equal(ptr %state, i32 %low)
  br i1 %changed, label %look, label %announce
announce:
  %announced = atomicrmw or ptr %state, i64 $WAITING acq_rel
  %still = and i64 %announced, $ACTIVE_MASK
  %gone = icmp eq i64 %still, 0
  br i1 %gone, label %done, label %sleep
sleep:
  %with.bit = or i64 %announced, $WAITING
  %expected = trunc i64 %with.bit to i32
  %status = call i64 @mlc_futex_wait(ptr %state, i32 %expected)
  br label %announce
done:
  ret void
}

define internal void @mlc_parallel_for(ptr %pool, ptr %body, ptr %args, i64 %count) nounwind {
entry:
  %empty = icmp sle i64 %count, 0
  br i1 %empty, label %done, label %has.work
has.work:
  %absent = icmp eq ptr %pool, null
  %single = icmp eq i64 %count, 1
  %alone = or i1 %absent, %single
  br i1 %alone, label %inline, label %acquire
acquire:
  %lock = getelementptr inbounds i8, ptr %pool, i64 $LOCK
  %swap = cmpxchg ptr %lock, i32 0, i32 1 acquire monotonic
  %locked = extractvalue { i32, i1 } %swap, 1
  br i1 %locked, label %share, label %inline
inline:
  call void %body(ptr %args, i64 0, i64 %count)
  br label %done
share:
  %workers.address = getelementptr inbounds i8, ptr %pool, i64 $WORKERS
  %workers = load i32, ptr %workers.address, align 4
  %threads = add i32 %workers, 1
  %threads.wide = zext i32 %threads to i64
  %portions = mul i64 %threads.wide, $CHUNKS_PER_THREAD
  %even = udiv i64 %count, %portions
  %small = icmp eq i64 %even, 0
  %chunk = select i1 %small, i64 1, i64 %even
  %below = sub i64 %count, 1
  %tasks.below = udiv i64 %below, %chunk
  %tasks = add i64 %tasks.below, 1
  %body.address = getelementptr inbounds i8, ptr %pool, i64 $BODY
  %args.address = getelementptr inbounds i8, ptr %pool, i64 $ARGS
  %count.address = getelementptr inbounds i8, ptr %pool, i64 $COUNT
  %chunk.address = getelementptr inbounds i8, ptr %pool, i64 $CHUNK
  %chunks.address = getelementptr inbounds i8, ptr %pool, i64 $CHUNKS
  %counters.address = getelementptr inbounds i8, ptr %pool, i64 $COUNTERS
  %counters = load ptr, ptr %counters.address, align 8
  store ptr %body, ptr %body.address, align 8
  store ptr %args, ptr %args.address, align 8
  store i64 %count, ptr %count.address, align 8
  store i64 %chunk, ptr %chunk.address, align 8
  store i64 %tasks, ptr %chunks.address, align 8
  br label %divide
; The counter of each thread starts at the first chunk of its range.
divide:
  %thread = phi i64 [ 0, %share ], [ %thread.next, %divide ]
  %before = mul i64 %thread, %tasks
  %first = udiv i64 %before, %threads.wide
  %offset = shl i64 %thread, 6
  %counter = getelementptr inbounds i8, ptr %counters, i64 %offset
  store atomic i64 %first, ptr %counter monotonic, align 8
  %thread.next = add i64 %thread, 1
  %more = icmp ult i64 %thread.next, %threads.wide
  br i1 %more, label %divide, label %start
start:
  %processor = call i32 @sched_getcpu()
  %caller.address = getelementptr inbounds i8, ptr %pool, i64 $CALLER_PROCESSOR
  store atomic i32 %processor, ptr %caller.address monotonic, align 4
  call void @mlc_pool_publish(ptr %pool, i32 %workers, i64 %tasks)
  call void @mlc_pool_run_chunks(ptr %pool, i64 0)
  call void @mlc_pool_close(ptr %pool)
  store atomic i32 0, ptr %lock release, align 4
  br label %done
done:
  ret void
}
"""

_WITHOUT_THREADS = """\
define ptr @mlc_pool_create(i32 %workers) nounwind {
  ret ptr null
}

define void @mlc_pool_destroy(ptr %pool) nounwind {
  ret void
}

define internal void @mlc_parallel_for(ptr %pool, ptr %body, ptr %args, i64 %count) nounwind {
entry:
  %empty = icmp sle i64 %count, 0
  br i1 %empty, label %done, label %run
run:
  call void %body(ptr %args, i64 0, i64 %count)
  br label %done
done:
  ret void
}
"""


def thread_pool_ir(triple: str, *, used: bool = True) -> str:
    """LLVM IR fragment of the thread pool and the clock for `triple`.

    On a target without a known futex the same functions are there and everything runs on the
    calling thread; so they are for a model that has nothing for threads to do (not `used`), which
    saves most of the time that compiling a small model takes.
    """
    futex = futex_ir(triple) if used else None
    if futex is None:
        return "\n".join((clock_ir(triple), _WITHOUT_THREADS))
    values = {
        **_LAYOUT,
        **_STATE_BITS,
        "BLOCKED_SIGNALS": _BLOCKED_SIGNALS,
        "CHUNKS_PER_THREAD": CHUNKS_PER_THREAD,
    }
    pool = Template("\n".join((WORKER, _CREATE_AND_DESTROY, _PARALLEL_FOR))).substitute(values)
    return "\n".join((clock_ir(triple), futex, PLACEMENT, pool))
