"""From a graph to a compiled model: graph passes, lowering, schedules, machine code, constants."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from mlc.backends.llvm.constants import fill_constants
from mlc.backends.llvm.emit.module import emit_program
from mlc.backends.llvm.machine import compile_to_object, to_assembly
from mlc.ir.graph import Graph, Value
from mlc.ir.program import Program
from mlc.ir.stmt import Func
from mlc.ir.text import print_func, print_graph
from mlc.passes.context import Context
from mlc.passes.loops.pipeline import finish_loops
from mlc.passes.lower.group import Group
from mlc.passes.lower.lower_graph import lower_graph
from mlc.passes.pipeline import graph_passes, run_passes
from mlc.passes.schedule.templates.select import schedule_group
from mlc.runtime.compiled import OBJECT, Call, Code, Compiled, Machine
from mlc.runtime.memory import aligned_bytes
from mlc.runtime.signature import Port
from mlc.runtime.texts import Source, Texts
from mlc.target import Target


@dataclass(frozen=True)
class Options:
    """What a compilation may be told beside the model and the target.

    `precision`: "exact" forbids algorithms that round differently from the plain sums (Winograd),
    "fast" allows them where their error is bounded. `check_bounds`: compiled code checks every access.
    """

    num_threads: int
    precision: str = "fast"
    check_bounds: bool = False


def build(graph: Graph, target: Target, options: Options, context: Context) -> Compiled:
    """Compile a graph of static shapes."""
    optimized = run_passes(graph, graph_passes(target), context)
    scheduled: dict[str, Func] = {}

    def schedule(group: Group) -> Func:
        exact = options.precision == "exact"
        func = schedule_group(group, target, options.num_threads, exact=exact).func
        scheduled[f"k{len(scheduled)}"] = func
        return finish_loops(func)

    with context.timed("lower"):
        program = lower_graph(optimized, schedule)
    with context.timed("emit"):
        text = emit_program(program, target.triple, check_bounds=options.check_bounds)
    with context.timed("codegen"):
        code = compile_to_object(text, target)
    with context.timed("constants"):
        constants = aligned_bytes(program.constant_bytes)
        fill_constants(program, constants)
    loops = _kernel_texts(program, scheduled)
    _dump(context, program, loops, text, target)
    return Compiled(
        name=graph.name,
        machine=_machine(target),
        inputs=ports(graph.inputs),
        outputs=ports(graph.outputs),
        code=Code(OBJECT, code),
        calls=tuple(Call(call.kernel, call.loc) for call in program.calls),
        constants=constants,
        arena_bytes=program.arena_bytes,
        num_threads=options.num_threads,
        texts=_texts(graph, optimized, loops, text, target),
        versions=versions(),
    )


def ports(values: tuple[Value, ...]) -> tuple[Port, ...]:
    """Inputs or outputs of a graph as the run time sees them."""
    return tuple(Port(v.name, v.type.dtype.name, v.type.static_shape) for v in values)


def versions() -> dict[str, str]:
    """The versions that decide what code comes out."""
    return {name: _version(name) for name in ("mlc-compiler", "llvmlite")} | {
        "python": platform.python_version()
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def _machine(target: Target) -> Machine:
    features = [part for part in target.features.split(",") if part.startswith("+")]
    return Machine(target.triple, target.cpu, tuple(part[1:] for part in features))


def _kernel_texts(program: Program, scheduled: Mapping[str, Func]) -> dict[str, Func]:
    """The scheduled loops of each kernel, before tails and vectors are spelled out."""
    return {
        symbol: replace(scheduled[symbol.split("_", 1)[0]], name=symbol)
        for symbol in program.kernels
    }


def _texts(
    graph: Graph, optimized: Graph, loops: Mapping[str, Func], llvm: str, target: Target
) -> Texts:
    def print_loops() -> Mapping[str, str]:
        return {symbol: print_func(func) for symbol, func in loops.items()}

    def assembly() -> Mapping[str, str]:
        return split_assembly(to_assembly(llvm, target), loops)

    sources: dict[str, Source] = {
        "graph": _once(lambda: print_graph(graph)),
        "optimized": _once(lambda: print_graph(optimized)),
        "loops": print_loops,
        "llvm": lambda: split_llvm(llvm, loops),
        "asm": assembly,
    }
    return Texts(sources)


def _once(render: Callable[[], str]) -> Callable[[], Mapping[str, str]]:
    return lambda: {"": render()}


def split_llvm(text: str, kernels: Mapping[str, Func]) -> dict[str, str]:
    """LLVM IR by kernel: a kernel's functions are called `symbol` and `symbol.parN`."""
    sections: dict[str, str] = dict.fromkeys(("", *kernels), "")
    for block in text.split("\n\n"):
        head = block.split("(", 1)[0]
        symbol = head.rsplit("@", 1)[-1].split(".par", 1)[0] if "@" in head else ""
        owner = symbol if block.startswith("define") and symbol in sections else ""
        sections[owner] += block + "\n\n"
    return sections


def split_assembly(text: str, kernels: Mapping[str, Func]) -> dict[str, str]:
    """Assembly by kernel, by the labels of its functions."""
    sections: dict[str, list[str]] = {name: [] for name in ("", *kernels)}
    owner = ""
    for line in text.splitlines():
        label = line.split(":", 1)[0]
        if line[:1].isalpha() or line[:1] == "_":
            symbol = label.split(".par", 1)[0]
            owner = symbol if symbol in sections else ""
        sections[owner].append(line)
    return {name: "\n".join(lines) + "\n" for name, lines in sections.items()}


def _dump(
    context: Context, program: Program, loops: Mapping[str, Func], llvm: str, target: Target
) -> None:
    if context.dump is None:
        return
    by_kernel = split_llvm(llvm, loops)
    assembly = split_assembly(to_assembly(llvm, target), loops)
    for symbol, func in loops.items():
        context.dump.write(f"{symbol}.loops.mlc", print_func(func))
        context.dump.write(f"{symbol}.final.mlc", print_func(program.kernels[symbol]))
        context.dump.write(f"{symbol}.ll", by_kernel[symbol])
        context.dump.write(f"{symbol}.s", assembly[symbol])
    context.dump.write("module.ll", llvm)
    context.write_reports()
