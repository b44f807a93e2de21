"""From a graph to a compiled model: graph passes, lowering, schedules, machine code, constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from mlc.backends.llvm.constants import fill_constants
from mlc.backends.llvm.emit.module import emit_program
from mlc.backends.llvm.machine import compile_to_object
from mlc.backends.llvm.sections import assembly_by_kernel, llvm_by_kernel
from mlc.errors import ScheduleError
from mlc.fingerprint import versions
from mlc.ir.graph import Graph, Value
from mlc.ir.program import Program
from mlc.ir.stmt import Func
from mlc.ir.text import print_func, print_graph
from mlc.ir.verify import verify_func
from mlc.passes.context import Context, origin
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group
from mlc.passes.lower.lower_graph import lower_graph
from mlc.passes.pipeline import run_passes
from mlc.passes.schedule.apply_trace import apply_trace
from mlc.passes.schedule.templates.select import schedule_group
from mlc.passes.schedule.trace import Trace
from mlc.passes.variant import Variant
from mlc.runtime.compiled import OBJECT, Call, Code, Compiled, Machine
from mlc.runtime.memory import aligned_bytes
from mlc.runtime.signature import Port
from mlc.runtime.texts import Source, Texts
from mlc.target import Target


@dataclass(frozen=True)
class Options:
    """What a compilation may be told beside the model and the target.

    `precision`: "exact" forbids algorithms that round differently from the plain sums (Winograd's,
    Strassen's) and the shorter functions of `FAST_MATH`, "fast" allows them: their error is
    bounded.
    `check_bounds`: compiled code checks every access.
    """

    num_threads: int
    precision: str = "fast"
    check_bounds: bool = False


class Tuned(Protocol):
    """What tuning found."""

    def __call__(self, func: Func) -> Trace | None:
        """The steps for a kernel's plain loops; None where the default stays."""

    def variant(self, graph: Graph) -> Variant:
        """The choices for the graph passes."""


def build(
    graph: Graph,
    target: Target,
    options: Options,
    context: Context,
    *,
    tuning: Tuned | None = None,
) -> Compiled:
    """Compile a graph of static shapes, with the schedules that `tuning` knows."""
    variant = Variant() if tuning is None else tuning.variant(graph)
    optimized = run_passes(graph, variant.passes(target), context)
    schedule = _Scheduling(target, options, context, tuning)
    with context.timed("lower"):
        program = lower_graph(optimized, schedule)
    with context.timed("emit"):
        text = emit_program(
            program,
            target.triple,
            check_bounds=options.check_bounds,
            fast_math=options.precision == "fast",
        )
    with context.timed("codegen"):
        code = compile_to_object(text, target)
    with context.timed("constants"):
        constants = aligned_bytes(program.constant_bytes)
        fill_constants(program, constants)
    with context.timed("texts"):
        # Now, so that a module does not keep the model's weights for the sake of its texts.
        printed = print_graph(graph, context.digests), print_graph(optimized, context.digests)
    loops = _kernel_texts(program, schedule.scheduled)
    texts = _texts(*printed, loops, text, target)
    _dump(context, program, loops, texts)
    return Compiled(
        name=graph.name,
        machine=machine_of(target),
        inputs=ports(graph.inputs),
        outputs=ports(graph.outputs),
        code=Code(OBJECT, code),
        calls=calls(program),
        constants=constants,
        arena_bytes=program.arena_bytes,
        num_threads=options.num_threads,
        texts=texts,
        versions=versions(),
    )


@dataclass
class _Scheduling:
    """Schedules group after group; `scheduled` holds their loops before they are finished."""

    target: Target
    options: Options
    context: Context
    tuning: Tuned | None
    scheduled: dict[str, Func] = field(default_factory=dict)

    def __call__(self, group: Group) -> Func:
        """The loops that the emitter takes."""
        func = _tuned(group.func, self.tuning, self.context)
        if func is None:
            exact, threads = self.options.precision == "exact", self.options.num_threads
            func = schedule_group(group, self.target, threads, exact=exact).func
        self.scheduled[f"k{len(self.scheduled)}"] = func
        finished = finish_loops(func)
        if self.context.verify == "all":
            verify_func(func)
            verify_func(finished)
        return finished


def _tuned(func: Func, tuning: Tuned | None, context: Context) -> Func | None:
    """The loops as tuning schedules them; None where it does not, or its steps are refused."""
    trace = None if tuning is None else tuning(func)
    if trace is None:
        return None
    subject = origin(func.loc, func.name)
    try:
        schedule = apply_trace(func, trace)
    except ScheduleError as error:
        context.decide("tuning", subject, "refused", "{0}", error.message)
        return None
    context.decide("tuning", subject, "chosen", "{0} recorded steps", len(trace.steps))
    return schedule.func


def ports(values: tuple[Value, ...]) -> tuple[Port, ...]:
    """Inputs or outputs of a graph as the run time sees them."""
    return tuple(Port(v.name, v.type.dtype.name, v.type.static_shape) for v in values)


def calls(program: Program) -> tuple[Call, ...]:
    """The plan as the run time sees it."""
    return tuple(
        Call(call.kernel, call.loc, call.work.flops, call.work.bytes) for call in program.calls
    )


def machine_of(target: Target) -> Machine:
    """What code for `target` needs of the machine that runs it."""
    features = [part for part in target.features.split(",") if part.startswith("+")]
    return Machine(target.triple, target.cpu, tuple(part[1:] for part in features))


def _kernel_texts(program: Program, scheduled: Mapping[str, Func]) -> dict[str, Func]:
    """The scheduled loops of each kernel, before tails and vectors are spelled out."""
    return {
        symbol: replace(scheduled[symbol.split("_", 1)[0]], name=symbol)
        for symbol in program.kernels
    }


def _texts(
    graph: str, optimized: str, loops: Mapping[str, Func], llvm: str, target: Target
) -> Texts:
    """The texts of a module; loops and assembly are printed when somebody asks."""
    kernels = tuple(loops)

    def print_loops() -> Mapping[str, str]:
        return {symbol: print_func(func) for symbol, func in loops.items()}

    sources: dict[str, Source] = {
        "graph": {"": graph},
        "optimized": {"": optimized},
        "loops": print_loops,
        "llvm": lambda: llvm_by_kernel(llvm, kernels),
    }
    texts = Texts(sources)
    provide_assembly(texts, kernels, target)
    return texts


def provide_assembly(texts: Texts, kernels: Collection[str], target: Target) -> None:
    """Assembly is kept nowhere: it is made of the LLVM IR when somebody asks."""
    texts.provide("asm", lambda: assembly_by_kernel(texts.get("llvm"), kernels, target))


def _dump(context: Context, program: Program, loops: Mapping[str, Func], texts: Texts) -> None:
    if context.dump is None:
        return
    llvm, assembly = texts.sections("llvm"), texts.sections("asm")
    for symbol, func in loops.items():
        context.dump.write(f"{symbol}.loops.mlc", print_func(func))
        context.dump.write(f"{symbol}.final.mlc", print_func(program.kernels[symbol]))
        context.dump.write(f"{symbol}.ll", llvm[symbol])
        context.dump.write(f"{symbol}.s", assembly[symbol])
    context.dump.write("module.ll", texts.get("llvm"))
    context.write_reports()
