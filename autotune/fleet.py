"""Many devices: measurements by the workers of a Dask cluster.

The scheduler is started by whoever owns the devices, with `dask scheduler` and `dask worker`; here
it is only connected to. Nothing listens on this machine.

Whoever reaches a Dask scheduler can run code on its workers and clients. So plain connections are
made within this machine only; over a network, `tls://` with certificates, which Dask reads from its
own configuration, is the token that both sides ask for.
"""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from mlc.autotune.measure.measurer import Executor
from mlc.errors import TuningError

_CONNECT_SECONDS = 10


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """An executor whose calls are made by the workers of the scheduler at `address`.

    Raises `TuningError` where `distributed` is not installed, the connection would be open to
    others, or nobody answers.
    """
    _check_address(address)
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


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("tcp", "tls") or host is None or port is None:
        raise TuningError(
            f"'{address}' is not the address of a Dask scheduler", hint="write tcp://127.0.0.1:8786"
        )
    if parts.scheme == "tcp" and not _is_this_machine(host):
        raise TuningError(
            f"'{host}' is another machine, and tcp:// lets everybody in",
            hint="give scheduler and workers certificates, and write tls://",
        )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Submitter:
    """The client, told that a call is never equal to an earlier one: times are no pure function."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(self, function: Any, /, *args: Any) -> Any:
        """Call `function` on some worker."""
        return self._client.submit(function, *args, pure=False)
