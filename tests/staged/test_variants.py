"""How many compiled stages are kept, when they go, and that nothing leaks."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import numpy as np
import onnx
import pytest

import mlc
from mlc import api
from mlc.ir.graph import Graph
from mlc.runtime.module import Module
from mlc.staged.lru import LruCache
from tests.importers.evaluate import parse
from tests.staged.agreement import staged

SCALE = "g (float[n] x) => (float[n] y) { y = Add(x, x) }"
NONZERO = """g (float[n] x) => (float[k] y) {
    i = NonZero(x) any = Constant<value_ints = [-1]>() f = Reshape(i, any) y = Gather(x, f)
}"""


def ones(size: int) -> np.ndarray:
    return np.ones(size, np.float32)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Module]]:
    """What is compiled while the test runs."""
    made: list[weakref.ref[Module]] = []
    original = api._Stages.stage

    def stage(self: object, graph: Graph) -> Module:
        module = original(self, graph)  # type: ignore[arg-type]
        made.append(weakref.ref(module))
        return module

    monkeypatch.setattr(api._Stages, "stage", stage)
    return made


def test_the_variants_used_least_recently_go(compiled: list[weakref.ref[Module]]) -> None:
    module = staged(SCALE, max_variants=2)
    for size in (1, 2, 1, 3):
        assert module(ones(size)).shape == (size,)
    gc.collect()
    assert [reference() is not None for reference in compiled] == [True, False, True]
    module(ones(1))
    assert len(compiled) == 3
    module(ones(2))
    assert (len(compiled), module.variants) == (4, 2)


def test_variants_share_their_threads(compiled: list[weakref.ref[Module]]) -> None:
    model = "g (float[n,256] x) => (float[n,256] y) { e = Exp(x) y = MatMul(e, w) }"
    proto = parse(model)
    weights = np.eye(256, dtype=np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    module = mlc.compile(proto, num_threads=2, cache=False, max_variants=1)
    threads = set()
    for size in (64, 128, 64):  # the first variant is gone when the second runs
        got = module(np.zeros((size, 256), np.float32))
        np.testing.assert_allclose(got, np.ones((size, 256)), rtol=1e-6)
        threads.add(compiled[-1]()._executable.threads)  # type: ignore[union-attr]
    gc.collect()
    assert [reference() is None for reference in compiled] == [True, True, False]
    assert len(threads) == 1


def test_closing_gives_everything_back(compiled: list[weakref.ref[Module]]) -> None:
    module = staged(NONZERO)
    module(ones(3))
    assert len(compiled) == 2
    module.close()
    gc.collect()
    assert [reference() for reference in compiled] == [None, None]


def test_many_calls_with_changing_data_keep_no_more_than_the_bound(
    compiled: list[weakref.ref[Module]],
) -> None:
    module = staged(NONZERO, max_variants=4)
    rng = np.random.default_rng(0)
    for _ in range(300):
        x = (rng.random(4) < 0.5).astype(np.float32)
        np.testing.assert_array_equal(module(x), x[x != 0])
    gc.collect()
    assert module.variants == 5  # one of the stage that finds, four of the one that gathers
    assert sum(reference() is not None for reference in compiled) == 5


def test_live_values_die_when_nothing_reads_them() -> None:
    module = staged(
        "g (float[n] x) => (float m) {"
        " big = Exp(x) i = NonZero(big) s = Size(i) f = Cast<to = 1>(s)"
        " any = Constant<value_ints = [-1]>() flat = Reshape(i, any) c = Cast<to = 1>(flat)"
        " t = ReduceSum<keepdims = 0>(c) m = Add(t, f) }"
    )
    seen: list[set[str]] = []
    runner = module._runner
    original = runner._stage

    def stage(part: object, live: dict[str, object]) -> object:
        seen.append(set(live))
        return original(part, live)  # type: ignore[arg-type]

    runner._stage = stage  # type: ignore[assignment, method-assign]
    module(ones(5))
    assert seen == [{"x"}, {"i"}]


def test_calls_from_many_threads(compiled: list[weakref.ref[Module]]) -> None:
    module = staged(NONZERO, max_variants=8)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(20):
                x = (rng.random(3) < 0.5).astype(np.float32)
                np.testing.assert_array_equal(module(x), x[x != 0])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(compiled) == 5  # one that finds, and one per number of elements, each only once


def test_stages_come_out_of_the_compile_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = mlc.compile(parse(NONZERO), num_threads=1, cache=tmp_path)
    wanted = cold(ones(3))

    def build(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(api, "build", build)
    warm = mlc.compile(parse(NONZERO), num_threads=1, cache=tmp_path)
    np.testing.assert_array_equal(warm(ones(3)), wanted)


def test_each_stage_is_dumped(tmp_path: Path) -> None:
    staged(NONZERO, dump=tmp_path)(ones(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stage-01", "stage-02"]
    assert (tmp_path / "stage-02" / "module.ll").is_file()


def test_the_least_recently_used_item_is_forgotten() -> None:
    cache: LruCache[str] = LruCache(2)
    cache.put(1, "a")
    cache.put(2, "b")
    assert cache.get(1) == "a"
    cache.put(3, "c")
    assert (cache.get(2), cache.get(1), cache.get(3), len(cache)) == (None, "a", "c", 2)
