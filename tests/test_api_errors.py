"""What the public API refuses of options, calls and files: each by its full message.

Nothing is left behind. `test_model_errors` has what it refuses of models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.runtime.memory import ALIGNMENT
from tests.importers.evaluate import parse
from tests.refusals import RELU, compile_refused, refusal

ADD = "g (float[2,3] x, float[2,3] y) => (float[2,3] z) { [sum] z = Add(x, y) }"
X = np.arange(6, dtype=np.float32).reshape(2, 3)
NAMES_HINT = (
    "  hint: say x86, arm, host, a CPU such as x86-64-v3 or neoverse-n1, or a triple such as "
    "aarch64-linux-gnu, then :cpu and +feature,-feature if wanted"
)


@pytest.fixture(scope="module")
def adder() -> mlc.Module:
    return mlc.compile(parse(ADD), num_threads=1, cache=False)


# Options.


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_threads": 0}, mlc.CompileError, "num_threads is 0, at least 1 is needed"),
        ({"num_threads": -1}, mlc.CompileError, "num_threads is -1, at least 1 is needed"),
        ({"num_threads": "2"}, mlc.CompileError, "num_threads is '2', a whole number is needed"),
        ({"num_threads": 1.5}, mlc.CompileError, "num_threads is 1.5, a whole number is needed"),
        (
            {"precision": "double"},
            mlc.CompileError,
            "unknown precision 'double'\n  hint: choose one of exact, fast",
        ),
        (
            {"verify": "sometimes"},
            mlc.CompileError,
            "unknown verification level 'sometimes'\n  hint: choose one of off, changed, all",
        ),
        ({"target": "x87"}, mlc.TargetError, "unknown target 'x87'\n  hint: did you mean x86?"),
        ({"target": 86}, mlc.TargetError, f"not a target: 86\n{NAMES_HINT}"),
    ],
    ids=str,
)
def test_options_that_do_not_exist(
    options: dict[str, Any], error: type[mlc.MlcError], message: str
) -> None:
    assert compile_refused(error, **options) == message


def test_code_that_cannot_run_here() -> None:
    here = mlc.compile(parse(RELU), cache=False).compiled.machine.triple.partition("-")[0]
    there = "aarch64" if here == "x86_64" else "x86_64"
    assert compile_refused(mlc.TargetError, target=f"{there}-linux-gnu") == (
        f"code for '{there}-linux-gnu' cannot run here: made for {there}, this machine is {here}\n"
        "  hint: 'mlc compile --target' writes code for other machines"
    )


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    assert compile_refused(mlc.DumpError, dump=file / "dump") == (
        f"cannot use the dump folder '{file / 'dump'}': Not a directory\n"
        "  hint: give dump= a folder that you may write to"
    )
    assert compile_refused(mlc.CacheError, cache=file / "cache") == (
        f"cannot use the cache folder {file / 'cache'}: Not a directory"
    )
    assert compile_refused(mlc.DumpError, dump=file) == (
        f"cannot use the dump folder '{file}': File exists\n"
        "  hint: give dump= a folder that you may write to"
    )
    assert compile_refused(mlc.CacheError, cache=file) == (
        f"cannot use the cache folder {file}: File exists"
    )
    assert file.read_text() == "precious"


def test_a_cache_that_others_can_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert compile_refused(mlc.CacheError, cache=tmp_path) == (
        f"other users can write to the cache folder {tmp_path}\n"
        f"  hint: compiled code is run from it; chmod 700 {tmp_path}"
    )


# Calls.


KNOWN = "\n  hint: the module takes inputs 'x', 'y'"
CONVERTS = "\n  hint: array.astype('float32') converts"
NEEDED = "\n  hint: give a NumPy array, or an object with the buffer protocol or DLPack"
FOREIGN = X.byteswap().view(X.dtype.newbyteorder())


@pytest.mark.parametrize(
    ("arrays", "named", "message"),
    [
        ((X,), {}, f"missing input 'y'{KNOWN}"),
        ((), {}, f"missing inputs 'x', 'y'{KNOWN}"),
        ((X, X, X), {}, f"3 arrays given, the module takes 2{KNOWN}"),
        ((X, X), {"z": X}, f"unknown input 'z'{KNOWN}"),
        ((X, X), {"y": X}, "input 'y' given twice, by position and by name"),
        ((X, X.astype("f8")), {}, f"input 'y': dtype float64, expected float32{CONVERTS}"),
        ((X.T, X), {}, "input 'x': shape (3, 2), expected (2, 3)"),
        ((X[0], X), {}, "input 'x': shape (3,), expected (2, 3)"),
        ((3, X), {}, f"input 'x': an int given, an array is needed{NEEDED}"),
        ((X, None), {}, f"input 'y': a NoneType given, an array is needed{NEEDED}"),
        (
            (FOREIGN, X),
            {},
            f"input 'x': dtype float32 in foreign byte order, expected float32{CONVERTS}",
        ),
    ],
)
def test_inputs_that_do_not_fit(
    adder: mlc.Module, arrays: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    assert refusal(mlc.InputError, lambda: adder(*arrays, **named)) == message


def test_outputs_that_do_not_fit(adder: mlc.Module) -> None:
    wide, small = np.empty((2, 3)), np.empty((1, 3), np.float32)
    frozen = np.empty((2, 3), np.float32)
    frozen.flags.writeable = False
    cases = {
        "output 'z': dtype float64, expected float32\n"
        "  hint: array.astype('float32') converts": wide,
        "output 'z': shape (1, 3), expected (2, 3)": small,
        "output 'z': the array is read-only": frozen,
        "output 'z': the array overlaps input 'x'": X,
        "out has 2 arrays, the module has 1 outputs": (X.copy(), X.copy()),
        "unknown output 'q' in out\n  hint: the module gives output 'z'": {"q": X.copy()},
    }
    for message, out in cases.items():
        assert refusal(mlc.InputError, lambda out=out: adder(X, X + 1, out=out)) == message


def test_a_closed_module() -> None:
    with mlc.compile(parse(RELU), cache=False) as module:
        pass
    assert refusal(mlc.MlcError, lambda: module(X)) == "the module is closed"


def test_more_memory_than_there_is(adder: mlc.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", exhausted)
    message = refusal(mlc.MlcError, lambda: adder(X, X))
    monkeypatch.undo()
    assert message == f"not enough memory for {X.nbytes + ALIGNMENT} bytes"


INDEXED = {
    "Gather": "g (float[4] x, int64[2] i) => (float[2] y) { y = Gather(x, i) }",
    "GatherElements": "g (float[4] x, int64[2] i) => (float[2] y) { y = GatherElements(x, i) }",
    "GatherND": "g (float[4] x, int64[2,1] i) => (float[2] y) { y = GatherND(x, i) }",
    "ScatterND": (
        "g (float[4] x, int64[2,1] i, float[2] u) => (float[4] y) { y = ScatterND(x, i, u) }"
    ),
    "ScatterElements": (
        "g (float[4] x, int64[2] i, float[2] u) => (float[4] y) { y = ScatterElements(x, i, u) }"
    ),
}


@pytest.mark.parametrize("text", INDEXED.values(), ids=INDEXED)
@pytest.mark.parametrize("index", [4, -5, 2**62, -(2**63)])
def test_indices_out_of_range_stay_inside_the_arrays(text: str, index: int) -> None:
    module = mlc.compile(parse(text), num_threads=1, cache=False, check_bounds=True)
    feeds: dict[str, Any] = {port.name: np.ones(port.shape, np.float32) for port in module.inputs}
    feeds["i"] = np.full(module.inputs[1].shape, index)
    assert module.run(feeds)["y"].shape == module.outputs[0].shape


def test_integer_division_by_nothing_does_not_trap() -> None:
    text = "g (int64[3] x, int64[3] d) => (int64[3] q, int64[3] r) { q = Div(x, d) r = Mod(x, d) }"
    module = mlc.compile(parse(text), num_threads=1, cache=False)
    x, d = np.array([7, 7, -(2**63)]), np.array([2, 0, -1])
    quotients, remainders = module(x, d)
    assert (quotients[0], remainders[0]) == (3, 1)


# Texts and artifacts.


def test_texts_that_are_not_there(adder: mlc.Module) -> None:
    (kernel,) = adder.kernels
    assert refusal(mlc.MlcError, lambda: adder.ir("wasm")) == (
        "unknown stage 'wasm'\n  hint: the stages are graph, optimized, loops, llvm, asm"
    )
    assert refusal(mlc.MlcError, lambda: adder.ir("loops", "k9")) == (
        f"no kernel 'k9' in the 'loops' text\n  hint: the kernels are {kernel}"
    )
    assert refusal(mlc.MlcError, lambda: adder.ir("graph", kernel)) == (
        f"no kernel '{kernel}' in the 'graph' text\n  hint: this stage has no kernels"
    )


def test_places_where_nothing_can_be_saved(adder: mlc.Module, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    assert refusal(mlc.ArtifactError, lambda: adder.save(file)) == (
        f"{file} exists and is no mlc artifact\n  hint: choose another path, or remove it"
    )
    assert refusal(mlc.ArtifactError, lambda: adder.save(file / "model")) == (
        f"cannot write {file / 'model'}: Not a directory"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_artifacts_that_are_none(adder: mlc.Module, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert refusal(mlc.ArtifactError, lambda: mlc.load(absent)) == (
        f"no artifact here: manifest.json: No such file or directory\n  at: {absent}"
    )
    model = tmp_path / "model"
    adder.save(model)
    (code,) = model.glob("model-*")
    code.write_bytes(code.read_bytes()[:-1])
    size = code.stat().st_size
    assert refusal(mlc.ArtifactError, lambda: mlc.load(model)) == (
        f"file '{code.name}' has {size} bytes, {size + 1} expected\n  at: {model}"
    )
    code.write_bytes(code.read_bytes() + b"!")
    assert refusal(mlc.ArtifactError, lambda: mlc.load(model)) == (
        f"file '{code.name}' is damaged: its digest does not fit\n  at: {model}"
    )
