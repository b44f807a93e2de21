"""What the public API refuses: each by its full message, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mlc
from mlc.api import compile_only
from mlc.importers.onnx import import_model
from mlc.ir.dtype import F32
from mlc.ir.graph import Graph, Node, Value
from mlc.ir.types import TensorType
from mlc.runtime.memory import ALIGNMENT
from tests.importers.evaluate import parse

RELU = "g (float[2,3] x) => (float[2,3] y) { [threshold] y = Relu(x) }"
OPEN = "g (float[N,3] x, float[N,M] w) => (float[N,3] y) { [threshold] y = Relu(x) }"
ADD = "g (float[2,3] x, float[2,3] y) => (float[2,3] z) { [sum] z = Add(x, y) }"
X = np.arange(6, dtype=np.float32).reshape(2, 3)
NAMES_HINT = (
    "  hint: say x86, arm, host, a CPU such as x86-64-v3 or neoverse-n1, or a triple such as "
    "aarch64-linux-gnu, then :cpu and +feature,-feature if wanted"
)


def refusal(error: type[mlc.MlcError], call: Callable[[], object]) -> str:
    """The message of what `call` raises, which is of exactly this class."""
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    return str(caught.value)


def compile_refused(error: type[mlc.MlcError], model: Any = None, **options: Any) -> str:
    model = parse(RELU) if model is None else model
    options = {"cache": False, **options}
    return refusal(error, lambda: mlc.compile(model, **options))


@pytest.fixture(scope="module")
def adder() -> mlc.Module:
    return mlc.compile(parse(ADD), num_threads=1, cache=False)


# Models.


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert compile_refused(mlc.ModelError, path) == (
        f"cannot read '{path}': No such file or directory"
    )


def test_a_folder(tmp_path: Path) -> None:
    assert compile_refused(mlc.ModelError, tmp_path) == (
        f"'{tmp_path}' is a folder, not a model\n  hint: give the path of the .onnx file"
    )


@pytest.mark.parametrize("model", [3, None, [1], {}], ids=repr)
def test_no_model_at_all(model: object) -> None:
    with pytest.raises(mlc.ModelError) as caught:
        mlc.compile(model, cache=False)  # type: ignore[arg-type]
    kind = type(model).__name__
    assert str(caught.value) == f"a model is a path, bytes or an onnx.ModelProto, not {kind}"


def test_a_corrupt_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\xff" * 100)
    assert compile_refused(mlc.ModelError, path) == (
        f"'{path}' is not an ONNX model, or it is cut short\n  hint: fetch or export the file again"
    )


def test_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    model = parse("g (float[2,3] x) => (float[2,40] y) { y = MatMul(x, w) }")
    weights = np.ones((3, 40), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    data = model.SerializeToString()
    path = tmp_path / "model.onnx"
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(mlc.MlcError):
            mlc.compile(path, cache=False)


def test_all_that_is_unsupported_at_once() -> None:
    model = parse(
        """g (float[2,3] x) => (float[2,3] y, float[2,3] z) {
            [first] a = acme.Fancy(x)
            [second] y = Det2(a)
            [third] z = Relu(x)
            [fourth] b, z2 = Dropped(z)
        }""",
        domains=[("acme", 3)],
    )
    model.graph.output.append(helper.make_tensor_value_info("z2", TensorProto.FLOAT, None))
    assert compile_refused(mlc.UnsupportedError, model) == (
        "3 nodes of the model are not supported\n"
        "  - first: acme.Fancy (opset 3; f32[2,3]): no such operator\n"
        "  - second: Det2 (opset 17; ?): no such operator\n"
        "  - fourth: Dropped (opset 17; f32[2,3]): no such operator"
    )


def test_types_that_do_not_fit_name_the_node() -> None:
    model = parse("g (float[2,3] x, double[2,3] w) => (float[2,3] y) { [sum] y = Add(x, w) }")
    message = compile_refused(mlc.DtypeError, model)
    assert message.endswith("\n  at: sum")
    model = parse("g (float[2,3] x, float[4,5] w) => (float[2,5] y) { [product] y = MatMul(x, w) }")
    message = compile_refused(mlc.ShapeError, model)
    assert message.endswith("\n  at: product")


@pytest.mark.parametrize(
    ("shape", "size"),
    [((10**6, 10**6, 10**6), 4 * 10**18), ((2**63 - 1, 4), 16 * (2**63 - 1))],
    ids=["large", "beyond 64 bits"],
)
def test_huge_inputs(shape: tuple[int, ...], size: int) -> None:
    dims = ",".join(map(str, shape))
    model = parse(f"g (float[{dims}] x) => (float[{dims}] y) {{ y = Relu(x) }}")
    assert compile_refused(mlc.ModelError, model) == (
        f"input 'x' is too large: f32[{dims}] takes {size} bytes"
    )


def test_huge_results_of_small_inputs() -> None:
    model = parse(
        """g (float[10000000,1] x, float[1,100000000] w) => (float[1,1] y) {
            [product] z = MatMul(x, w)
            y = ReduceSum(z)
        }"""
    )
    assert compile_refused(mlc.ModelError, model) == (
        "the result of matmul is too large: f32[10000000,100000000] takes 4000000000000000 bytes\n"
        "  at: product"
    )


def test_more_memory_than_there_is(adder: mlc.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", exhausted)
    message = refusal(mlc.MlcError, lambda: adder(X, X))
    monkeypatch.undo()
    assert message == f"not enough memory for {X.nbytes + ALIGNMENT} bytes"


def test_open_shapes_that_nobody_gives() -> None:
    model = parse(OPEN)
    with pytest.raises(mlc.ShapeError) as caught:
        compile_only(model, "host", shapes={"x": (2, 3)})
    assert str(caught.value) == (
        "input 'w' has the open shape f32[2,M]\n  hint: give its shape: shapes={'w': (…)}"
    )
    assert compile_refused(mlc.ShapeError, import_model(model)) == (
        "input 'x' has the open shape f32[N,3]\n  hint: give its shape: shapes={'x': (…)}"
    )


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"z": (2, 3)}, "shapes names 'z', which is no input\n  hint: inputs: 'x', 'w'"),
        ({"x": (2,)}, "shapes gives input 'x' 1 dimensions, the model 2"),
        (
            {"x": (2, 4)},
            "shapes gives input 'x' the shape (2, 4), but the model fixes axis 1 to 3",
        ),
        (
            {"x": (2, 3), "w": (5, 1)},
            "shapes gives input 'w' the shape (5, 1), but N is 2 elsewhere",
        ),
        ({"x": (-2, 3)}, "shapes gives input 'x' the dimension -2"),
        ({"x": (2.5, 3)}, "shapes gives input 'x' the dimension 2.5"),
        ({"x": 4}, "shapes gives input 'x' 4, which is no shape"),
        ({"x": "2,3"}, "shapes gives input 'x' '2,3', which is no shape"),
        ([("x", (2, 3))], "shapes is no mapping\n  hint: give shapes={'name': (1, 3, …)}"),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit(shapes: Any, message: str) -> None:
    assert compile_refused(mlc.InputError, parse(OPEN), shapes=shapes) == message


def test_shapes_for_a_graph() -> None:
    graph = import_model(parse(RELU))
    assert compile_refused(mlc.InputError, graph, shapes={"x": (2, 3)}) == (
        "shapes= is for ONNX models: a Graph's inputs have their types"
    )


def test_a_graph_that_breaks_the_rules() -> None:
    loc = ("threshold",)
    x, y = Value("x", TensorType((2,), F32)), Value("y", TensorType((3,), F32), loc)
    graph = Graph("wrong", (x,), (y,), (Node("relu", (x,), (y,), {}, loc),))
    assert compile_refused(mlc.VerifyError, graph) == (
        "wrong: relu gives f32[2], 'y' is f32[3]\n"
        "  at: threshold\n"
        "  1 | graph wrong(%x: f32[2]) -> (%y) {\n"
        '  2 |   %y: f32[3] = relu(%x) loc("threshold")\n'
        "    |       ^\n"
        "  3 | }"
    )


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


def test_external_weights_stay_in_the_folder_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 48)
    model = parse("g (float[2,3] x) => (float[2,4] y) { [product] y = MatMul(x, w) }")
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    model.graph.initializer.append(tensor)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    message = compile_refused(mlc.ModelError, folder / "model.onnx")
    assert "secret" in message.splitlines()[0]
