"""cost_model: learns an order, in the same way every time, and survives a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mlc.autotune.cost_model import OBJECTIVES, CostModel, Sample
from mlc.autotune.evaluation import evaluate
from mlc.autotune.features import FEATURE_NAMES, FEATURE_VERSION
from mlc.autotune.metrics import pairwise_accuracy
from mlc.errors import TuningError

WIDTH = len(FEATURE_NAMES)
pytest.importorskip("xgboost")


def samples(tasks: int, candidates: int, seed: int = 0) -> list[Sample]:
    """Seconds that follow from two features, on a scale that differs from task to task."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(tasks):
        rows = generator.random((candidates, WIDTH), np.float32)
        scale = 10.0 ** generator.integers(-6, 0)
        for row in rows:
            slow = 1 + 3 * row[5] + (row[9] > 0.5)
            found.append(Sample(f"task{number}", row, float(scale * slow)))
    return found


def features_of(found: list[Sample]) -> np.ndarray:
    return np.stack([sample.features for sample in found])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_ranks_candidates_of_a_task_it_never_saw(objective: str) -> None:
    model = CostModel(objective, rounds=60)
    model.fit(samples(10, 40))
    unseen = samples(1, 60, seed=99)
    scores = model.predict(features_of(unseen))
    assert pairwise_accuracy(scores, [sample.seconds for sample in unseen]) > 0.85


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_equal_samples_give_equal_scores(objective: str) -> None:
    learnt, rows = samples(3, 20), features_of(samples(1, 10, seed=1))
    first, second = (CostModel(objective, seed=3, rounds=20) for _ in range(2))
    first.fit(learnt)
    second.fit(learnt)
    assert (first.predict(rows) == second.predict(rows)).all()


def test_refitting_learns_from_what_came_since() -> None:
    learnt, rows = samples(3, 40), features_of(samples(1, 40, seed=1))
    model = CostModel(rounds=5)
    model.refit(learnt)
    before = model.predict(rows)
    model.refit([Sample(s.task, s.features, 1 / s.seconds) for s in learnt], rounds=60)
    after = model.predict(rows)
    assert np.corrcoef(before, after)[0, 1] < 0.5


def test_a_saved_model_predicts_the_same(tmp_path: Path) -> None:
    model, rows = CostModel("regression", rounds=10), features_of(samples(1, 10, seed=1))
    model.fit(samples(2, 20))
    path = tmp_path / "model.json"
    model.save(path)
    loaded = CostModel.load(path)
    assert loaded.objective == "regression"
    assert (loaded.predict(rows) == model.predict(rows)).all()
    assert json.loads(path.read_text())["learner"]["feature_names"] == list(FEATURE_NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


def test_a_model_of_other_features_is_refused(tmp_path: Path) -> None:
    model = CostModel(rounds=2)
    model.fit(samples(2, 10))
    path = tmp_path / "model.json"
    model.save(path)
    changed = json.loads(path.read_text())
    changed["learner"]["attributes"]["feature_version"] = "0"
    path.write_text(json.dumps(changed))
    with pytest.raises(TuningError) as caught:
        CostModel.load(path)
    assert str(caught.value) == (
        f"{path} was trained on version 0 of the features, not {FEATURE_VERSION}\n"
        "  hint: train the model anew from its records"
    )


@pytest.mark.parametrize("content", [None, b"", b"{}", b"not a model", b'{"learner": 3}'])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TuningError) as caught:
        CostModel.load(path)
    assert caught.value.message == f"{path} is no cost model"


def test_what_cannot_be_learnt_from_is_refused() -> None:
    with pytest.raises(TuningError, match="learns from samples that took some time"):
        CostModel().fit([])
    with pytest.raises(TuningError, match="learnt nothing yet"):
        CostModel().predict(np.zeros((1, WIDTH), np.float32))
    with pytest.raises(TuningError) as caught:
        CostModel("best")
    assert str(caught.value) == ("unknown objective 'best'\n  hint: choose one of rank, regression")


def test_tasks_are_left_out_as_a_whole() -> None:
    learnt = samples(6, 30)
    found = evaluate(learnt, 3, objective="regression", rounds=40)
    assert [quality.task for quality in found.tasks] == [f"task{n}" for n in range(6)]
    assert all(quality.candidates == 30 for quality in found.tasks)
    assert found.pairwise > 0.8
    assert found.clear > found.pairwise
    assert found.top5 >= found.top1 > 0.5
    assert found.regret1 >= found.regret5 >= 0
    noise = np.random.default_rng(0).permutation([sample.seconds for sample in learnt])
    shuffled = [s._replace(seconds=float(t)) for s, t in zip(learnt, noise, strict=True)]
    assert evaluate(shuffled, 3, objective="regression", rounds=40).pairwise < 0.7


def test_more_folds_than_tasks_are_refused() -> None:
    with pytest.raises(TuningError, match="2 tasks cannot be left out in 3 folds"):
        evaluate(samples(2, 4), 3)


def test_without_xgboost_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(TuningError) as caught:
        CostModel()
    assert str(caught.value) == (
        "the cost model needs xgboost\n  hint: pip install 'mlc-compiler[tune]'"
    )
