"""Which template schedules a group, and the schedule of its default or given knobs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from mlc.errors import ScheduleError
from mlc.ir.work import work_of
from mlc.passes.lower.group import Group
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, Space, Template
from mlc.passes.schedule.templates.contraction import Contraction
from mlc.passes.schedule.templates.convolution import Convolution
from mlc.passes.schedule.templates.dot import Dot
from mlc.passes.schedule.templates.elementwise import Elementwise
from mlc.passes.schedule.templates.prepare import schedule_prepare
from mlc.passes.schedule.templates.recurrent import Recurrent
from mlc.passes.schedule.templates.reduction import Reduction
from mlc.passes.schedule.templates.strassen import StrassenProduct
from mlc.passes.schedule.templates.window import Window
from mlc.target import Target

TEMPLATES: tuple[Template, ...] = (
    Window(),
    Convolution(stride=1),
    Convolution(stride=2),
    Dot(),
    Contraction(),
    StrassenProduct(),
    Reduction(),
    Recurrent(),
    Elementwise(),
)
"""In the order in which they are asked; the last takes everything."""


def template_for(group: Group) -> Template:
    """The first template that matches."""
    return next(template for template in TEMPLATES if template.matches(group))


_ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "dot": ("contraction",),
    "contraction": ("strassen",),
    "strided_convolution": ("strassen",),
}
"""Templates worth trying where another one is the default. One that takes everything is not."""

_WORTH_SHARING = 4 * 1024 * 1024
"""Operations and bytes from which on a kernel that one thread runs alone is not worth trying."""


def spaces(group: Group, machine: Machine) -> tuple[Space, ...]:
    """All points worth trying: of the template of the default, and of its alternatives.

    Each point names its `template`, and the `threads` that share the kernel.
    """
    default = default_knobs(group, machine)
    names = (str(default["template"]), *_ALTERNATIVES.get(str(default["template"]), ()))
    work = work_of(group.func)
    alone = work.flops + work.bytes < _WORTH_SHARING
    threads = {int(default["threads"]), machine.threads, *((1,) if alone else ())}
    return tuple(
        {"template": (template.name,), "threads": tuple(sorted(threads)), **box}
        for template in TEMPLATES
        if template.name in names and template.matches(group)
        for box in template.spaces(group, machine)
    )


def default_knobs(group: Group, machine: Machine) -> Knobs:
    """The point that is chosen without measuring, with its `template` and `threads`."""
    return _first_default(group, machine)[0]


def schedule_group(
    group: Group,
    target: Target,
    threads: int,
    knobs: Knobs | None = None,
    *,
    exact: bool = False,
) -> Schedule:
    """Schedule a group by its template, with the default knobs where none are given.

    Where the default of a template does not apply, the next template that matches is asked. Knobs
    may name another `template` that matches, and fewer `threads`. `exact` forbids algorithms that
    round otherwise than plain sums.
    """
    machine = Machine(target, threads, exact)
    if knobs is not None:
        machine = replace(machine, threads=int(knobs.get("threads", threads)))
        schedule = _template_of(group, knobs).apply(group, knobs, machine)
    else:
        schedule = _first_default(group, machine)[1]
    prepare = tuple(schedule_prepare(func) for func in schedule.func.prepare)
    return replace(schedule, func=replace(schedule.func, prepare=prepare))


def _template_of(group: Group, knobs: Knobs) -> Template:
    name = knobs.get("template")
    if name is None:
        return template_for(group)
    named = [template for template in TEMPLATES if template.name == name]
    if not named or not named[0].matches(group):
        raise ScheduleError(f"no template '{name}' schedules this kernel", code="template")
    return named[0]


def _first_default(group: Group, machine: Machine) -> tuple[Knobs, Schedule]:
    """The first default that applies.

    Of a template: where it can be shared by the threads, else where one of them runs it alone.
    """
    *others, last = [template for template in TEMPLATES if template.matches(group)]
    machines = dict.fromkeys((machine, replace(machine, threads=1)))
    for template, given in itertools.product(others, machines):
        found = _default_of(template, group, given)
        if found is not None:
            return found
    return _apply_default(last, group, machine)


def _default_of(
    template: Template, group: Group, machine: Machine
) -> tuple[Knobs, Schedule] | None:
    try:
        return _apply_default(template, group, machine)
    except ScheduleError:
        return None


def _apply_default(template: Template, group: Group, machine: Machine) -> tuple[Knobs, Schedule]:
    chosen = template.default(group, machine)
    knobs = {"template": template.name, "threads": machine.threads, **chosen}
    return knobs, template.apply(group, chosen, machine)
