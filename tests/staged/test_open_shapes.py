"""Models whose inputs have open shapes: what fits them, and what they are compiled for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import mlc
from mlc.errors import InputError, MlcError, UnsupportedError
from tests.importers.evaluate import parse
from tests.staged.agreement import check, staged, whole

SUM = "g (float[batch,3] x, float[batch,1] w) => (float[batch,3] y) { y = Add(x, w) }"


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def refused(module: object, *arrays: object) -> str:
    with pytest.raises(InputError) as caught:
        module(*arrays)  # type: ignore[operator]
    return str(caught.value)


def test_two_batches_are_two_variants() -> None:
    module = check(SUM, (ones(2, 3), ones(2, 1)), (ones(5, 3), ones(5, 1)))
    assert module.variants == 2


def test_ports_show_symbols() -> None:
    module = staged(SUM)
    assert [str(port) for port in module.inputs] == ["x: f32[batch,3]", "w: f32[batch,1]"]
    assert repr(module) == (
        "<mlc.StagedModule g(x: f32[batch,3], w: f32[batch,1]) -> y: f32[batch,3]>"
    )


def test_shapes_pin_what_is_known() -> None:
    model = "g (float[n,c,h,w] x) => (float[n,c,h,w] y) { y = Relu(x) }"
    module = staged(model, shapes={"x": (1, 3, "rows", "columns")})
    assert module.inputs[0].shape == (1, 3, "rows", "columns")
    assert module(ones(1, 3, 4, 5)).shape == (1, 3, 4, 5)
    assert refused(module, ones(2, 3, 4, 5)) == "input 'x': dimension 0 is 2, expected 1"
    assert whole(model, shapes={"x": (1, 3, 4, 5)}).inputs[0].shape == (1, 3, 4, 5)


def test_what_does_not_fit() -> None:
    module = staged(SUM)
    assert refused(module, ones(2, 3, 1), ones(2, 1)) == (
        "input 'x': shape (2, 3, 1) has 3 axes, expected (batch, 3)"
    )
    assert refused(module, ones(2, 4), ones(2, 1)) == "input 'x': dimension 1 is 4, expected 3"
    assert refused(module, ones(2, 3), ones(4, 1)) == (
        "input 'w': dimension 0 ('batch') is 4, but 'batch' is 2\n"
        "  hint: 2 is the size of dimension 0 of input 'x'"
    )
    assert refused(module, ones(2, 3).astype(np.float64), ones(2, 1)) == (
        "input 'x': dtype float64, expected float32\n  hint: array.astype('float32') converts"
    )
    assert refused(module, ones(2, 3)) == (
        "missing input 'w'\n  hint: the module takes inputs 'x', 'w'"
    )
    assert refused(module, ones(2, 3), [1.0]) == (
        "input 'w': a list given, an array is needed\n"
        "  hint: give a NumPy array, or an object with the buffer protocol or DLPack"
    )


@pytest.mark.parametrize("text", ["-1", "?", "None", "", "2*batch + 1", "batch_size x 4"])
def test_dimensions_that_exporters_write(text: str) -> None:
    model = parse("g (float[n,2] x) => (float[n,2] y) { y = Relu(x) }")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = text
    module = staged(model)
    assert module(ones(3, 2)).shape == (3, 2)
    assert module(ones(4, 2)).shape == (4, 2)


def test_dimension_minus_one() -> None:
    model = parse("g (float[n,2] x) => (float[n,2] y) { y = Relu(x) }")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert staged(model)(ones(3, 2)).shape == (3, 2)


def test_unknown_rank() -> None:
    model = parse("g (float[n,2] x) => (float[n,2] y) { y = Softmax(x) }")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    module = check(model, (ones(2),), (ones(3, 4),), (ones(1, 2, 3),))
    assert [str(port) for port in module.inputs] == ["x: f32[…]"]


def test_inputs_that_are_not_dense_or_are_outputs() -> None:
    module = staged("g (float[n,m] x) => (float[n,m] x, float[n,m] y) { y = Identity(x) }")
    given = np.arange(12, dtype=np.float32).reshape(3, 4).T
    same, copy = module(given)
    np.testing.assert_array_equal(same, given)
    np.testing.assert_array_equal(copy, given)
    assert not np.shares_memory(same, given)
    assert not np.shares_memory(same, copy)


def test_outputs_that_are_constants() -> None:
    model = parse(
        "g (float[n,2] x) => (float[n,2] y, float[2] w, int64[2] s, int64[1] c) "
        "{ y = Relu(x) s = Shape(x) c = Constant<value_ints = [7]>() }"
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(ones(2), "w"))
    module = staged(model)
    for size in (3, 4, 3):
        y, w, s, c = module(ones(size, 2))
        assert (y.shape, w.tolist(), s.tolist(), c.tolist()) == ((size, 2), [1, 1], [size, 2], [7])
        w += 1
        s += 1
        c += 1


def test_a_static_model_is_one_module() -> None:
    assert whole("g (float[2,3] x) => (float[2,3] y) { y = Relu(x) }")(ones(2, 3)).shape == (2, 3)


def test_every_missing_operator_is_told_at_once() -> None:
    model = parse(
        "g (float[n] x, bool c) => (float[n] y) { a = Nothing(x) "
        "y = If(c) <then_branch = t () => (float[n] p) { p = Never(a) },"
        " else_branch = e () => (float[n] q) { q = Relu(a) }> }"
    )
    with pytest.raises(UnsupportedError) as caught:
        mlc.compile(model)
    assert str(caught.value) == (
        "2 nodes of the model are not supported\n"
        "  - Nothing:a: Nothing (opset 17; f32[n]): no such operator\n"
        "  - Never:p: Never (opset 17; ?): no such operator"
    )


def test_shapes_that_contradict_each_other_when_called() -> None:
    module = staged("g (float[n] x, float[m] w) => (float[k] y) { y = Add(x, w) }")
    with pytest.raises(mlc.ShapeError) as caught:
        module(ones(2), ones(3))
    assert str(caught.value) == "add: shapes [2] and [3] do not broadcast\n  at: Add:y"


def test_saving_is_refused() -> None:
    with pytest.raises(MlcError) as caught:
        staged(SUM).save("nowhere")
    assert str(caught.value) == (
        "a model that is compiled in stages cannot be saved\n"
        "  hint: give every dimension a number: shapes={'x': (…), 'w': (…)}"
    )


def test_closed() -> None:
    with staged(SUM) as module:
        module(ones(2, 3), ones(2, 1))
    assert (module.closed, module.variants) == (True, 0)
    with pytest.raises(MlcError, match=r"^the module is closed$"):
        module(ones(2, 3), ones(2, 1))


def test_no_variants() -> None:
    with pytest.raises(InputError) as caught:
        staged(SUM, max_variants=0)
    assert str(caught.value) == "max_variants is 0, at least 1 is needed"


def test_heads_are_split_by_dimensions_picked_one_by_one() -> None:
    """One element of a shape, picked by an index of rank 0, is a symbol of its own."""
    x = np.arange(2 * 5 * 12, dtype=np.float32).reshape(2, 5, 12)
    model = """g (float[batch,length,12] x) => (float[batch,length,3,4] y) {
        s = Shape(x)
        i0 = Constant <value_int = 0> () i1 = Constant <value_int = 1> ()
        a0 = Constant <value_ints = [0]> ()
        n = Gather(s, i0) l = Gather(s, i1)
        n1 = Unsqueeze(n, a0) l1 = Unsqueeze(l, a0)
        h = Constant <value_ints = [3]> () e = Constant <value_ints = [-1]> ()
        target = Concat <axis = 0> (n1, l1, h, e)
        y = Reshape(x, target)
    }"""
    assert check(model, (x,), (x[:1, :3].copy(),)).variants == 2
