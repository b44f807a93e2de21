"""A program around a kernel that times itself, for machines where Python need not be.

Before: the module of `emit_timed`, and one block of memory in which everything lies. After: a
`main(count, arguments)` that reads the block from the first file it is told, prepares constants,
calls the kernel once for each sample and writes the block and the nanoseconds of the samples to the
second file.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc.backends.llvm.emit.timing import TIME

PROGRAM_DECLARATIONS = """\
declare ptr @aligned_alloc(i64, i64)
declare ptr @fopen(ptr, ptr)
declare i64 @fread(ptr, i64, i64, ptr)
declare i64 @fwrite(ptr, i64, i64, ptr)
declare i32 @fclose(ptr)
declare ptr @mlc_pool_create(i32)
declare void @mlc_pool_destroy(ptr)
@reading = private constant [3 x i8] c"rb\\00"
@writing = private constant [3 x i8] c"wb\\00"
"""

_ALIGNMENT = 64


def emit_driver(
    size: int,
    prepare: Sequence[tuple[str, Sequence[int]]],
    arguments: Sequence[int],
    threads: int,
    samples: int,
) -> str:
    """The LLVM IR text of the program.

    `size` is that of the block in bytes; `prepare` are functions by name with the offsets in the
    block of what they are given, `arguments` the offsets of what the kernel is given.
    """
    declared = [f"declare void @{symbol}(ptr, ptr)" for symbol, _ in prepare]
    room = -(-max(size, 1) // _ALIGNMENT) * _ALIGNMENT
    lines = [
        "define i32 @main(i32 %count, ptr %arguments) {",
        "  %given.slot = getelementptr ptr, ptr %arguments, i64 1",
        "  %given = load ptr, ptr %given.slot",
        "  %taken.slot = getelementptr ptr, ptr %arguments, i64 2",
        "  %taken = load ptr, ptr %taken.slot",
        f"  %block = call ptr @aligned_alloc(i64 {_ALIGNMENT}, i64 {room})",
        "  %source = call ptr @fopen(ptr %given, ptr @reading)",
        f"  %read = call i64 @fread(ptr %block, i64 1, i64 {size}, ptr %source)",
        "  %read.end = call i32 @fclose(ptr %source)",
    ]
    for number, (symbol, offsets) in enumerate(prepare):
        lines += _table(f"prepare{number}", offsets)
        lines.append(f"  call void @{symbol}(ptr %prepare{number}, ptr null)")
    lines += _table("table", arguments)
    lines.append(f"  %pool = call ptr @mlc_pool_create(i32 {threads - 1})")
    lines.append(f"  %times = alloca [{samples} x i64]")
    for number in range(samples):
        lines += [
            f"  %time{number} = call i64 @{TIME}(ptr %table, ptr %pool, i64 1)",
            f"  %time{number}.slot = getelementptr i64, ptr %times, i64 {number}",
            f"  store i64 %time{number}, ptr %time{number}.slot",
        ]
    lines += [
        "  call void @mlc_pool_destroy(ptr %pool)",
        "  %target = call ptr @fopen(ptr %taken, ptr @writing)",
        f"  %written = call i64 @fwrite(ptr %block, i64 1, i64 {size}, ptr %target)",
        f"  %timed = call i64 @fwrite(ptr %times, i64 8, i64 {samples}, ptr %target)",
        "  %written.end = call i32 @fclose(ptr %target)",
        "  ret i32 0",
        "}",
    ]
    timed = f"declare i64 @{TIME}(ptr, ptr, i64)"
    return "\n".join([PROGRAM_DECLARATIONS, timed, *declared, *lines])


def _table(name: str, offsets: Sequence[int]) -> list[str]:
    lines = [f"  %{name} = alloca [{max(1, len(offsets))} x ptr]"]
    for number, offset in enumerate(offsets):
        lines += [
            f"  %{name}.a{number} = getelementptr i8, ptr %block, i64 {offset}",
            f"  %{name}.s{number} = getelementptr ptr, ptr %{name}, i64 {number}",
            f"  store ptr %{name}.a{number}, ptr %{name}.s{number}",
        ]
    return lines
