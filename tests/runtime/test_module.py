"""Calling a module: arrays in every form, results fresh or given, and exact refusals."""

from __future__ import annotations

import array
import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlc.errors import InputError, MlcError
from mlc.runtime.module import Module
from tests.runtime import toy

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def module() -> Module:
    return toy.module((2, 3))


@pytest.fixture
def x() -> Array:
    return np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.fixture
def y() -> Array:
    return np.array([[1, -1, 0], [2, -2, 8]], np.float32)


class OnlyDlpack:
    """An array of another library."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


def test_the_signature_shows(module: Module) -> None:
    assert repr(module) == "<mlc.Module toy(x: f32[2,3], y: f32[2,3]) -> sum: f32[2,3]>"
    assert [(p.name, p.dtype, p.shape) for p in module.inputs] == [
        ("x", "f32", (2, 3)),
        ("y", "f32", (2, 3)),
    ]
    assert [port.name for port in module.outputs] == ["sum"]
    assert (module.name, module.kernels) == ("toy", ("scale", "add"))


def test_inputs_by_position_by_name_and_both(module: Module, x: Array, y: Array) -> None:
    expected = toy.expected(x, y)
    for result in (
        module(x, y),
        module(x, y=y),
        module(y=y, x=x),
        module.run({"y": y, "x": x})["sum"],
    ):
        np.testing.assert_array_equal(result, expected)


def test_results_are_fresh_aligned_arrays(module: Module, x: Array, y: Array) -> None:
    results = [module(x, y) for _ in range(20)]
    for result in results:
        assert isinstance(result, np.ndarray)
        assert result.ctypes.data % 64 == 0
        assert (result.dtype, result.shape) == (np.float32, (2, 3))
        assert result.flags.writeable
    assert len({result.ctypes.data for result in results}) == 20


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda a: np.stack([a, a], axis=-1)[..., 0],
        lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
        lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(np.float32).reshape(2, 3),
        lambda a: np.broadcast_to(a, (1, 2, 3))[0],
        memoryview,
        OnlyDlpack,
        lambda a: (ctypes.c_float * 3 * 2).from_buffer_copy(a.tobytes()),
        lambda a: a.view(np.matrix),
    ],
    ids=[
        "fortran",
        "strided",
        "reversed",
        "unaligned",
        "read-only",
        "memoryview",
        "dlpack",
        "ctypes",
        "subclass",
    ],
)
def test_arrays_of_every_form(
    convert: Callable[[Array], Any], module: Module, x: Array, y: Array
) -> None:
    result = module(convert(x), convert(y))
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, toy.expected(x, y))


def test_a_flat_buffer_without_numpy() -> None:
    module = toy.module((3,))
    result = module(array.array("f", [1, 2, 3]), array.array("f", [1, 1, 1]))
    np.testing.assert_array_equal(result, np.float32([1.5, 3.5, 5.5]))


def test_contiguous_arrays_are_not_copied(module: Module, x: Array, y: Array) -> None:
    (ready, also_ready) = module._ready([x, OnlyDlpack(y)])
    assert ready is x
    assert np.shares_memory(also_ready, y)
    x.flags.writeable = False
    assert np.shares_memory(module._ready([x, y])[0], x)


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2)])
def test_arrays_of_no_elements(shape: tuple[int, ...]) -> None:
    empty = np.zeros(shape, np.float32)
    with toy.module(shape, num_threads=2) as module:
        result = module(empty, empty)
        assert isinstance(result, np.ndarray)
        assert result.shape == shape
        assert module(empty, empty, out=empty) is empty


def test_a_scalar() -> None:
    result = toy.module(())(np.float32(2), np.array(4, np.float32))
    assert isinstance(result, np.ndarray)
    assert (result.shape, result.item()) == ((), 4.0)


@pytest.mark.parametrize("form", ["array", "tuple", "list", "dict"])
def test_results_into_given_arrays(form: str, module: Module, x: Array, y: Array) -> None:
    given = np.full((2, 3), np.nan, np.float32)
    out: Any = {"array": given, "tuple": (given,), "list": [given], "dict": {"sum": given}}[form]
    assert module(x, y, out=out) is given
    np.testing.assert_array_equal(given, toy.expected(x, y))
    assert module.run({"x": x, "y": y}, out=out)["sum"] is given


def test_outputs_not_named_in_out_are_allocated(module: Module, x: Array, y: Array) -> None:
    np.testing.assert_array_equal(module(x, y, out={}), toy.expected(x, y))


X = np.zeros((2, 3), np.float32)
READ_ONLY = X.copy()
READ_ONLY.flags.writeable = False
UNALIGNED = np.zeros(25, np.uint8)[1:].view(np.float32).reshape(2, 3)
CONVERTS = "\n  hint: array.astype('float32') converts"
NOT_A_LIST = """\
input 'y': a list given, an array is needed
  hint: give a NumPy array, or an object with the buffer protocol or DLPack"""
TAKES = "\n  hint: the module takes inputs 'x', 'y'"

REFUSALS: dict[str, tuple[Callable[[Module], Any], str]] = {
    "dtype": (
        lambda m: m(X, X.astype(np.float64)),
        "input 'y': dtype float64, expected float32" + CONVERTS,
    ),
    "byte order": (
        lambda m: m(X.astype(">f4"), X),
        "input 'x': dtype float32 in foreign byte order, expected float32" + CONVERTS,
    ),
    "shape": (lambda m: m(X, X.T), "input 'y': shape (3, 2), expected (2, 3)"),
    "rank": (lambda m: m(X[None], X), "input 'x': shape (1, 2, 3), expected (2, 3)"),
    "too few": (lambda m: m(X), f"missing input 'y'{TAKES}"),
    "none": (lambda m: m(), f"missing inputs 'x', 'y'{TAKES}"),
    "too many": (lambda m: m(X, X, X), f"3 arrays given, the module takes 2{TAKES}"),
    "unknown": (lambda m: m(X, X, z=X, w=X), f"unknown inputs 'z', 'w'{TAKES}"),
    "twice": (lambda m: m(X, x=X, y=X), "input 'x' given twice, by position and by name"),
    "missing by name": (lambda m: m.run({"y": X}), f"missing input 'x'{TAKES}"),
    "unknown by name": (lambda m: m.run({"x": X, "y": X, "Z": X}), f"unknown input 'Z'{TAKES}"),
    "a list": (
        lambda m: m(X, [1.0, 2.0]),
        NOT_A_LIST,
    ),
    "out dtype": (
        lambda m: m(X, X, out=np.zeros((2, 3))),
        "output 'sum': dtype float64, expected float32" + CONVERTS,
    ),
    "out shape": (
        lambda m: m(X, X, out=np.zeros(6, np.float32)),
        "output 'sum': shape (6,), expected (2, 3)",
    ),
    "out order": (
        lambda m: m(X, X, out=np.zeros((3, 2), np.float32).T),
        "output 'sum': the array is not contiguous",
    ),
    "out unaligned": (lambda m: m(X, X, out=UNALIGNED), "output 'sum': the array is not aligned"),
    "out read-only": (lambda m: m(X, X, out=READ_ONLY), "output 'sum': the array is read-only"),
    "out no array": (
        lambda m: m(X, X, out=bytearray(24)),
        "output 'sum': a bytearray given, a NumPy array is needed",
    ),
    "out count": (lambda m: m(X, X, out=(X, X)), "out has 2 arrays, the module has 1 outputs"),
    "out name": (
        lambda m: m(X, X, out={"total": X}),
        "unknown output 'total' in out\n  hint: the module gives output 'sum'",
    ),
    "out overlaps": (lambda m: m(X.copy(), X, out=X), "output 'sum': the array overlaps input 'y'"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_does_not_fit_is_refused(case: str, module: Module) -> None:
    call, message = REFUSALS[case]
    with pytest.raises(InputError) as caught:
        call(module)
    assert str(caught.value) == message


def test_a_dlpack_object_elsewhere_is_refused(module: Module) -> None:
    class OnGpu(OnlyDlpack):
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("not on the host")

    with pytest.raises(InputError) as caught:
        module(OnGpu(X), X)
    assert str(caught.value) == "input 'x': NumPy cannot read this OnGpu: not on the host"


def test_a_closed_module_refuses_calls() -> None:
    with toy.module((2, 3)) as module:
        module(X, X)
        assert not module.closed
    assert module.closed
    module.close()
    with pytest.raises(MlcError) as caught:
        module(X, X)
    assert str(caught.value) == "the module is closed"


def test_code_that_reports_failure_raises() -> None:
    with pytest.raises(MlcError) as caught:
        toy.module((2, 3), status=7)(X, X)
    assert str(caught.value) == "the compiled code failed with status 7"


@pytest.mark.parametrize("number", [0, -1])
def test_threads_are_at_least_one(number: int) -> None:
    with pytest.raises(InputError) as caught:
        Module.from_compiled(toy.compiled(), toy.JitCode, num_threads=number)
    assert str(caught.value) == f"num_threads is {number}, at least 1 is needed"
    with pytest.raises(MlcError) as also_caught:
        toy.compiled(num_threads=number)
    assert str(also_caught.value) == f"num_threads is {number}, at least 1 is needed"


def test_texts_come_from_the_compiler() -> None:
    module = toy.module(texts={"loops": {"scale": "for s", "add": "for a"}})
    assert module.ir("loops", "add") == "for a"
    assert module.ir("loops") == "for s\nfor a"
    with pytest.raises(MlcError, match=r"^this module keeps no 'asm' text$"):
        module.ir("asm")
    module.texts.provide("asm", lambda: {"": "ret"})
    assert module.ir("asm") == "ret"
