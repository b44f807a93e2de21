"""A compiled model as plain data: all that is needed to run it, print it or save it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlc.errors import MlcError
from mlc.runtime.memory import Bytes, aligned_bytes
from mlc.runtime.signature import Port, check_unique_names
from mlc.runtime.texts import Texts

OBJECT = "object"
SHARED = "shared"

MAX_BYTES = 1 << 47


@dataclass(frozen=True)
class Machine:
    """What the code runs on: LLVM triple and CPU, and the CPU features that it may use.

    Features have LLVM's names without a sign, for example `avx2`; see `mlc.runtime.processor`.
    """

    triple: str
    cpu: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """Machine code: `kind` is "object" (relocatable) or "shared" (a shared object)."""

    kind: str
    data: bytes

    def __post_init__(self) -> None:
        if self.kind not in (OBJECT, SHARED):
            raise MlcError(f"unknown kind of code {self.kind!r}")


@dataclass(frozen=True)
class Call:
    """One step of the plan: a kernel's symbol, and the model's nodes that it computes here.

    `flops` are its floating-point operations by the plain algorithm, `bytes` what it reads and
    writes, each once.
    """

    kernel: str
    loc: tuple[str, ...] = ()
    flops: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Compiled:
    """A compiled model.

    `calls` is the plan, in order: entry i of a profile belongs to call i. `constants` is the packed
    area that `mlc_run` takes, `arena_bytes` the size of its arena. `num_threads` None means all the
    processors there are. `versions` says what made it.
    """

    name: str
    machine: Machine
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    code: Code
    calls: tuple[Call, ...] = ()
    constants: Bytes = field(default_factory=lambda: aligned_bytes(0))
    arena_bytes: int = 0
    num_threads: int | None = None
    texts: Texts = field(default_factory=Texts)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_unique_names(self.inputs, "input")
        check_unique_names(self.outputs, "output")
        constants = self.constants
        if constants.ndim != 1 or constants.dtype != np.uint8 or not constants.flags.c_contiguous:
            raise MlcError("the constants are not one row of bytes")
        if not 0 <= self.arena_bytes <= MAX_BYTES:
            raise MlcError(f"impossible arena of {self.arena_bytes} bytes")
        if self.num_threads is not None and self.num_threads < 1:
            raise MlcError(f"num_threads is {self.num_threads}, at least 1 is needed")

    @property
    def kernels(self) -> tuple[str, ...]:
        """The symbols of the kernels, each once, in the order of their first call."""
        return tuple(dict.fromkeys(call.kernel for call in self.calls))
