"""The cost model: gradient-boosted trees (XGBoost) that score candidates by their features.

Two objectives. "rank" learns which of two candidates of one task is faster (pairwise LambdaMART,
tasks being the groups); "regression" learns the logarithm of a candidate's speed relative to the
fastest known of its task. Either way scores compare candidates of one task only: higher is thought
faster. What a task computes cancels out, so that knowledge carries over to tasks never measured.

One thread and a fixed seed: equal samples in equal order give equal scores.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlc.autotune.features import FEATURE_NAMES, FEATURE_VERSION
from mlc.errors import TuningError

Features = NDArray[np.float32]
Floats = NDArray[np.float64]


class Sample(NamedTuple):
    """A measured candidate: the key of its task, its features, the seconds that it took."""

    task: str
    features: Features
    seconds: float


@dataclass(frozen=True, slots=True)
class Objective:
    """XGBoost's parameters of an objective, and the label of each candidate of one task."""

    parameters: Mapping[str, object]
    label: Callable[[Floats], Floats]


OBJECTIVES: Mapping[str, Objective] = {
    "rank": Objective(
        {
            "objective": "rank:pairwise",
            "lambdarank_pair_method": "mean",  # any candidate against so many others by chance
            "lambdarank_num_pair_per_sample": 128,
            "lambdarank_normalization": False,
        },
        lambda seconds: seconds.min() / seconds,
    ),
    "regression": Objective(
        {"objective": "reg:squarederror"}, lambda seconds: np.log(seconds.min() / seconds)
    ),
}
"""By name."""

_PARAMETERS: Mapping[str, object] = {
    "tree_method": "hist",
    "max_bin": 64,  # with 256, the default, training takes three times as long
    "num_parallel_tree": 3,  # each round is the mean of so many: better than as many more rounds
    "max_depth": 6,
    "eta": 0.1,
    "min_child_weight": 1,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "nthread": 1,
    "verbosity": 0,
    "disable_default_eval_metric": True,
}


class CostModel:
    """Scores candidates; of no use before `fit` or `load`."""

    def __init__(self, objective: str = "rank", *, seed: int = 0, rounds: int = 100) -> None:
        if objective not in OBJECTIVES:
            raise TuningError(
                f"unknown objective {objective!r}", hint=f"choose one of {', '.join(OBJECTIVES)}"
            )
        self.objective = objective
        self.rounds = rounds
        self._seed = seed
        self._booster: Any = None
        _xgboost()

    @property
    def is_fitted(self) -> bool:
        """Whether there is something to predict with."""
        return self._booster is not None

    def fit(self, samples: Sequence[Sample]) -> None:
        """Learn from all samples anew, in `rounds` rounds of a few trees.

        Raises `TuningError` where there are none, or one that took no time.
        """
        self._booster = self._train(samples, self.rounds, None)

    def refit(self, samples: Sequence[Sample], rounds: int = 20) -> None:
        """Add a few rounds that correct what the model has learnt; the first time, learn anew."""
        if self._booster is None:
            self.fit(samples)
        else:
            self._booster = self._train(samples, rounds, self._booster)

    def predict(self, features: Features) -> NDArray[np.float32]:
        """The score of each row of a matrix of features."""
        if self._booster is None:
            raise TuningError("the cost model has learnt nothing yet", hint="call fit first")
        rows = np.atleast_2d(np.asarray(features, np.float32))
        scores: NDArray[np.float32] = self._booster.inplace_predict(rows)
        return scores

    def importance(self) -> dict[str, float]:
        """The gain of each feature that a tree splits by, greatest first."""
        if self._booster is None:
            return {}
        gains = self._booster.get_score(importance_type="total_gain")
        return dict(sorted(gains.items(), key=lambda item: -item[1]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write XGBoost's own JSON; version of the features and objective are attributes in it."""
        if self._booster is None:
            raise TuningError("the cost model has learnt nothing yet", hint="call fit first")
        self._booster.set_attr(feature_version=str(FEATURE_VERSION), objective=self.objective)
        whole = Path(path)
        with tempfile.TemporaryDirectory(dir=whole.parent) as folder:
            unfinished = Path(folder) / "model.json"
            self._booster.save_model(unfinished)
            unfinished.replace(whole)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> CostModel:
        """Read what `save` wrote; raises `TuningError` where it is of other features."""
        xgboost = _xgboost()
        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(os.fspath(path))
        except (xgboost.core.XGBoostError, OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise TuningError(f"{path} is no cost model", excerpt=f"  {reason}") from None
        version, objective = booster.attr("feature_version"), booster.attr("objective")
        if version != str(FEATURE_VERSION) or objective not in OBJECTIVES:
            raise TuningError(
                f"{path} was trained on version {version} of the features, not {FEATURE_VERSION}",
                hint="train the model anew from its records",
            )
        model = CostModel(objective)
        model._booster = booster
        return model

    def _train(self, samples: Sequence[Sample], rounds: int, previous: Any) -> Any:
        if not samples or any(not sample.seconds > 0 for sample in samples):
            raise TuningError("a cost model learns from samples that took some time")
        objective = OBJECTIVES[self.objective]
        matrix = _matrix(samples, objective)
        parameters = {**_PARAMETERS, **objective.parameters, "seed": self._seed}
        return _xgboost().train(parameters, matrix, rounds, xgb_model=previous)


def _matrix(samples: Sequence[Sample], objective: Objective) -> Any:
    """The samples as XGBoost takes them, those of one task side by side."""
    order = sorted(range(len(samples)), key=lambda number: samples[number].task)
    tasks = np.array([samples[number].task for number in order])
    seconds = np.array([samples[number].seconds for number in order], np.float64)
    rows = np.stack([samples[number].features for number in order])
    starts = np.flatnonzero(np.r_[True, tasks[1:] != tasks[:-1]])
    groups = np.split(seconds, starts[1:])
    labels = np.concatenate([objective.label(group) for group in groups])
    sizes = [len(group) for group in groups]
    matrix = _xgboost().DMatrix(rows, labels, feature_names=list(FEATURE_NAMES), nthread=1)
    if objective.parameters["objective"] == "rank:pairwise":
        matrix.set_group(sizes)
    return matrix


def _xgboost() -> Any:
    try:
        return importlib.import_module("xgboost")
    except ImportError:
        raise TuningError(
            "the cost model needs xgboost", hint="pip install 'mlc-compiler[tune]'"
        ) from None
