"""Models on disk are read without their weights first; the result is the same as from bytes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlc.errors import MlcError, ModelError
from mlc.importers.onnx import import_model
from mlc.importers.onnx.detach import SHORTEST, WireError, detached
from tests.importers.evaluate import parse

LONG = np.arange(2 * SHORTEST, dtype=np.float32).reshape(8, -1)
SHORT = np.arange(4, dtype=np.float32)


def model_with_weights() -> onnx.ModelProto:
    """Weights as raw data, long and short, and in a typed field."""
    model = parse(
        f"g (float[1,8] x) => (float[1,{LONG.shape[1]}] y)"
        "{ a = MatMul(x, long) b = Add(a, typed) s = ReduceSum(short) y = Add(b, s) }"
    )
    typed = helper.make_tensor("typed", TensorProto.FLOAT, LONG[1].shape, LONG[1])
    model.graph.initializer.extend(
        [numpy_helper.from_array(SHORT, "short"), typed, numpy_helper.from_array(LONG, "long")]
    )
    return model


def constants(model: object) -> dict[str, np.ndarray]:
    graph = import_model(model)  # type: ignore[arg-type]
    return {value.name: array for value, array in graph.constants.items()}


def test_same_constants_as_from_bytes(tmp_path: Path) -> None:
    model = model_with_weights()
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    from_file, from_bytes = constants(path), constants(model.SerializeToString())
    assert from_file.keys() == from_bytes.keys() >= {"long", "typed"}
    for name, array in from_file.items():
        np.testing.assert_array_equal(array, from_bytes[name])
        assert not array.flags.writeable or array.size < SHORTEST
    np.testing.assert_array_equal(from_file["long"], LONG)


def test_only_long_raw_data_is_left_out() -> None:
    model = model_with_weights()
    data = model.SerializeToString()
    message, spans = detached(io.BytesIO(data), len(data))
    assert list(spans) == [2]
    offset, length = spans[2]
    assert data[offset : offset + length] == LONG.tobytes()
    model.graph.initializer[2].ClearField("raw_data")
    assert onnx.ModelProto.FromString(message) == model


def field(number: int, content: bytes) -> bytes:
    """A message as a field of another."""
    header, size = [number << 3 | 2], len(content)
    while size > 0x7F:
        header.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*header, size]) + content


def test_raw_data_twice_is_left_to_the_parser(tmp_path: Path) -> None:
    """Protobuf takes the last of several; so does the importer."""
    model = model_with_weights()
    tensor = model.graph.initializer[2]
    again = TensorProto(raw_data=(LONG + 1).tobytes()).SerializeToString()
    doubled = tensor.SerializeToString() + again
    del model.graph.initializer[2]
    graph = model.graph.SerializeToString() + field(5, doubled)
    model.ClearField("graph")
    data = model.SerializeToString() + field(7, graph)
    with pytest.raises(WireError, match="raw data is written twice"):
        detached(io.BytesIO(data), len(data))
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    np.testing.assert_array_equal(constants(path)["long"], LONG + 1)


def test_files_cut_short(tmp_path: Path) -> None:
    data = model_with_weights().SerializeToString()
    path = tmp_path / "model.onnx"
    for length in [*range(400), *range(400, len(data), 997), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(MlcError):
            import_model(path)


def test_corrupt_files_never_escape_the_family(tmp_path: Path) -> None:
    data = model_with_weights().SerializeToString()
    path = tmp_path / "model.onnx"
    random = np.random.default_rng(0)
    # The beginning, the end of the graph, and the header of the long tensor.
    places = [*range(500), *range(len(data) - 200, len(data))]
    for _ in range(300):
        spoilt = bytearray(data)
        for position in random.choice(places, 3):
            spoilt[position] = random.integers(0, 256)
        path.write_bytes(spoilt)
        try:
            import_model(path)
        except MlcError:
            continue


def test_functions_and_long_weights(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17, "local": 1]>
        g (float[8,1] x) => (float[8,n] y) { y = local.product(x, w) }
        <domain: "local", opset_import: ["": 17]>
        product (a, b) => (c) { c = Mul(a, b) }"""
    )
    model.graph.initializer.append(numpy_helper.from_array(LONG, "w"))
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    np.testing.assert_array_equal(constants(path)["w"], LONG)


def test_raw_data_of_another_length(tmp_path: Path) -> None:
    model = model_with_weights()
    model.graph.initializer[2].dims[0] = 9
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelError) as caught:
        import_model(path)
    columns = LONG.shape[1]
    assert str(caught.value) == (
        f"tensor 'long': f32[9,{columns}] takes {9 * columns * 4} bytes, not {8 * columns * 4}\n"
        "  at: MatMul:a"
    )
