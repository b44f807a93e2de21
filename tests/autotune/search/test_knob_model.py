"""The guess by knobs alone: what it learns, and that it says nothing before it knows enough."""

from __future__ import annotations

import itertools
import random

from mlc.autotune.search.knob_model import KnobModel
from mlc.passes.schedule.templates.base import Knobs

ROWS, ORDERS, UNROLLS = (1, 2, 4, 6), ("columns", "rows"), (1, 2)
POINTS: list[Knobs] = [
    {"rows": rows, "order": order, "unroll": unroll}
    for rows, order, unroll in itertools.product(ROWS, ORDERS, UNROLLS)
]


def seconds(knobs: Knobs) -> float:
    slower = 8.0 / int(knobs["rows"])
    return slower * (1.5 if knobs["order"] == "rows" else 1.0) * (1 + 0.1 * int(knobs["unroll"]))


def learnt(points: list[Knobs], fewest: int = 4) -> KnobModel:
    model = KnobModel(fewest)
    for knobs in points:
        model.learn(knobs, seconds(knobs))
    return model


def test_some_of_the_points_tell_which_of_the_others_are_fast() -> None:
    known = random.Random(1).sample(POINTS, 10)
    others = [knobs for knobs in POINTS if knobs not in known]
    first, *_, last = learnt(known).order(others, hope=0.0)
    times = sorted(map(seconds, others))
    assert seconds(first) in times[:2]
    assert seconds(last) in times[-2:]


def test_the_order_stays_while_little_is_known() -> None:
    assert learnt(POINTS[:3]).order(POINTS) == POINTS
    assert learnt(POINTS[:4]).order(POINTS) != POINTS


def test_values_never_seen_are_neither_fast_nor_slow() -> None:
    slow, fast = {"rows": 1, "order": "rows"}, {"rows": 6, "order": "columns"}
    unseen = {"rows": 3, "order": "blocks"}
    assert learnt(POINTS).order([slow, unseen, fast]) == [fast, unseen, slow]


def test_how_slow_a_slow_point_is_does_not_matter() -> None:
    hopeless = {"rows": 6, "order": "columns", "unroll": 4}
    model, other = learnt(POINTS), learnt(POINTS)
    model.learn(hopeless, 1e3)
    other.learn(hopeless, 1e6)
    assert model.order(POINTS) == other.order(POINTS)


def test_what_knobs_do_together_is_learnt() -> None:
    """Few rows are fast in one order, many in the other."""

    def crossed(knobs: Knobs) -> float:
        few = int(knobs["rows"]) < 3
        return 1.0 if few == (knobs["order"] == "rows") else 2.0

    model = KnobModel()
    for knobs in POINTS[::2]:
        model.learn(knobs, crossed(knobs))
    others = model.order(POINTS[1::2], hope=0.0)
    assert [crossed(knobs) for knobs in others] == sorted(map(crossed, others))


def test_hope_draws_to_what_is_not_known() -> None:
    near, far = {"rows": 6, "order": "columns"}, {"rows": 60, "order": "blocks"}
    model = learnt(POINTS)
    assert model.order([near, far], hope=0.0) == [near, far]
    assert model.order([near, far], hope=5.0) == [far, near]
