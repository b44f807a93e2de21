"""Reads tensors out of PyTorch's checkpoints of before 2020, without running what they hold.

Such a file is a row of pickles (a magic number, a version, facts of the machine, the tensors by
name, the keys of the storages), then the elements of each storage. A pickle is a program for a
stack machine that may call anything; here its instructions are read as data, the few that such
files need are done, and everything else is refused. The only calls are those that make a dictionary
or describe a tensor.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}


@dataclass(frozen=True)
class _Tensor:
    """Elements of a storage from `offset` on, `strides` elements apart along each axis."""

    storage: tuple[Any, ...]  # ("storage", kind, key, device, elements, view)
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The elements; IndexError when the storage does not reach that far."""
        axes = np.ogrid[tuple(slice(size) for size in self.shape)]
        where = self.offset + sum(
            axis * step for axis, step in zip(axes, self.strides, strict=True)
        )
        return storage[where]


@dataclass
class _Machine:
    """The stack, the memo, and where the marks are."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    marks: list[int] = field(default_factory=list)

    def pop_marked(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def collect(self, count: int) -> None:
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        self.stack.append(items)

    def set_items(self, items: list[Any]) -> None:
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        self.stack[-1].extend(items)

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][key] = value

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        match function, arguments:
            case "collections OrderedDict", ():
                self.stack.append({})
            case "torch._utils _rebuild_tensor_v2", (storage, offset, shape, strides, *_):
                self.stack.append(_Tensor(storage, offset, shape, strides))
            case _:
                raise ValueError(f"a checkpoint may not call {function}")


def _push(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _put(machine: _Machine, argument: Any) -> None:
    machine.memo[argument] = machine.stack[-1]


def _get(machine: _Machine, argument: Any) -> None:
    machine.stack.append(machine.memo[argument])


_INSTRUCTIONS: Mapping[str, Callable[[_Machine, Any], object]] = {
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "GLOBAL"), _push),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _get),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_marked())),
    "TUPLE1": lambda machine, _: machine.collect(1),
    "TUPLE2": lambda machine, _: machine.collect(2),
    "SETITEM": lambda machine, _: machine.set_item(),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_marked()),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_marked()),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.stack.pop(),  # attributes of the dictionary: not of use
    "BINPERSID": lambda machine, _: None,  # a storage is what describes it
    "PROTO": lambda machine, _: None,
    "STOP": lambda machine, _: None,
}


def read_pickle(stream: BinaryIO) -> Any:
    """What the next pickle of `stream` describes; ValueError for one that wants more than data."""
    machine = _Machine()
    for instruction, argument, _ in pickletools.genops(stream):
        if instruction.name not in _INSTRUCTIONS:
            raise ValueError(f"a checkpoint may not hold {instruction.name}")
        _INSTRUCTIONS[instruction.name](machine, argument)
    return machine.stack.pop()


def read_checkpoint(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a checkpoint by name, in the order of the model's layers."""
    stream = io.BytesIO(content)
    if read_pickle(stream) != MAGIC:
        raise ValueError("not a PyTorch checkpoint of the old format")
    _version, _machine = read_pickle(stream), read_pickle(stream)
    tensors = read_pickle(stream)
    kinds = {tensor.storage[2]: tensor.storage[1] for tensor in tensors.values()}
    storages = {}
    for key in read_pickle(stream):
        dtype, count = DTYPES[kinds[key]], int.from_bytes(stream.read(8), "little")
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    return {name: tensor.of(storages[tensor.storage[2]]) for name, tensor in tensors.items()}
