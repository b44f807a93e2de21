"""Imports a model: reads it, orders its nodes, runs the converter of each, gives the graph.

Every node that mlc cannot convert is noted, and what depends on it is passed over, so that one
error lists all that is missing.
"""

from __future__ import annotations

from mlc.importers.onnx.conversion import Conversion
from mlc.importers.onnx.coverage import SurveyRow, unsupported_error
from mlc.importers.onnx.inputs import Shapes, check_declared
from mlc.importers.onnx.reading import ModelLike, Source, read_model
from mlc.ir.graph import Graph


def import_model(model: ModelLike, shapes: Shapes | None = None) -> Graph:
    """Import an ONNX model: a path, bytes or an `onnx.ModelProto`.

    `shapes` maps names of inputs to shapes; numbers fix dimensions, strings name symbols, and what
    nobody fixes stays a symbol. Arrays of the graph share the model's memory where possible.
    Raises `ModelError` for a broken model, `UnsupportedError` that lists everything mlc lacks,
    `ShapeError` and `DtypeError` at the node where types do not fit, `InputError` for bad `shapes`.
    """
    return import_source(read_model(model), shapes or {})


def import_source(source: Source, shapes: Shapes) -> Graph:
    """Import a model that has been read; see `import_model`."""
    conversion = Conversion(source, shapes, strict=True)
    outputs = conversion.import_main()
    error = unsupported_error(conversion.rows)
    if error is not None:
        raise error
    named = [(info.name, value) for info, value in zip(source.graph.output, outputs, strict=True)]
    for info, value in zip(source.graph.output, outputs, strict=True):
        check_declared(info, value.type)
    return conversion.builder.graph(source.name, named)


def survey(model: ModelLike, shapes: Shapes | None = None) -> list[SurveyRow]:
    """One row per node that the outputs need: whether it is supported, and why not.

    Raises `ModelError` where the model cannot be read at all.
    """
    conversion = Conversion(read_model(model), shapes or {}, strict=False)
    conversion.import_main()
    return conversion.rows
