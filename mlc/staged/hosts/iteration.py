"""What Loop and Scan share: a body that runs again and again on state, slices and a counter.

Where the body is one compiled stage whose state keeps its type, the rest of the loop runs natively;
else each iteration is a call from here, which signals can interrupt.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlc.errors import MlcError, ModelError
from mlc.staged.held import Array, Held, is_tensor, type_key
from mlc.staged.hosts.native_loop import Origin, Progress, Result, Same, Wiring, run_natively
from mlc.staged.hosts.sequences import required_array
from mlc.staged.step import Body, SingleStage


@dataclass
class Iteration:
    """A loop under way.

    With `counted`, the body's first inputs are the counter and the condition, and its first output
    is the condition. The newest `states` follow, then slices: of what is `scanned` along its first
    axis, or of what is `collected`, which has pieces of several slices per output.
    """

    owner: str
    body: Body
    counted: bool
    states: list[Held]
    scanned: list[Array]
    collected: list[list[Array]]
    condition: Array = field(default_factory=lambda: np.array(True))
    done: int = 0
    _refused: Hashable = None

    def __post_init__(self) -> None:
        first = 2 if self.counted else 0
        inputs = first + len(self.states) + len(self.scanned)
        outputs = first // 2 + len(self.states) + len(self.collected)
        if (len(self.body.inputs), len(self.body.outputs)) != (inputs, outputs):
            raise ModelError(
                f"{self.owner}: the body has {len(self.body.inputs)} inputs and "
                f"{len(self.body.outputs)} outputs, expected {inputs} and {outputs}"
            )

    @property
    def keep(self) -> bool:
        """Whether the condition holds."""
        return truth(self.condition, f"{self.owner}: the condition")

    def run(self, limit: int | None, *, exact: bool) -> None:
        """Run to the end: until `limit` iterations are done, or the condition is false.

        With `exact` it never is, so that it is known beforehand how much is collected. Raises
        `MlcError` where that is more than there is memory.
        """
        try:
            while self.keep and (limit is None or self.done < limit):
                wiring = self._wiring()
                if wiring is None:
                    self._step()
                    continue
                if exact and limit is not None:
                    self._check_memory(wiring, limit - self.done)
                self._run_natively(wiring, limit)
        except MemoryError:
            raise MlcError(
                f"{self.owner}: no memory is left after {self.done} iterations"
            ) from None

    def _check_memory(self, wiring: Wiring, iterations: int) -> None:
        size = iterations * sum(wiring.type_of(origin).nbytes for origin in wiring.collected)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if size > memory:
            raise MlcError(
                f"{self.owner}: {iterations} iterations collect {size} bytes, "
                f"the machine has {memory}"
            )

    def values(self) -> list[Held]:
        """What the body reads in the iteration that is next."""
        counter = [np.array(self.done, np.int64), self.condition]
        slices = [np.asarray(array[self.done]) for array in self.scanned]
        return [*(counter if self.counted else ()), *self.states, *slices]

    def _step(self) -> None:
        """One iteration from here."""
        outputs = self.body(self.values())
        if self.counted:
            self.condition = required_array(outputs.pop(0), f"{self.owner}: the condition")
        self.states = outputs[: len(self.states)]
        for pieces, value in zip(self.collected, outputs[len(self.states) :], strict=True):
            pieces.append(required_array(value, f"{self.owner}: a scan output")[np.newaxis])
        self.done += 1

    def _run_natively(self, wiring: Wiring, limit: int | None) -> None:
        names = [name for name, _ in wiring.states]
        values = self.values()
        by_name = dict(zip(wiring.inputs, values, strict=True))
        progress = Progress(
            {name: required_array(by_name[name], name) for name in names},
            dict(zip(wiring.scanned, self.scanned, strict=True)),
            self.collected,
            self.done,
        )
        run_natively(wiring, progress, limit)
        self.done = progress.iteration
        self.states = [progress.states[name] for name in names[self.counted :]]
        if self.counted:
            self.condition = progress.states[names[0]]

    def _wiring(self) -> Wiring | None:
        """How the body is driven natively.

        None where it is more than one compiled stage, or where state changes its type.
        """
        values = self.values()
        types = tuple(map(type_key, values))
        if types == self._refused:
            return None
        # So that the next iterations do not ask again.
        self._refused = types
        if not all(map(is_tensor, values)) or len(set(self.body.inputs)) < len(values):
            return None
        stage = self.body.single_stage(values)
        if stage is None or stage.module is None or len(set(stage.inputs)) < len(stage.inputs):
            return None
        origins = [_origin(stage, name) for name in self.body.outputs]
        first = 1 if self.counted else 0
        carried = self.body.inputs[first : first + first + len(self.states)]
        wiring = Wiring(
            stage.module,
            stage.inputs,
            self.body.inputs,
            {name: value for name, value in stage.live.items() if is_tensor(value)},
            self.body.inputs[0] if self.counted else None,
            self.body.inputs[1] if self.counted else None,
            tuple(zip(carried, origins, strict=False)),
            self.body.inputs[first + len(carried) :],
            tuple(origins[len(carried) :]),
        )
        stays = all(wiring.type_of(Same(name)) == wiring.type_of(o) for name, o in wiring.states)
        return wiring if stays else None


def truth(value: Held, what: str) -> bool:
    """A condition: a tensor of one boolean."""
    array = required_array(value, what)
    if array.size != 1 or array.dtype != np.bool_:
        raise ModelError(f"{what} must be one boolean, not {array.dtype} of shape {array.shape}")
    return bool(array.item())


def _origin(stage: SingleStage, name: str) -> Origin:
    if name in stage.results:
        return Result(stage.results.index(name))
    if name in stage.fixed:
        return stage.fixed[name]
    return Same(stage.aliases.get(name, name))


def joined(pieces: Sequence[Array]) -> Array:
    """Pieces of several slices each, as one array."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
