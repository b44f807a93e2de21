"""Import ONNX models: operator sets 1 to the newest that the installed `onnx` knows.

Each operator has converters per version of the operator set, in the tables of `converters/`; the
model is not rewritten to one version first. A converter emits operators of the core table through a
`Builder`, which infers types and evaluates small constants on the way, so that the arithmetic on
shapes that exporters write disappears.
"""

from mlc.importers.onnx.coverage import SurveyRow
from mlc.importers.onnx.importer import import_model, survey
from mlc.importers.onnx.registry import operators_by_group, supported_operators

__all__ = ["SurveyRow", "import_model", "operators_by_group", "supported_operators", "survey"]
