from __future__ import annotations

import numpy as np
import pytest

from mlc.errors import InputError
from mlc.runtime.compiled import Call
from mlc.runtime.profile import Profile
from tests.runtime import toy


def test_rows_are_in_call_order_and_the_table_in_order_of_time() -> None:
    calls = [Call("a", ("Conv_0", "Relu_1")), Call("gemm", ("MatMul_2",)), Call("a")]
    profile = Profile(calls, [1000.0, 6500.0, 2500.0])
    assert [row.kernel for row in profile] == ["a", "gemm", "a"]
    assert [row.share for row in profile] == [0.1, 0.65, 0.25]
    assert profile[0].loc == ("Conv_0", "Relu_1")
    assert (len(profile), profile.total_nanoseconds) == (3, 10_000)
    assert str(profile).splitlines() == [
        "   time   share  kernel  nodes",
        " 6.5 µs   65.0%  gemm    MatMul_2",
        " 2.5 µs   25.0%  a",
        " 1.0 µs   10.0%  a       Conv_0 + Relu_1",
        "10.0 µs  100.0%  all",
    ]


def test_a_long_chain_of_nodes_is_cut() -> None:
    profile = Profile([Call("a", tuple(f"Node_{index}" for index in range(40)))], [1.0])
    row = str(profile).splitlines()[1]
    assert row.endswith("…")
    assert len(row) <= 100


def test_no_calls_and_no_time() -> None:
    assert len(Profile([], [])) == 0
    assert Profile([Call("a")], [0.0])[0].share == 0


def test_a_module_profiles_each_call() -> None:
    module = toy.module((4096,))
    x = np.ones(4096, np.float32)
    profile = module.profile(x, y=x, repeat=3)
    assert [(row.kernel, row.loc) for row in profile] == [
        ("scale", ("Mul_0",)),
        ("add", ("Add_1", "Identity_2")),
    ]
    assert all(row.nanoseconds > 0 for row in profile)
    assert sum(row.share for row in profile) == pytest.approx(1)


def test_profiling_wants_at_least_one_run() -> None:
    with pytest.raises(InputError) as caught:
        toy.module().profile(repeat=0)
    assert str(caught.value) == "repeat is 0, at least 1 is needed"
