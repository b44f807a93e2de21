"""From LLVM IR text to machine code for any target: objects, assembly, and code loaded here.

LLVM runs no IR passes (the emitter writes explicit vectors in SSA form; passes would buy nothing
and double the compile time); `level` is that of the code generator. An object that was loaded stays
loaded as long as its `LoadedObject` lives.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import llvmlite.binding as llvm

from mlc.backends.llvm.elf import is_whole_object, undefined_symbols
from mlc.backends.llvm.half import half_support
from mlc.errors import CompileError, TargetError
from mlc.target import Target

DEFAULT_LEVEL = 2
"""Code generation level: 1 costs 3 to 8 % of speed and saves a third of the time; 0 is unusable."""

_REQUIRED = ("x86-64", "aarch64")
_CONTEXT_LINES = 2
_MACH_O = b"\xcf\xfa\xed\xfe"


@functools.cache
def initialize() -> None:
    """Make LLVM's targets known to this process; raises `TargetError` where one is missing."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    known = _target_names()
    missing = [name for name in _REQUIRED if name not in known]
    if missing:
        raise TargetError(
            f"llvmlite's LLVM was built without {' and '.join(missing)}",
            hint="install llvmlite from its published wheels, which hold every target",
        )


def _target_names() -> list[str]:
    names = {"x86-64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}
    found = []
    for name, triple in names.items():
        try:
            llvm.Target.from_triple(triple)
        except RuntimeError:
            continue
        found.append(name)
    return found


def create_target_machine(target: Target, level: int = DEFAULT_LEVEL) -> llvm.TargetMachine:
    """A code generator for `target`: position-independent code, small code model.

    Position-independent code reaches constants relative to the program counter and functions of
    other libraries through stubs, so that it may be loaded anywhere and also linked into a shared
    object. Raises `TargetError` for a triple that LLVM does not know.
    """
    initialize()
    try:
        machine_target = llvm.Target.from_triple(target.triple)
    except RuntimeError as error:
        raise TargetError(f"LLVM cannot generate code for '{target.triple}': {error}") from error
    return machine_target.create_target_machine(
        cpu=target.cpu,
        features=target.features,
        opt=level,
        reloc="pic",
        codemodel="small",
    )


@contextmanager
def parsed_module(
    llvm_text: str, target: Target, machine: llvm.TargetMachine
) -> Iterator[llvm.ModuleRef]:
    """A module, parsed and verified, with the target's triple and data layout; freed at the end.

    Raises `CompileError` with LLVM's message and the offending lines.
    """
    llvm_text += half_support(llvm_text, target)
    context = llvm.create_context()
    try:
        module = llvm.parse_assembly(llvm_text, context)
    except RuntimeError as error:
        raise _parse_error(llvm_text, str(error)) from error
    with module:
        try:
            module.verify()
        except RuntimeError as error:
            raise _parse_error(llvm_text, str(error)) from error
        module.triple = target.triple
        module.data_layout = str(machine.target_data)
        yield module


def compile_to_object(llvm_text: str, target: Target, level: int = DEFAULT_LEVEL) -> bytes:
    """The relocatable object file of a module of LLVM IR text.

    Raises `CompileError` when LLVM refuses the text, `TargetError` for a triple it does not know.
    """
    machine = create_target_machine(target, level)
    with parsed_module(llvm_text, target, machine) as module:
        return bytes(machine.emit_object(module))


def to_assembly(llvm_text: str, target: Target, level: int = DEFAULT_LEVEL) -> str:
    """The assembly text of a module of LLVM IR text; raises as `compile_to_object`."""
    machine = create_target_machine(target, level)
    with parsed_module(llvm_text, target, machine) as module:
        return str(machine.emit_assembly(module))


class LoadedObject:
    """Machine code in this process; it is freed with this object, so keep it while you call it."""

    def __init__(self, engine: llvm.ExecutionEngine) -> None:
        self._engine = engine

    def address(self, symbol: str) -> int:
        """Where `symbol` lies; raises `CompileError` when there is no such symbol.

        >>> import ctypes
        >>> from mlc.backends.llvm.targets import resolve
        >>> text = "define i32 @seven() {\\n  ret i32 7\\n}"
        >>> code = load_object(compile_to_object(text, resolve("host")))
        >>> ctypes.CFUNCTYPE(ctypes.c_int)(code.address("seven"))()
        7
        """
        address = int(self._engine.get_function_address(symbol))
        if not address:
            raise CompileError(f"the compiled code has no symbol '{symbol}'")
        return address


def load_object(data: bytes, symbols: Mapping[str, int] | None = None) -> LoadedObject:
    """Load a relocatable object of this machine's kind into the process.

    Undefined symbols are looked up in `symbols` (name to address) first, then in what the process
    has loaded (the C library, threads). Raises `CompileError` when the bytes are no object file, or
    need a symbol that is nowhere.
    """
    initialize()
    for name, address in (symbols or {}).items():
        llvm.add_symbol(name, address)
    machine = llvm.Target.from_default_triple().create_target_machine(
        reloc="pic", codemodel="small"
    )
    # An engine lets go of its module's context before it is done with the module itself, so that
    # the (empty) module has to live in the context that is never freed.
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    if data[:4] != _MACH_O:
        _check_elf(data)
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return LoadedObject(engine)


def _check_elf(data: bytes) -> None:
    """Refuse what LLVM's loader would crash on, now or when the code is called.

    The first engine makes LLVM aware of the process's own symbols, so that one must exist.
    """
    if not is_whole_object(data):
        raise CompileError(f"not a relocatable object file ({len(data)} bytes), or cut short")
    absent = [name for name in undefined_symbols(data) if llvm.address_of_symbol(name) is None]
    if absent:
        raise CompileError(f"the compiled code needs {', '.join(absent)}, which is not there")


def _parse_error(llvm_text: str, message: str) -> CompileError:
    """The error for text that LLVM refused, with the lines around the one it names."""
    detail = [line for line in message.splitlines() if line.strip()]
    position = re.search(r":(\d+):(\d+): error: (.*)", message)
    if position is None:
        what = detail[0].strip() if detail else "no message"
        return CompileError(f"LLVM refused the generated code: {what}")
    number, column, what = int(position[1]), int(position[2]), position[3]
    lines = llvm_text.split("\n")
    first = max(1, number - _CONTEXT_LINES)
    width = len(str(number))
    shown = [
        f"  {first + offset:>{width}} | {line}"
        for offset, line in enumerate(lines[first - 1 : number])
    ]
    shown.append(f"  {'':>{width}} | {' ' * (column - 1)}^")
    return CompileError(
        f"LLVM refused the generated code: {what}",
        node=f"line {number}, column {column}",
        excerpt="\n".join(shown),
    )
