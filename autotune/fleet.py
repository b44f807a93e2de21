"""Many devices: measurements by the workers of a Dask cluster.

The scheduler is started by whoever owns the devices, with `dask scheduler` and `dask worker`; here
it is only connected to. Nothing listens on this machine.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlc.autotune.measure.measurer import Executor
from mlc.errors import TuningError

_CONNECT_SECONDS = 10


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """An executor whose calls are made by the workers of the scheduler at `address`.

    Raises `TuningError` where `distributed` is not installed or nobody answers.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise TuningError(
            "a fleet of workers needs dask", hint="pip install 'mlc-compiler[fleet]'"
        ) from None
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise TuningError(
            f"no Dask scheduler answers at {address}", hint=f"{type(error).__name__}: {error}"
        ) from None
    try:
        yield Submitter(client)
    finally:
        client.close()


class Submitter:
    """The client, told that a call is never equal to an earlier one: times are no pure function."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(self, function: Any, /, *args: Any) -> Any:
        """Call `function` on some worker."""
        return self._client.submit(function, *args, pure=False)
