"""Loop and Scan: what the node says, and what is collected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from mlc.errors import ModelError, ShapeError
from mlc.importers.onnx.node import NodeView, normal_axis
from mlc.importers.onnx.tensors import dtype_from_onnx
from mlc.staged.held import Array, Held
from mlc.staged.hosts.iteration import Iteration, joined
from mlc.staged.hosts.sequences import required_array
from mlc.staged.step import Bodies, Body


def loop(node: NodeView, inputs: Sequence[Held], bodies: Bodies) -> list[Held]:
    """Run the body while the condition holds, at most so many times; gives state and slices."""
    graph = node.body("body")
    given = [*inputs, None, None]
    states = list(inputs[2:])
    limit = _trip_count(given[0])
    collected = len(graph.output) - 1 - len(states)
    _check_counts(node, collected)
    run = Iteration("Loop", bodies(graph), True, states, [], [[] for _ in range(collected)])
    if given[1] is not None:
        run.condition = required_array(given[1], "Loop: the condition")
    run.run(limit, exact=_always_continues(graph))
    return [*run.states, *_collected(run, graph)]


def _trip_count(value: Held) -> int | None:
    if value is None:
        return None
    array = required_array(value, "Loop: the trip count")
    if array.size != 1 or array.dtype.kind not in "iu":
        raise ModelError("Loop: the trip count must be one integer")
    return int(array.item())


def _always_continues(graph: onnx.GraphProto) -> bool:
    """Whether the condition is handed on as it came in, so that the trip count is exact."""
    condition = graph.output[0].name
    source = next((node for node in graph.node if condition in node.output), None)
    handed = graph.input[1].name if len(graph.input) > 1 else ""
    if source is None:
        return bool(condition == handed)
    return source.op_type == "Identity" and list(source.input) == [handed]


def scan(node: NodeView, inputs: Sequence[Held], bodies: Bodies) -> list[Held]:
    """Run the body once per slice of the scanned inputs; gives state and slices."""
    graph = node.body("body")
    count = node.integer("num_scan_inputs")
    if not 0 < count <= len(inputs):
        raise ModelError(f"Scan: {count} scan inputs of {len(inputs)} inputs")
    states, arrays = list(inputs[:-count]), inputs[-count:]
    axes = _per_port(node, "scan_input_axes", count)
    directions = _per_port(node, "scan_input_directions", count)
    scanned = [
        _scanned(required_array(array, "Scan: a scan input"), axis, direction)
        for array, axis, direction in zip(arrays, axes, directions, strict=True)
    ]
    run, collected = _scan(node, bodies(graph), graph, states, scanned)
    axes = _per_port(node, "scan_output_axes", len(collected))
    directions = _per_port(node, "scan_output_directions", len(collected))
    results = [
        _placed(array, axis, direction)
        for array, axis, direction in zip(collected, axes, directions, strict=True)
    ]
    return [*run.states, *results]


def _scan(
    node: NodeView, body: Body, graph: onnx.GraphProto, states: list[Held], scanned: list[Array]
) -> tuple[Iteration, list[Array]]:
    lengths = sorted({len(array) for array in scanned})
    if len(lengths) > 1:
        raise ShapeError(f"Scan: scan inputs of {lengths[0]} and of {lengths[-1]} slices")
    collected = len(graph.output) - len(states)
    _check_counts(node, collected)
    run = Iteration("Scan", body, False, states, scanned, [[] for _ in range(collected)])
    run.run(lengths[0], exact=True)
    return run, _collected(run, graph)


def _per_port(node: NodeView, name: str, count: int) -> tuple[int, ...]:
    """One number per scan input or output; zeros where the attribute is left out."""
    numbers = node.integers(name, (0,) * count)
    if len(numbers) != count:
        raise ModelError(f"Scan: {name} has {len(numbers)} numbers, expected {count}")
    return numbers


def _scanned(array: Array, axis: int, direction: int) -> Array:
    """The array with the axis of the slices first, in the order in which they are read."""
    moved = np.moveaxis(array, normal_axis(axis, array.ndim), 0)
    return np.ascontiguousarray(moved[::-1] if direction else moved)


def _placed(array: Array, axis: int, direction: int) -> Array:
    """The inverse of `_scanned`."""
    ordered = array[::-1] if direction else array
    return np.ascontiguousarray(np.moveaxis(ordered, 0, normal_axis(axis, array.ndim)))


def batched_scan(node: NodeView, inputs: Sequence[Held], bodies: Bodies) -> list[Held]:
    """Scan of operator set 8: everything has a batch axis, and each sequence its own length.

    What is collected of shorter sequences is filled up with zeros.
    """
    graph = node.body("body")
    count = node.integer("num_scan_inputs")
    if not 0 < count < len(inputs):
        raise ModelError(f"Scan: {count} scan inputs of {len(inputs) - 1} inputs")
    arrays = [required_array(value, "Scan: an input") for value in inputs[1:]]
    batches = {array.shape[:1] for array in arrays}
    scanned = arrays[-count:]
    if len(batches) > 1 or any(array.ndim < 2 for array in scanned):
        raise ShapeError("Scan: the inputs have no common batch axis")
    directions = _per_port(node, "directions", count)
    most = scanned[0].shape[1]
    lengths = _lengths(inputs[0], scanned[0].shape[0], most)
    body = bodies(graph)
    rows = []
    for item, length in enumerate(lengths):
        slices = [
            _scanned(array[item, :length], 0, direction)
            for array, direction in zip(scanned, directions, strict=True)
        ]
        states = [np.asarray(array[item]) for array in arrays[:-count]]
        run, collected = _scan(node, body, graph, list(states), slices)
        padded = [_padded(array, most) for array in collected]
        rows.append([*(required_array(s, "Scan: state") for s in run.states), *padded])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _lengths(value: Held, batch: int, most: int) -> list[int]:
    if value is None:
        return [most] * batch
    lengths = [int(n) for n in required_array(value, "Scan: the lengths").reshape(-1)]
    if len(lengths) != batch or min(lengths) < 0 or max(lengths) > most:
        raise ShapeError(f"Scan: the lengths {lengths} do not fit {batch} sequences of {most}")
    return lengths


def _padded(array: Array, length: int) -> Array:
    result = np.zeros((length, *array.shape[1:]), array.dtype)
    result[: len(array)] = array
    return result


def _check_counts(node: NodeView, collected: int) -> None:
    if collected < 0:
        raise ModelError(f"{node.op_type}: the body has fewer outputs than there is state")


def _declared(info: onnx.ValueInfoProto) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of a body's output as far as it is declared; what is open counts as 0."""
    tensor = info.type.tensor_type
    shape = tuple(max(dim.dim_value, 0) for dim in tensor.shape.dim)
    if tensor.elem_type == onnx.TensorProto.STRING:
        return shape, np.dtype(object)
    code = tensor.elem_type or onnx.TensorProto.FLOAT
    return shape, dtype_from_onnx(code, f"output '{info.name}'").numpy


def _collected(run: Iteration, graph: onnx.GraphProto) -> list[Array]:
    """What each scan output has collected; of no iterations, as much type as is declared."""
    infos = graph.output[len(graph.output) - len(run.collected) :]
    results = []
    for pieces, info in zip(run.collected, infos, strict=True):
        if not pieces:
            shape, dtype = _declared(info)
            pieces = [np.empty((0, *shape), dtype)]
        try:
            results.append(joined(pieces))
        except ValueError:
            raise ShapeError(
                f"{run.owner}: scan output '{info.name}' changes its shape between iterations"
            ) from None
    return results
