"""The compiler's front door: `compile`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlc.backends.llvm.link import link_shared
from mlc.backends.llvm.machine import load_object
from mlc.backends.llvm.targets import resolve
from mlc.build import Options, build, versions
from mlc.cache import cache_key, open_cache
from mlc.errors import CompileError, ShapeError
from mlc.importers.onnx import import_model
from mlc.ir.graph import Graph
from mlc.ir.text import print_graph
from mlc.passes.context import Context, VerifyLevel
from mlc.passes.dump import DumpFolder
from mlc.runtime.compiled import Compiled
from mlc.runtime.module import Module
from mlc.runtime.threads import available_processors
from mlc.target import Target

if TYPE_CHECKING:
    import onnx

PRECISIONS = ("exact", "fast")


def compile(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto | Graph,
    target: str | Target = "host",
    *,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    num_threads: int | None = None,
    precision: str = "fast",
    dump: str | os.PathLike[str] | None = None,
    cache: bool | str | os.PathLike[str] = True,
    verify: VerifyLevel = "off",
    check_bounds: bool = False,
) -> Module:
    """Compile a model into one native function.

    `model`: the path or the bytes of an ONNX file, a parsed one, or a `Graph`. `target`: "x86", "arm",
    "host", "x86-64-v3", a triple, or a `Target`; to run the module here it must be this machine's.
    `shapes`: input name → shape, for inputs whose shape the model leaves open. `num_threads` None
    takes every processor there is; 1 makes code without a thread pool. `precision`: "exact" forbids
    algorithms that round otherwise than plain sums. `dump`: a folder for the IR after each pass, the
    loops, LLVM IR and assembly of each kernel, and the reasons of fusion. `cache`: True for the user's
    cache folder, False for none, or a folder.

    Raises a subclass of `MlcError`: `ModelError`, `UnsupportedError`, `ShapeError`, `TargetError`, …
    """
    resolved, options = _resolve(target, num_threads, precision, check_bounds)
    graph = model if isinstance(model, Graph) else import_model(model, shapes)
    _check_static(graph)
    store = open_cache(None if cache is True else cache) if cache is not False else None
    if store is None or dump is not None:
        return load_compiled(_build(graph, resolved, options, dump, verify))
    key = cache_key(
        {
            "graph": print_graph(graph),
            "target": repr(resolved),
            "options": repr(options),
            "versions": repr(versions()),
        }
    )
    module = store.load(key, object_loader=load_object, linker=link_shared)
    if module is not None:
        return module
    compiled = _build(graph, resolved, options, dump, verify)
    store.store(key, compiled)
    return load_compiled(compiled)


def compile_only(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto | Graph,
    target: str | Target,
    *,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    num_threads: int | None = 1,
    precision: str = "fast",
) -> Compiled:
    """Compile for a machine that need not be this one; the result can be linked, not called."""
    resolved, options = _resolve(target, num_threads, precision, check_bounds=False)
    graph = model if isinstance(model, Graph) else import_model(model, shapes)
    _check_static(graph)
    return _build(graph, resolved, options, None, "off")


def load_compiled(compiled: Compiled) -> Module:
    """Bring freshly compiled code into this process."""
    return Module.from_compiled(compiled, load_object, linker=link_shared)


def _resolve(
    target: str | Target, num_threads: int | None, precision: str, check_bounds: bool
) -> tuple[Target, Options]:
    if precision not in PRECISIONS:
        raise CompileError(
            f"unknown precision {precision!r}", hint=f"choose one of {', '.join(PRECISIONS)}"
        )
    if num_threads is not None and num_threads < 1:
        raise CompileError(f"num_threads is {num_threads}, at least 1 is needed")
    threads = num_threads or available_processors()
    return resolve(target), Options(threads, precision, check_bounds)


def _build(
    graph: Graph,
    target: Target,
    options: Options,
    dump: str | os.PathLike[str] | None,
    verify: VerifyLevel,
) -> Compiled:
    folder = None if dump is None else DumpFolder(Path(dump))
    context = Context(target=target, verify=verify, dump=folder)
    return build(graph, target, options, context)


def _check_static(graph: Graph) -> None:
    for value in graph.inputs:
        if not value.type.is_static:
            raise ShapeError(
                f"input '{value.name}' has the open shape {value.type}",
                hint=f"give its shape: shapes={{'{value.name}': (…)}}",
            )
