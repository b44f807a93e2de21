"""A task: one kernel of a model whose schedule can be chosen by measuring.

A task is known by the SHA-256 of the text of its plain loops, without the name of the kernel and
the model's nodes. Lowering names loops and buffers by their place in the group, so equal kernels of
different models have one key, and a trace recorded for one replays on the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from mlc.ir.stmt import Func
from mlc.ir.text import print_func
from mlc.ir.work import Work
from mlc.passes.lower.group import Group

KERNEL = "kernel"
"""What the function of every task is called."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A kernel to tune.

    `func`: its plain loops, named `KERNEL`, without locations; `group`: the same with the operators
    that templates ask about; `template`: what schedules it by default; `work`: of one call;
    `count`: calls in the model; `locs`: the model's nodes that they came from.
    """

    key: str
    func: Func
    group: Group
    template: str
    work: Work
    count: int
    locs: tuple[str, ...]

    @property
    def text(self) -> str:
        """The plain loops, from which `key` is made; `parse_func` reads them back."""
        return print_func(self.func)


def plain_func(func: Func) -> Func:
    """A function without what its model called it."""
    return replace(func, name=KERNEL, loc=())


def task_key(func: Func) -> str:
    """The key of a kernel's plain loops, in hexadecimal."""
    return hashlib.sha256(print_func(plain_func(func)).encode()).hexdigest()
