"""Loop and Scan, driven natively and from the host, against onnxruntime."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.staged.hosts.iteration import Iteration
from tests.staged.hosts.agreement import assert_agrees, assert_same, parse, run

COUNTED = """
g (int64 n, float[3] x) => (y, z) {
  c = Constant <value_float = 0.5> ()
  y, z = Loop (n, , x)
    <body = body (int64 i, bool go, float[3] s) => (bool stay, float[3] t, float[3] e) {
    stay = Identity (go)
    k = Cast <to = 1> (i)
    a = Mul (s, c)
    t = Add (a, k)
    e = Neg (t)
  }>
}"""

WHILE = """
g (int64 n, bool start, float[1] x) => (y, z) {
  bound = Constant <value_floats = [100.0]> ()
  y, z = Loop (n, start, x)
    <body = body (int64 i, bool go, float[1] s) => (bool stay, float[1] t, float[1] e) {
    t = Add (s, s)
    stays = Less (t, bound)
    stay = Squeeze (stays)
    e = Identity (s)
  }>
}"""

FIBONACCI = """
g (int64 n, int64[1] a, int64[1] b) => (x, y, every, indices, again) {
  x, y, every, indices, again = Loop (n, , a, b)
    <body = body (int64 i, bool go, int64[1] p, int64[1] q)
            => (bool stay, int64[1] q2, int64[1] r, int64[1] p2, int64 i2, int64[1] r2) {
    stay = Identity (go)
    r = Add (p, q)
    q2 = Identity (q)
    p2 = Identity (p)
    i2 = Identity (i)
    r2 = Identity (r)
  }>
}"""

GROWING = """
g (int64 n, float[2,1] x) => (y) {
  y = Loop (n, , x) <body = body (int64 i, bool go, float[2,w] s) => (bool stay, float[2,v] t) {
    stay = Identity (go)
    k = Cast <to = 1> (i)
    a = Add (s, k)
    t = Concat <axis = 1> (s, a)
  }>
}"""

NESTED = """
g (int64 n, float[2] x) => (y, rows) {
  three = Constant <value = int64 {3}> ()
  y, rows = Loop (n, , x)
    <body = outer (int64 i, bool go, float[2] s) => (bool stay, float[2] t, float[k,2] e) {
    stay = Identity (go)
    scale = Cast <to = 1> (i)
    t, e = Loop (three, , s)
      <body = inner (int64 j, bool go2, float[2] u) => (bool stay2, float[2] v, float[2] w) {
      stay2 = Identity (go2)
      m = Mul (u, x)
      v = Add (m, scale)
      w = Sub (v, s)
    }>
  }>
}"""

CHOOSING = """
g (int64 n, float[2] x) => (y) {
  y = Loop (n, , x) <body = body (int64 i, bool go, float[2] s) => (bool stay, float[2] t) {
    stay = Identity (go)
    two = Constant <value = int64 {2}> ()
    r = Mod (i, two)
    odd = Cast <to = 9> (r)
    t = If (odd) <
      then_branch = yes () => (float[2] a) { a = Add (s, x) },
      else_branch = no () => (float[2] b) { b = Sub (x, s) }
    >
  }>
}"""

SEQUENCE = """
g (int64 n, float[2] x) => (y) {
  none = SequenceEmpty ()
  y = Loop (n, , none) <body = body (int64 i, bool go, seq(float) s) => (bool stay, seq(float) t) {
    stay = Identity (go)
    k = Cast <to = 1> (i)
    a = Add (x, k)
    t = SequenceInsert (s, a)
  }>
}"""


def count(number: int) -> np.ndarray:
    return np.array(number, np.int64)


def feeds_of(text: str, number: int) -> dict[str, np.ndarray]:
    feeds = {
        COUNTED: {"x": np.array([1, 2, 3], np.float32)},
        WHILE: {"start": np.array(True), "x": np.array([1.5], np.float32)},
        FIBONACCI: {"a": np.array([0]), "b": np.array([1])},
        CHOOSING: {"x": np.array([1.5, -2], np.float32)},
        GROWING: {"x": np.array([[1], [2]], np.float32)},
        NESTED: {"x": np.array([0.5, -1.5], np.float32)},
        SEQUENCE: {"x": np.array([0.5, -1.5], np.float32)},
    }
    return {"n": count(number), **feeds[text]}


# Outputs that are inputs, that are the same in every iteration, or that are there twice.
HANDED_ON = """
g (int64 n, float[2] x, float[2] y) => (s, t, u, slices, same, captured, state) {
  k = Constant <value_floats = [7.0, 8.0]> ()
  s, t, u, slices, same, captured, state = Loop (n, , x, y, x)
    <body = body (int64 i, bool go, float[2] a, float[2] b, float[2] c)
        => (bool go, float[2] b, float[2] d, float[2] f, float[2] d, float[2] e, float[2] x,
            float[2] a) {
      d = Add (a, c)
      e = Identity (k)
      f = Identity (k)
    }>
}"""


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("text", [COUNTED, WHILE, FIBONACCI, CHOOSING, GROWING, NESTED, SEQUENCE])
def test_loops(text: str, number: int) -> None:
    assert_agrees(parse(text), feeds_of(text, number))


@pytest.mark.parametrize("text", [COUNTED, WHILE, FIBONACCI, CHOOSING])
@pytest.mark.parametrize("number", [1, 2, 64, 65, 333])
def test_native_loops_agree_with_the_host_s(
    text: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    monkeypatch.setattr(Iteration, "_step", lambda self: steps.append(self.done))
    native = run(parse(text), feeds_of(text, number))
    assert not steps
    monkeypatch.undo()
    monkeypatch.setattr(Iteration, "_wiring", lambda self: None)
    for left, right in zip(native, run(parse(text), feeds_of(text, number)), strict=True):
        assert_same(left, right)


@pytest.mark.parametrize("number", [1, 2, 65])
def test_what_a_body_hands_on(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.array([1, 2], np.float32), np.array([3, 4], np.float32)
    feeds = {"n": count(number), "x": x, "y": y}
    native = run(parse(HANDED_ON), feeds)
    a, b, c = x, y, x
    slices, states = [], []
    for _ in range(number):
        states.append(a)
        a, b, c = b, a + c, np.array([7, 8], np.float32)
        slices.append(b)
    expected = [
        a, b, c, np.stack(slices), np.stack([c] * number), np.stack([x] * number), np.stack(states)
    ]  # fmt: skip
    for left, right in zip(native, expected, strict=True):
        assert_same(left, right)
    monkeypatch.setattr(Iteration, "_wiring", lambda self: None)
    for left, right in zip(run(parse(HANDED_ON), feeds), expected, strict=True):
        assert_same(left, right)


def test_no_iterations() -> None:
    y, z = run(parse(COUNTED), feeds_of(COUNTED, 0))
    assert y.tolist() == [1, 2, 3]
    assert (z.shape, z.dtype) == ((0, 3), np.float32)
    y, z = run(parse(WHILE), {**feeds_of(WHILE, 3), "start": np.array(False)})
    assert (y.tolist(), z.shape) == ([1.5], (0, 1))


@pytest.mark.parametrize("number", [1, 100])
def test_empty_tensors(number: int) -> None:
    text = COUNTED.replace("float[3]", "float[0]")
    y, z = run(parse(text), {"n": count(number), "x": np.zeros(0, np.float32)})
    assert (y.shape, z.shape) == ((0,), (number, 0))


def test_a_loop_leaves_its_inputs_alone() -> None:
    feeds = feeds_of(COUNTED, 7)
    run(parse(COUNTED), feeds)
    assert feeds["x"].tolist() == [1, 2, 3]


def test_a_long_loop_runs_without_python(monkeypatch: pytest.MonkeyPatch) -> None:
    with mlc.compile(parse(FIBONACCI), num_threads=1, cache=False) as module:
        feeds = feeds_of(FIBONACCI, 1000)
        module.run(feeds)
        native = _seconds(module, feeds)
        monkeypatch.setattr(Iteration, "_wiring", lambda self: None)
        module.run(feeds)
        host = _seconds(module, feeds)
    assert host > 5 * native


def _seconds(module: Any, feeds: dict[str, np.ndarray]) -> float:
    started = time.perf_counter()
    module.run(feeds)
    return time.perf_counter() - started


SCAN = """
g (float[2] start, float[4,3,2] x, float[2,3] w) => (last, doubled, sums) {
  last, doubled, sums = Scan <
      num_scan_inputs = 2, scan_input_axes = [1, 1], scan_input_directions = [0, 1],
      scan_output_axes = [1, 0], scan_output_directions = [1, 0],
      body = body (float[2] s, float[4,2] slice, float[2] v)
          => (float[2] t, float[4,2] d, float[2] u) {
        m = ReduceSum <keepdims = 0> (slice, axes)
        a = Add (s, m)
        t = Mul (a, v)
        d = Add (slice, slice)
        u = Identity (v)
      }
    > (start, x, w)
}"""


def test_scan() -> None:
    text = SCAN.replace("{\n  last", "{\n  axes = Constant <value_ints = [0]> ()\n  last", 1)
    random = np.random.default_rng(0)
    feeds = {
        "start": random.standard_normal(2, np.float32),
        "x": random.standard_normal((4, 3, 2), np.float32),
        "w": random.standard_normal((2, 3), np.float32),
    }
    assert_agrees(parse(text), feeds)


BATCHED = """
g (int64[2] lengths, float[2,2] start, float[2,3,2] x) => (last, sums) {
  last, sums = Scan <
      num_scan_inputs = 1, directions = [1],
      body = body (float[2] s, float[2] v) => (float[2] t, float[2] u) {
        t = Add (s, v)
        u = Identity (t)
      }
    > (lengths, start, x)
}"""


def test_scan_with_a_batch_axis() -> None:
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    feeds = {"lengths": np.array([3, 2]), "start": np.zeros((2, 2), np.float32), "x": x}
    last, sums = run(parse(BATCHED, '"": 8'), feeds)
    assert last.tolist() == [[6, 9], [14, 16]]
    assert sums.tolist() == [[[4, 5], [6, 8], [6, 9]], [[8, 9], [14, 16], [0, 0]]]


@pytest.mark.parametrize(
    ("text", "feeds", "message"),
    [
        (
            SCAN.replace("float[2,3] w", "float[2,5] w").replace("axes)", "zero)"),
            {"w": np.zeros((2, 5), np.float32)},
            "Scan: scan inputs of 3 and of 5 slices\n  at: Scan:last",
        ),
    ],
)
def test_refused_scans(text: str, feeds: dict[str, Any], message: str) -> None:
    text = text.replace("{\n  last", "{\n  zero = Constant <value_ints = [0]> ()\n  last", 1)
    given = {"start": np.zeros(2, np.float32), "x": np.zeros((4, 3, 2), np.float32), **feeds}
    with pytest.raises(mlc.MlcError) as caught:
        run(parse(text), given)
    assert str(caught.value) == message


def test_memory_is_checked_before_a_loop_starts() -> None:
    with pytest.raises(mlc.MlcError) as caught:
        run(parse(COUNTED), feeds_of(COUNTED, 1 << 50))
    assert caught.value.message.startswith(
        f"Loop: {1 << 50} iterations collect {12 << 50} bytes, the machine has "
    )


def test_bodies_that_do_not_fit() -> None:
    text = COUNTED.replace("y, z = Loop (n, , x)", "y, z = Loop (n, , x, x)")
    with pytest.raises(mlc.MlcError) as caught:
        run(parse(text), feeds_of(COUNTED, 2))
    assert str(caught.value) == (
        "Loop: the body has 3 inputs and 3 outputs, expected 4 and 3\n  at: Loop:y"
    )


def test_an_endless_loop_can_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = COUNTED.replace("Loop (n, , x)", "Loop (, , x)")
    calls: list[int] = []

    def advance(self: Any, number: int) -> int:
        calls.append(number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return number

    monkeypatch.setattr("mlc.staged.hosts.native_loop._Table.advance", advance)
    with pytest.raises(KeyboardInterrupt):
        run(parse(text), feeds_of(COUNTED, 2))
    assert calls == [64, 128, 256]


OPTIONAL_STATE = """
g (int64 n, float[2] x, optional(seq(float)) start) => (seq(float) y) {
  y = Loop (n, , start) <
    body = body (int64 i, bool go, optional(seq(float)) s) => (bool stay, seq(float) t) {
      stay = Identity (go)
      there = OptionalHasElement (s)
      old = If (there) <
        then_branch = yes () => (seq(float) a) { a = OptionalGetElement (s) },
        else_branch = no () => (seq(float) b) { b = SequenceEmpty () }
      >
      k = Cast <to = 1> (i)
      new = Add (x, k)
      t = SequenceInsert (old, new)
    }
  >
}"""


@pytest.mark.parametrize("start", [None, [np.zeros((), np.float32)]])
def test_state_that_may_be_empty_at_first(start: list[np.ndarray] | None) -> None:
    x = np.array([1, 2], np.float32)
    (found,) = run(parse(OPTIONAL_STATE, '"": 18'), {"n": count(3), "x": x, "start": start})
    assert_same(found, [*(start or []), x, x + 1, x + 2])
