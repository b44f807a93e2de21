"""The compiler's front door: `compile`."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mlc.autotune.records import machine_key
from mlc.autotune.tuned import TunedSchedules, Tuning, tuned_schedules
from mlc.backends.llvm.link import link_shared
from mlc.backends.llvm.machine import load_object
from mlc.backends.llvm.targets import resolve
from mlc.build import Options, build, machine_of, provide_assembly
from mlc.cache import CompileCache, cache_key, open_cache
from mlc.errors import ArtifactError, CompileError, InputError, ShapeError, TargetError
from mlc.file_state import file_state
from mlc.fingerprint import sources_digest, versions
from mlc.importers.onnx import import_model
from mlc.importers.onnx.demand import NeedsValue
from mlc.importers.onnx.reading import ModelLike, read_model
from mlc.importers.onnx.weights import WeightFiles
from mlc.ir.graph import Graph
from mlc.ir.text import print_graph
from mlc.ir.verify import verify_graph
from mlc.passes.context import Context, VerifyLevel
from mlc.passes.dump import DumpFolder
from mlc.runtime.compiled import Compiled
from mlc.runtime.module import Module
from mlc.runtime.processor import check_machine
from mlc.runtime.threads import available_processors
from mlc.staged.hosts import HOST_STEPS
from mlc.staged.module import DEFAULT_MAX_VARIANTS, StagedModule
from mlc.staged.static import static_graph
from mlc.target import Target

if TYPE_CHECKING:
    import onnx

PRECISIONS = ("exact", "fast")
VERIFY_LEVELS = get_args(VerifyLevel)


def compile(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto | Graph,
    target: str | Target = "host",
    *,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    num_threads: int | None = None,
    precision: str = "fast",
    dump: str | os.PathLike[str] | None = None,
    cache: bool | str | os.PathLike[str] = True,
    verify: VerifyLevel = "changed",
    check_bounds: bool = False,
    tuning: Tuning | None = None,
    max_variants: int = DEFAULT_MAX_VARIANTS,
) -> Module | StagedModule:
    """Compile a model into one native function, or, where its shapes are open, into several.

    A `StagedModule` is given for models with open dimensions, with branches or sizes that depend on
    data, and for those with strings, sequences or loops: it compiles what a call needs when the
    call comes, and keeps it.

    model: the path or the bytes of an ONNX file, a parsed one, or a `Graph`.
    target: "x86", "arm", "host", "x86-64-v3", a triple, or a `Target`; it must run on this machine.
    shapes: input name → shape, for inputs whose shape the model leaves open: numbers fix
        dimensions, strings name those that stay open.
    num_threads: None takes every processor there is; 1 makes code without a thread pool.
    precision: "exact" forbids algorithms that round otherwise than plain sums, and the shorter exp,
        tanh and erf, whose largest error is 6 ulp and whose denormal results are 0; or "fast".
    dump: a folder for the IR after each pass, the loops, LLVM IR and assembly of each kernel, the
        reasons of fusion and the time of each step; it makes the model be compiled anew.
    cache: True for the user's cache folder, False for none, or a folder.
    verify: check the graph never ("off"), after passes that "changed" it, or after "all" of them;
        "all" checks the loops of each kernel too.
    check_bounds: compiled code checks every access to memory before it happens; a call with one
        that would leave its buffer raises `MlcError`.
    tuning: what `mlc.tune` found, its database or the path of one: a kernel with an accepted record
        for this target, precision and number of threads is scheduled as the record says.
    max_variants: so many compiled variants of each stage a `StagedModule` keeps, say for shapes of
        its inputs; those used least recently go.

    Raises a subclass of `MlcError`: `ModelError`, `UnsupportedError`, `ShapeError`, `TargetError` …
    """
    resolved, options = resolve_options(target, num_threads, precision, check_bounds)
    _check_runs_here(resolved)
    _check_level(verify)
    folder = None if dump is None else Path(dump)
    schedules = _schedules(tuning, resolved, options)
    compile_graph = _Stages(resolved, options, verify, folder, _open(cache), schedules)
    if isinstance(model, Graph):
        return compile_graph.whole(import_graph(model, shapes, verify))
    question = compile_graph.question(model, shapes or {})
    known = compile_graph.recalled(question)
    if known is not None:
        return known
    source = read_model(model)
    graph = static_graph(source, shapes or {}, HOST_STEPS)
    if graph is not None:
        return compile_graph.whole(graph, question, source.files)
    return StagedModule(
        source,
        shapes or {},
        compile_graph.stage,
        HOST_STEPS,
        num_threads=options.num_threads,
        max_variants=max_variants,
    )


@dataclass
class _Stages:
    """Compiles a model: the whole of it, or stage after stage, each with its own dumps."""

    target: Target
    options: Options
    verify: VerifyLevel
    folder: Path | None
    store: CompileCache | None
    schedules: TunedSchedules | None = None
    count: int = 0

    def question(self, model: ModelLike, shapes: Mapping[str, Sequence[int | str]]) -> str | None:
        """What a model's file is asked about the cache; None where there is none to ask."""
        if self.store is None or self.folder or not isinstance(model, (str, os.PathLike)):
            return None
        path = Path(model).absolute()
        return cache_key({"path": os.fsencode(path), "shapes": repr(shapes), **self._told()})

    def recalled(self, question: str | None) -> Module | None:
        """The module that a question led to before, if the cache still has it."""
        if self.store is None or question is None:
            return None
        key = self.store.recall(question)
        return None if key is None else self._cached(key)

    def whole(
        self, graph: Graph, question: str | None = None, files: WeightFiles | None = None
    ) -> Module:
        """Compile the one graph of a model; the cache notes the question that led to it."""
        context = _context(self.target, self.folder, self.verify)
        key = self._key(graph, context)
        module = self._compiled(graph, context, key)
        if self.store is not None and question is not None and files is not None:
            states = {path: file_state(status) for path, status in files.statuses.items()}
            self.store.note(question, states, key)
        return module

    def stage(self, graph: Graph) -> Module:
        """Compile the next stage of a model."""
        self.count += 1
        folder = None if self.folder is None else self.folder / f"stage-{self.count:02}"
        context = _context(self.target, folder, self.verify)
        return self._compiled(graph, context, self._key(graph, context))

    def _compiled(self, graph: Graph, context: Context, key: str) -> Module:
        """The module of a graph, out of the cache if it is there."""
        if self.store is None:
            return load_compiled(self._build(graph, context))
        module = self._cached(key) if context.dump is None else None
        if module is None:
            compiled = self._build(graph, context)
            self.store.store(key, compiled)
            module = load_compiled(compiled)
        return module

    def _cached(self, key: str) -> Module | None:
        if self.store is None:
            return None
        module = self.store.load(key, object_loader=load_object, linker=link_shared)
        if module is not None:
            provide_assembly(module.texts, module.kernels, self.target)
        return module

    def _key(self, graph: Graph, context: Context) -> str:
        """The key of a graph in the cache; empty where there is no cache."""
        if self.store is None:
            return ""
        context.digests.learn(graph.constants.values(), available_processors())
        return cache_key({"graph": print_graph(graph, context.digests), **self._told()})

    def _told(self) -> dict[str, str]:
        """All that decides what comes out, beside the model."""
        return {
            "target": repr(self.target),
            "options": repr(self.options),
            "schedules": "" if self.schedules is None else self.schedules.digest,
            "versions": repr(versions()),
            "compiler": sources_digest(),
        }

    def _build(self, graph: Graph, context: Context) -> Compiled:
        return build(graph, self.target, self.options, context, tuning=self.schedules)


def compile_only(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto | Graph,
    target: str | Target,
    *,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    num_threads: int | None = 1,
    precision: str = "fast",
    dump: str | os.PathLike[str] | None = None,
    verify: VerifyLevel = "changed",
    check_bounds: bool = False,
    tuning: Tuning | None = None,
) -> Compiled:
    """Compile for a machine that need not be this one; the result can be linked, not called."""
    resolved, options = resolve_options(target, num_threads, precision, check_bounds)
    _check_level(verify)
    context = _context(resolved, None if dump is None else Path(dump), verify)
    schedules = _schedules(tuning, resolved, options)
    graph = import_graph(model, shapes, verify)
    return build(graph, resolved, options, context, tuning=schedules)


def load_compiled(compiled: Compiled) -> Module:
    """Bring freshly compiled code into this process."""
    return Module.from_compiled(compiled, load_object, linker=link_shared)


def runs_here(target: Target) -> bool:
    """Whether this machine can run code for `target`."""
    try:
        check_machine(machine_of(target))
    except ArtifactError:
        return False
    return True


def resolve_options(
    target: str | Target, num_threads: int | None, precision: str, check_bounds: bool
) -> tuple[Target, Options]:
    """The target and the options that the arguments of `compile` name, checked."""
    if precision not in PRECISIONS:
        raise CompileError(
            f"unknown precision {precision!r}", hint=f"choose one of {', '.join(PRECISIONS)}"
        )
    threads = available_processors() if num_threads is None else _positive(num_threads)
    return resolve(target), Options(threads, precision, check_bounds)


def _positive(num_threads: int) -> int:
    try:
        number = operator.index(num_threads)
    except TypeError:
        raise CompileError(f"num_threads is {num_threads!r}, a whole number is needed") from None
    if number < 1:
        raise CompileError(f"num_threads is {number}, at least 1 is needed")
    return number


def _check_runs_here(target: Target) -> None:
    try:
        check_machine(machine_of(target))
    except ArtifactError as error:
        raise TargetError(
            f"code for '{target.name}' cannot run here: {error.message}",
            hint="'mlc compile --target' writes code for other machines",
        ) from None


def _check_level(verify: VerifyLevel) -> None:
    if verify not in VERIFY_LEVELS:
        raise CompileError(
            f"unknown verification level {verify!r}",
            hint=f"choose one of {', '.join(VERIFY_LEVELS)}",
        )


def _context(target: Target, folder: Path | None, verify: VerifyLevel) -> Context:
    dump = None if folder is None else DumpFolder(folder)
    if dump is not None:
        dump.prepare()
    return Context(target=target, verify=verify, dump=dump)


def import_graph(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto | Graph,
    shapes: Mapping[str, Sequence[int | str]] | None,
    verify: VerifyLevel,
) -> Graph:
    """The model as one graph of static shapes; `ShapeError` where there is none."""
    if not isinstance(model, Graph):
        graph = _imported(model, shapes)
    elif shapes:
        raise InputError("shapes= is for ONNX models: a Graph's inputs have their types")
    else:
        graph = model
        if verify != "off":
            verify_graph(graph)
    for value in graph.inputs:
        if not value.type.is_static:
            raise ShapeError(
                f"input '{value.name}' has the open shape {value.type}",
                hint=f"give its shape: shapes={{'{value.name}': (…)}}",
            )
    return graph


def _imported(
    model: str | os.PathLike[str] | bytes | onnx.ModelProto,
    shapes: Mapping[str, Sequence[int | str]] | None,
) -> Graph:
    try:
        return import_model(model, shapes)
    except NeedsValue as error:
        error.hint = error.hint or "mlc.compile runs such models, in stages"
        raise


def _open(cache: bool | str | os.PathLike[str]) -> CompileCache | None:
    if cache is False:
        return None
    return open_cache(None if cache is True else cache)


def _schedules(tuning: Tuning | None, target: Target, options: Options) -> TunedSchedules | None:
    """What was accepted for the target, as it is now."""
    if tuning is None:
        return None
    exact = options.precision == "exact"
    return tuned_schedules(tuning, machine_key(target, options.num_threads, exact))
