"""What a stage hands to the steps of the host, to the outputs, and to the stages after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mlc.importers.onnx.builder import FOLD_LIMIT, Builder
from mlc.importers.onnx.conversion import Initializer, Unavailable
from mlc.ir.graph import Value
from mlc.staged.held import Array


class HandOver:
    """Sorts names by how their values get to where they are read next.

    `results` are computed by the stage; `fixed` are arrays that are there already, `aliases` second
    names of live values; `constants` are small arrays that later stages are compiled with.
    """

    def __init__(
        self, builder: Builder, live: Mapping[Value, str], without_running: Collection[str]
    ) -> None:
        self.results: dict[str, Value] = {}
        self.fixed: dict[str, Array] = {}
        self.aliases: dict[str, str] = {}
        self.constants: dict[str, Array] = {}
        self._builder = builder
        self._live = live
        self._without_running = without_running

    def hand_on(
        self, name: str, found: Value | Initializer | Unavailable, *, returned: bool
    ) -> None:
        """Provide for `name`: as an array where it is `returned`, else for stages that read it.

        `without_running` are the names that later stages can have by themselves.
        """
        if not isinstance(found, Value) or (name in self._without_running and not returned):
            return
        array = self._builder.array(found)
        if found in self._live:
            if self._live[found] != name:
                self.aliases[name] = self._live[found]
        elif array is None:
            self.results[name] = found
        elif returned or array.size > FOLD_LIMIT:
            self.fixed[name] = array
        if array is not None and array.size <= FOLD_LIMIT and name not in self._without_running:
            self.constants[name] = array
