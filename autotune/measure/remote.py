"""Measuring in whatever process an executor calls functions in.

The executor may be any of `concurrent.futures`, or a client of a Dask cluster. What travels is JSON
text. Each process that is asked has a station of its own, so that a candidate that crashes harms
nothing but the station's workers; one process per machine gives the truest times.
"""

from __future__ import annotations

import atexit
import functools
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict

from mlc.autotune.measure.station import Station
from mlc.autotune.measurement import Comparison, MeasureInput, Measurement, MeasureOptions

_ONE_AT_A_TIME = threading.Lock()


def request_for(
    inputs: Sequence[MeasureInput], options: MeasureOptions, command: Sequence[str], rounds: int = 0
) -> str:
    """What `answer` is asked; with `rounds`, to compare the two inputs."""
    return json.dumps(
        {
            "inputs": [item.to_json() for item in inputs],
            "options": asdict(options),
            "command": list(command),
            "rounds": rounds,
        }
    )


def answer(request: str) -> str:
    """Measure here what `request_for` asks."""
    asked = json.loads(request)
    options = json.dumps(asked["options"], sort_keys=True)
    inputs = [MeasureInput.from_json(item) for item in asked["inputs"]]
    with _ONE_AT_A_TIME:
        station = _station(options, tuple(asked["command"]))
        if asked["rounds"]:
            default, leader = inputs
            return json.dumps(asdict(station.compare(default, leader, asked["rounds"])))
        return json.dumps([found.to_json() for _, found in station.measure(inputs)])


def measurements_of(text: str) -> list[Measurement]:
    """Read the answer to a request to measure."""
    return [Measurement.from_json(part) for part in json.loads(text)]


def comparison_of(text: str) -> Comparison:
    """Read the answer to a request to compare."""
    parts = json.loads(text)
    default, leader = (Measurement.from_json(parts[name]) for name in ("default", "leader"))
    rounds = tuple((first, second) for first, second in parts["rounds"])
    return Comparison(default, leader, parts["speedup"], parts["accepted"], rounds)


@functools.lru_cache(maxsize=1)
def _station(options: str, command: tuple[str, ...]) -> Station:
    station = Station(MeasureOptions(**json.loads(options)), command=command)
    atexit.register(station.close)
    return station
