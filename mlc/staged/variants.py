"""The compiled stages of a model: of each place in it, the variants used most recently.

What a stage depends on is its region, the types of the live values, and the elements of those that
its converters demand; which ones they demand depends on the former two.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from mlc.errors import MlcError
from mlc.staged.held import Array, Held, is_tensor, type_key
from mlc.staged.lru import LruCache
from mlc.staged.region import Region
from mlc.staged.stage import Stage

MAX_PLACES = 1024
"""Branches that data takes can make many places of one model; so many are remembered."""

_SIGNATURES_PER_VARIANT = 4


class _Place:
    """The variants of one stage of the model."""

    def __init__(self, capacity: int) -> None:
        self.stages: LruCache[Stage] = LruCache(capacity)
        self.demands: LruCache[tuple[str, ...]] = LruCache(_SIGNATURES_PER_VARIANT * capacity)


class Variants:
    """Finds stages; of every place it keeps at most `capacity`."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._places: LruCache[_Place] = LruCache(MAX_PLACES)

    def find(self, part: Region, live: Mapping[str, Held]) -> Stage | None:
        """The stage of a region for these live values; None where none is kept."""
        place = self._places.get(part.place)
        if place is None:
            return None
        signature = _signature(part, live)
        demands = place.demands.get(signature)
        if demands is None:
            return None
        return place.stages.get((signature, _elements(demands, live)))

    def demands(self, part: Region, live: Mapping[str, Held]) -> tuple[str, ...]:
        """The names whose elements the stage is known to depend on."""
        place = self._places.get(part.place)
        return (place and place.demands.get(_signature(part, live))) or ()

    def keep(self, part: Region, live: Mapping[str, Held], stage: Stage) -> None:
        """Keep a stage for live values like these."""
        place = self._places.get(part.place)
        if place is None:
            place = _Place(self._capacity)
            self._places.put(part.place, place)
        signature = _signature(part, live)
        place.demands.put(signature, stage.demands)
        place.stages.put((signature, _elements(stage.demands, live)), stage)

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()

    def __len__(self) -> int:
        return sum(len(place.stages) for place in self._places.items())


def array_of(value: Held) -> Array:
    """A held value that must be a tensor."""
    if not is_tensor(value):
        raise MlcError("elements are demanded of what is no tensor")
    return value


def _signature(part: Region, live: Mapping[str, Held]) -> Hashable:
    return part.digest, tuple(type_key(live[name]) for name in part.reads)


def _elements(demands: Sequence[str], live: Mapping[str, Held]) -> tuple[bytes, ...]:
    return tuple(array_of(live[name]).tobytes() for name in demands)
