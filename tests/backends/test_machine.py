"""Machine code out of LLVM IR text: loading it, calling it, and errors for text that is wrong."""

from __future__ import annotations

import ctypes
import math

import pytest

from mlc.backends.llvm.machine import compile_to_object, load_object, to_assembly
from mlc.backends.llvm.targets import resolve
from mlc.errors import CompileError, TargetError
from mlc.target import Target

TABLE = """
@table = private constant [4 x float] [float 1.0, float 2.0, float 4.0, float 8.0]
declare double @cos(double)
define float @pick(i64 %at) {
  %address = getelementptr float, ptr @table, i64 %at
  %value = load float, ptr %address
  ret float %value
}
define double @cosine(double %x) {
  %y = call double @cos(double %x)
  ret double %y
}
"""


def test_loaded_code_reaches_its_constants_and_the_c_library() -> None:
    code = load_object(compile_to_object(TABLE, resolve("host")))
    pick = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64)(code.address("pick"))
    assert [pick(at) for at in range(4)] == [1.0, 2.0, 4.0, 8.0]
    cosine = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("cosine"))
    assert cosine(0.5) == math.cos(0.5)


def test_objects_live_side_by_side_with_equal_symbols() -> None:
    template = "define i32 @f() {{\n  ret i32 {}\n}}"
    codes = [load_object(compile_to_object(template.format(n), resolve("host"))) for n in (3, 4)]
    call = ctypes.CFUNCTYPE(ctypes.c_int)
    assert [call(code.address("f"))() for code in codes] == [3, 4]


def test_symbols_given_by_address_are_found() -> None:
    text = (
        "declare i32 @mlc_test_given(i32)\n"
        "define i32 @twice(i32 %x) {\n"
        "  %a = call i32 @mlc_test_given(i32 %x)\n"
        "  %b = call i32 @mlc_test_given(i32 %a)\n"
        "  ret i32 %b\n}"
    )
    given = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: 3 * x + 1)
    address = ctypes.cast(given, ctypes.c_void_p).value
    assert address is not None
    code = load_object(compile_to_object(text, resolve("host")), {"mlc_test_given": address})
    twice = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(code.address("twice"))
    assert twice(5) == 49


def test_vector_code_is_of_the_target() -> None:
    text = (
        "define void @f(ptr %p) {\n"
        "  %x = load <4 x float>, ptr %p, align 4\n"
        "  %y = fmul contract <4 x float> %x, %x\n"
        "  %z = fadd contract <4 x float> %y, %x\n"
        "  store <4 x float> %z, ptr %p, align 4\n"
        "  ret void\n}"
    )
    assert "fmla" in to_assembly(text, resolve("aarch64"))
    assert "vfmadd" in to_assembly(text, resolve("x86-64-v3"))
    assert "fmadd" not in to_assembly(text, resolve("x86-64-v2"))


def test_absent_symbol_is_an_error() -> None:
    code = load_object(compile_to_object(TABLE, resolve("host")))
    with pytest.raises(CompileError) as caught:
        code.address("nothing")
    assert str(caught.value) == "the compiled code has no symbol 'nothing'"


def test_text_that_does_not_parse_is_shown_with_a_caret() -> None:
    with pytest.raises(CompileError) as caught:
        compile_to_object("define void @f(i32 %x) {\n  ret i64 %x\n}", resolve("host"))
    assert str(caught.value) == (
        "LLVM refused the generated code: '%x' defined with type 'i32' but expected 'i64'\n"
        "  at: line 2, column 11\n"
        "  1 | define void @f(i32 %x) {\n"
        "  2 |   ret i64 %x\n"
        "    |           ^"
    )


def test_code_that_does_not_verify_is_refused() -> None:
    text = "define i32 @f(i32 %x) {\n  %a = add i32 %b, %x\n  %b = add i32 %a, %x\n  ret i32 %b\n}"
    with pytest.raises(CompileError) as caught:
        compile_to_object(text, resolve("host"))
    message = "LLVM refused the generated code: Instruction does not dominate all uses!"
    assert str(caught.value) == message


def test_code_that_needs_an_absent_symbol_is_refused() -> None:
    text = "declare i32 @nowhere()\ndefine i32 @f() {\n  %x = call i32 @nowhere()\n  ret i32 %x\n}"
    with pytest.raises(CompileError) as caught:
        load_object(compile_to_object(text, resolve("host")))
    assert str(caught.value) == "the compiled code needs nowhere, which is not there"


@pytest.mark.parametrize("kept", [0, 6, 200, -1])
def test_broken_objects_are_refused(kept: int) -> None:
    data = compile_to_object(TABLE, resolve("host"))[:kept]
    with pytest.raises(CompileError) as caught:
        load_object(data)
    assert str(caught.value) == f"not a relocatable object file ({len(data)} bytes), or cut short"


def test_unknown_triple_is_refused() -> None:
    target = Target("odd", "nothing-at-all", "", "", 128, 16)
    with pytest.raises(TargetError) as caught:
        compile_to_object(TABLE, target)
    assert str(caught.value).startswith("LLVM cannot generate code for 'nothing-at-all': ")
