"""select: what happens where the default of a template does not apply."""

from __future__ import annotations

import pytest

from mlc.backends.llvm.targets import resolve
from mlc.errors import ScheduleError
from mlc.ir.rewrite import walk
from mlc.ir.stmt import For
from mlc.passes.lower.group import Group
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates import select
from mlc.passes.schedule.templates.base import Knobs, Machine
from mlc.passes.schedule.templates.contraction import Contraction
from tests.passes.schedule.templates.single import group_of

HOST = resolve("x86-64-v3")
PLAIN = {"transpose_a": False, "transpose_b": False}


class Unshared(Contraction):
    """Refuses more than `most` threads."""

    most = 1

    def apply(self, group: Group, knobs: Knobs, machine: Machine) -> Schedule:
        if machine.threads > self.most:
            raise ScheduleError("not to be shared", code="test")
        return super().apply(group, knobs, machine)


class Refusing(Unshared):
    most = 0


@pytest.mark.parametrize(("first", "vectorised"), [(Unshared(), True), (Refusing(), False)])
def test_one_thread_is_asked_before_the_next_template(
    first: Contraction, vectorised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "TEMPLATES", (first, select.TEMPLATES[-1]))
    group = group_of("matmul", [(64, 64), (64, 64)], PLAIN)
    func = select.schedule_group(group, HOST, 2).func
    loops = [part for part in walk(func.body) if isinstance(part, For)]
    tiled = any(loop.var.endswith("_o") and loop.kind == "serial" for loop in loops)
    shared = any(loop.kind == "parallel" for loop in loops)
    assert (tiled and not shared) is vectorised
