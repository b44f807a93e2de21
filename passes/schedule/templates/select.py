"""Which template schedules a group, and the schedule of its default or given knobs."""

from __future__ import annotations

from dataclasses import replace

from mlc.errors import ScheduleError
from mlc.passes.lower.group import Group
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.base import Knobs, Machine, Template
from mlc.passes.schedule.templates.contraction import Contraction
from mlc.passes.schedule.templates.convolution import Convolution
from mlc.passes.schedule.templates.dot import Dot
from mlc.passes.schedule.templates.elementwise import Elementwise
from mlc.passes.schedule.templates.prepare import schedule_prepare
from mlc.passes.schedule.templates.recurrent import Recurrent
from mlc.passes.schedule.templates.reduction import Reduction
from mlc.passes.schedule.templates.window import Window
from mlc.target import Target

TEMPLATES: tuple[Template, ...] = (
    Window(),
    Convolution(),
    Dot(),
    Contraction(),
    Reduction(),
    Recurrent(),
    Elementwise(),
)
"""In the order in which they are asked; the last takes everything."""


def template_for(group: Group) -> Template:
    """The first template that matches."""
    return next(template for template in TEMPLATES if template.matches(group))


def schedule_group(
    group: Group,
    target: Target,
    threads: int,
    knobs: Knobs | None = None,
    *,
    exact: bool = False,
) -> Schedule:
    """Schedule a group by its template, with the default knobs where none are given.

    Where the default of a template does not apply, the next template that matches is asked.
    `exact` forbids algorithms that round otherwise than plain sums.
    """
    machine = Machine(target, threads, exact)
    if knobs is not None:
        schedule = template_for(group).apply(group, knobs, machine)
    else:
        schedule = _first_default(group, machine)
    prepare = tuple(schedule_prepare(func) for func in schedule.func.prepare)
    return replace(schedule, func=replace(schedule.func, prepare=prepare))


def _first_default(group: Group, machine: Machine) -> Schedule:
    matching = [template for template in TEMPLATES if template.matches(group)]
    for template in matching[:-1]:
        schedule = _default_schedule(template, group, machine)
        if schedule is not None:
            return schedule
    return matching[-1].apply(group, matching[-1].default(group, machine), machine)


def _default_schedule(template: Template, group: Group, machine: Machine) -> Schedule | None:
    """The default of a template; where it can't be shared by threads, for one of them alone."""
    try:
        return template.apply(group, template.default(group, machine), machine)
    except ScheduleError:
        alone = replace(machine, threads=1)
        return None if alone == machine else _default_schedule(template, group, alone)
