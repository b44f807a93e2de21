"""mlc: a tensor-program compiler for CPUs.

    module = mlc.compile("model.onnx")
    output = module(image)

Importing this package imports nothing else: each public name is looked up on first use, so that
loading a saved model never pays for the compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlc.api import compile as compile
    from mlc.autotune.tuning_report import TuningReport as TuningReport
    from mlc.errors import ArtifactError as ArtifactError
    from mlc.errors import CacheError as CacheError
    from mlc.errors import CompileError as CompileError
    from mlc.errors import DtypeError as DtypeError
    from mlc.errors import DumpError as DumpError
    from mlc.errors import InputError as InputError
    from mlc.errors import MlcError as MlcError
    from mlc.errors import ModelError as ModelError
    from mlc.errors import ParseError as ParseError
    from mlc.errors import ScheduleError as ScheduleError
    from mlc.errors import ShapeError as ShapeError
    from mlc.errors import TargetError as TargetError
    from mlc.errors import TuningError as TuningError
    from mlc.errors import UnsupportedError as UnsupportedError
    from mlc.errors import VerifyError as VerifyError
    from mlc.ir.graph import Graph as Graph
    from mlc.runtime.artifact import load as load
    from mlc.runtime.module import Module as Module
    from mlc.staged.module import StagedModule as StagedModule
    from mlc.target import Target as Target
    from mlc.tuning import tune as tune

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "CacheError",
    "CompileError",
    "DtypeError",
    "DumpError",
    "Graph",
    "InputError",
    "MlcError",
    "ModelError",
    "Module",
    "ParseError",
    "ScheduleError",
    "ShapeError",
    "StagedModule",
    "Target",
    "TargetError",
    "TuningError",
    "TuningReport",
    "UnsupportedError",
    "VerifyError",
    "compile",
    "load",
    "tune",
]

_HOME_OF = {
    **dict.fromkeys(__all__, "mlc.errors"),
    "Graph": "mlc.ir.graph",
    "Module": "mlc.runtime.module",
    "StagedModule": "mlc.staged.module",
    "Target": "mlc.target",
    "compile": "mlc.api",
    "TuningReport": "mlc.autotune.tuning_report",
    "load": "mlc.runtime.artifact",
    "tune": "mlc.tuning",
}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'mlc' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
