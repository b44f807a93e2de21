"""Kernels that time themselves share one thread pool, which is another object."""

from __future__ import annotations

from mlc.backends.llvm.elf import undefined_symbols
from mlc.backends.llvm.emit.timing import SHARED, TIME, emit_shared_pool, emit_timed
from mlc.backends.llvm.machine import compile_to_object, load_object
from mlc.backends.llvm.targets import resolve
from mlc.ir.text import parse_func
from mlc.passes.loops.pipeline import finish_loops
from mlc.runtime.abi import ffi

HOST = resolve("host")
FUNC = parse_func("""
func kernel(x: i64[64]) {
  for parallel i in 64 {
    x[i] = x[i] + 1:i64
  }
}
""")


def test_calls_are_counted_and_threads_shared() -> None:
    pool = load_object(compile_to_object(emit_shared_pool(HOST.triple), HOST))
    code = compile_to_object(emit_timed(finish_loops(FUNC), []), HOST)
    assert set(undefined_symbols(code)) == set(SHARED)
    kernel = load_object(code, {name: pool.address(name) for name in SHARED})
    create = ffi.cast("void *(*)(int32_t)", pool.address("mlc_pool_create"))
    destroy = ffi.cast("void (*)(void *)", pool.address("mlc_pool_destroy"))
    time = ffi.cast("int64_t (*)(void **, void *, int64_t)", kernel.address(TIME))
    cells = ffi.new("int64_t[64]")
    table = ffi.new("void *[]", [cells])
    for threads in (ffi.NULL, create(2)):
        before = list(cells)
        assert time(table, threads, 100) > 0
        assert list(cells) == [value + 100 for value in before]
        if threads != ffi.NULL:
            destroy(threads)
