"""Apply a recorded trace to a function."""

from __future__ import annotations

import inspect

from mlc.errors import ScheduleError
from mlc.ir.stmt import Func
from mlc.passes.schedule.primitives import PRIMITIVES
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.trace import Step, Trace


def replay(func: Func, trace: Trace) -> Schedule:
    """The schedule that the steps of `trace` make of `func`.

    On an equal function the result is equal. Raises `ScheduleError` where a step names no
    primitive, lacks an argument, or is refused.
    """
    schedule = Schedule(func)
    for step in trace.steps:
        schedule = _apply(schedule, step)
    return schedule


def _apply(schedule: Schedule, step: Step) -> Schedule:
    function = PRIMITIVES.get(step.primitive)
    if function is None:
        reason = f"replay: there is no primitive '{step.primitive}'"
        raise ScheduleError(reason, code="no-such-primitive")
    signature = inspect.signature(function)
    unknown = sorted(step.arguments.keys() - signature.parameters.keys())
    if unknown:
        reason = f"replay: {step.primitive} takes no '{unknown[0]}'"
        raise ScheduleError(reason, code="bad-arguments")
    bound = inspect.BoundArguments(signature, {"schedule": schedule, **step.arguments})
    try:
        signature.bind(*bound.args, **bound.kwargs)
    except TypeError as error:
        reason = f"replay: {step.primitive}: {error}"
        raise ScheduleError(reason, code="bad-arguments") from None
    return function(*bound.args, **bound.kwargs)
