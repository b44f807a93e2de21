"""A recorded trace on the plain loops of a kernel."""

from __future__ import annotations

from dataclasses import replace

from mlc.errors import ScheduleError
from mlc.ir.stmt import Func
from mlc.passes.schedule.replay import replay
from mlc.passes.schedule.schedule import Schedule
from mlc.passes.schedule.templates.prepare import schedule_prepare
from mlc.passes.schedule.trace import Trace


def apply_trace(func: Func, trace: Trace) -> Schedule:
    """The schedule that `trace` makes, with the preparation of constants scheduled too.

    The trace may come from anywhere: whatever is wrong with it raises `ScheduleError`.
    """
    try:
        schedule = replay(func, trace)
    except ScheduleError:
        raise
    except Exception as error:  # arguments of any type reach the primitives
        reason = f"replay: {type(error).__name__}: {error}"
        raise ScheduleError(reason, code="bad-arguments") from error
    prepare = tuple(map(schedule_prepare, schedule.func.prepare))
    return replace(schedule, func=replace(schedule.func, prepare=prepare))
