"""The table of strategies by name."""

from __future__ import annotations

from collections.abc import Mapping

from mlc.autotune.search.annealing import Annealing
from mlc.autotune.search.base import Search
from mlc.autotune.search.evolutionary import Evolutionary
from mlc.autotune.search.grid import GridSearch
from mlc.autotune.search.model_only import ModelOnly
from mlc.autotune.search.random_search import RandomSearch

STRATEGIES: Mapping[str, type[Search]] = {
    strategy.name: strategy
    for strategy in (Evolutionary, Annealing, RandomSearch, GridSearch, ModelOnly)
}
"""The first is the default."""
