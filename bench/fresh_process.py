"""Measurements that want a process of their own: nothing is loaded, warm or in pieces yet."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


def in_fresh_process(
    function: Callable[P, Result], *arguments: P.args, **named: P.kwargs
) -> Result:
    """What a function of a module returns, run in a new process; raises `EOFError` if that dies."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs, function, arguments, named))
    process.start()
    theirs.close()
    result: Result = ours.recv()
    process.join()
    return result


def peak_memory() -> int:
    """The most bytes that this process ever held; Linux counts in kibibytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _answer(
    connection: Connection,
    function: Callable[..., object],
    arguments: tuple[object, ...],
    named: dict[str, object],
) -> None:
    connection.send(function(*arguments, **named))
