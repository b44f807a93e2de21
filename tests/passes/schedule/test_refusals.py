"""What is not legal is refused, with the reason and the place."""

from __future__ import annotations

import pytest

from mlc.errors import ScheduleError
from mlc.ir.text import parse_func
from mlc.passes.schedule.primitives import PRIMITIVES
from mlc.passes.schedule.schedule import Schedule

PREFIX_SUM = """func f(x: f32[8], y: f32[8]) {
  for i in 7 {
    y[i + 1] = y[i] + x[i]
  }
}"""

ROWS = """func f(x: f32[4,8], y: f32[4]) {
  for i in 4 {
    y[i] = 0.0:f32
    for k in 8 {
      y[i] = y[i] + x[i, k]
    }
  }
}"""

NEST = """func f(x: f32[4,8], y: f32[4]) {
  for i in 4 {
    for k in 8 {
      y[i] = y[i] + x[i, k]
    }
  }
}"""

TAILS = """func f(x: f32[9], y: f32[9]) {
  for o in 2 {
    for i in min(6, 9 - o * 6) {
      y[o * 6 + i] = x[o * 6 + i]
    }
  }
}"""

TRIANGLE = """func f(x: f32[9], y: f32[9,9]) {
  for o in 9 {
    for i in o + 1 {
      y[o, i] = x[i]
    }
  }
}"""

CHAIN = """func f(x: f32[8], y: f32[8], z: f32[8]) {
  alloc t: f32[8] arena {
    for i in 8 {
      t[i] = x[i] + 1.0:f32
    }
    for j in 8 {
      y[j] = t[j]
    }
    for k in 8 {
      z[k] = t[k]
    }
  }
}"""

IN_PLACE = """func f(x: f32[8], y: f32[8]) {
  alloc t: f32[8] arena {
    for i in 8 {
      t[i] = x[i] + 1.0:f32
    }
    for j in 8 {
      x[j] = 0.0:f32
    }
    for k in 8 {
      y[k] = t[k]
    }
  }
}"""

CUT = """func f(x: f32[8], y: f32[8]) {
  alloc t: f32[8] arena {
    for i in 8 {
      if i > 3 {
        t[i] = x[i]
      }
    }
    for k in 4 {
      y[k] = t[k + 4]
    }
  }
}"""

RUNNING = """func f(x: f32[8], y: f32[8]) {
  alloc t: f32[9] arena {
    t[0] = 0.0:f32
    for i in 8 {
      t[i + 1] = t[i] + x[i]
    }
    for j in 8 {
      y[j] = t[j]
    }
  }
}"""

LARGE = """func f(x: f32[300,300], y: f32[300,300]) {
  alloc t: f32[300,300] arena {
    for i in 300 {
      for j in 300 {
        t[i, j] = x[j, i]
      }
    }
    for k in 300 {
      for l in 300 {
        y[k, l] = t[k, l]
      }
    }
  }
}"""

PARALLEL = """func f(x: f32[4,8], y: f32[4,8]) {
  for parallel i in 4 {
    for k in 8 {
      y[i, k] = x[i, k]
    }
  }
}"""

DEEP = """func f(x: f32[4,8,2]) {
  for parallel i in 4 {
    for j in 8 {
      for k in 2 {
        x[i, j, k] = 0.0:f32
      }
    }
  }
}"""

SWEEPS = """func f(x: f32[9]) {
  for s in 4 {
    for i in 8 {
      x[i + 1] = x[i]
    }
  }
}"""

TILES = """func f(x: f32[2,9]) {
  for s in 2 {
    for o in 3 {
      for i in min(4, 9 - o * 4) {
        x[s, o * 4 + i] = 0.0:f32
      }
    }
  }
}"""

STEPS = """func f(x: f32[4,8]) {
  for t in 4 {
    for parallel i in 8 {
      x[t, i] = 0.0:f32
    }
  }
}"""

SHARED = """func f(x: f32[4], y: f32[4]) {
  for i in 4 {
    alloc t: f32[1] arena {
      t[0] = x[i]
      y[i] = t[0]
    }
  }
}"""

PANELS = """func f(w: f32[2,8,16], v: f32[8,32], y: f32[3,32]) {
  for p in 2 {
    for r in 3 {
      for k in 8 {
        for vector j in 16 {
          y[r, p * 16 + j] = y[r, p * 16 + j] + w[p, k, j] * v[k, p * 16 + j]
        }
      }
    }
  }
}"""

CASES = [
    (PREFIX_SUM, "split", ("n", 4), "loop 'n' not found"),
    (PREFIX_SUM, "split", ("i", 0), "factor 0 of loop 'i' is not positive"),
    (PARALLEL, "split", ("i", 2), "loop 'i' is parallel, not serial"),
    (PREFIX_SUM, "vectorize", ("i",), "loop 'i' carries a dependence through 'y'"),
    (NEST, "vectorize", ("i",), "loop 'i' is not innermost: loop 'k' is inside"),
    (PREFIX_SUM, "parallel", ("i",), "iterations of loop 'i' touch the same elements of 'y'"),
    (PREFIX_SUM, "alternate", ("i", "i"), "loop 'i' is not inside loop 'i'"),
    (NEST, "alternate", ("i", "k"), "loop 'i' is not inside loop 'k'"),
    (STEPS.replace("parallel", "vector"), "alternate", ("i", "t"), "loop 'i' is vector"),
    (TAILS, "alternate", ("i", "o"), "the extent of loop 'i' is not constant"),
    (SWEEPS, "alternate", ("i", "s"), "loop 'i' carries a dependence through 'x'"),
    (TILES, "alternate", ("o", "s"), "the extent of loop 'i' depends on loop 'o'"),
    (PANELS, "prefetch", ("z", "r", "k"), "no buffer 'z'"),
    (PANELS, "prefetch", ("y", "r", "k"), "'y' is no parameter that is only read"),
    (
        PANELS.replace("w: f32[2,8,16]", "w: f32[2,8,16] strides[16,32,1]"),
        "prefetch",
        ("w", "r", "k"),
        "'w' is not dense",
    ),
    (PANELS, "prefetch", ("w", "r", "r"), "loop 'r' is not inside loop 'r'"),
    (PANELS, "prefetch", ("w", "r", "j"), "loop 'j' is vector"),
    (
        PANELS.replace("v[k,", "w[p, 0, j] * v[k,"),
        "prefetch",
        ("w", "r", "k"),
        "'w' is read in 2 places inside loop 'k', not one",
    ),
    (
        PANELS.replace("w[p, k, j]", "w[p, k * k % 8, j]"),
        "prefetch",
        ("w", "r", "k"),
        "the index of 'w' is not a sum of loops inside 'r'",
    ),
    (PANELS, "prefetch", ("w", "p", "k"), "loop 'p' moves on in 'w'"),
    (
        PANELS.replace("w[p, k, j]", "w[0, k, j]"),
        "prefetch",
        ("w", "r", "k"),
        "no loop around 'r' moves on in 'w'",
    ),
    (
        PANELS,
        "prefetch",
        ("v", "r", "k"),
        "panels of 'v' overlap: iterations of loop 'p' are 16 elements apart, and read from 240",
    ),
    (
        PANELS.replace("for r in 3", "for r in 1"),
        "prefetch",
        ("w", "r", "k"),
        "loop 'r' runs once: the next panel of 'w' is fetched as it comes",
    ),
    (NEST, "parallel", ("k",), "iterations of loop 'k' touch the same elements of 'y'"),
    (DEEP, "parallel", ("k",), "loop 'k' is inside loop 'j'"),
    (TAILS, "parallel", ("i",), "the extent of loop 'i' is not constant"),
    (STEPS, "unroll", ("t",), "loop 'i' inside is parallel"),
    (SHARED, "parallel", ("i",), "'t' inside loop 'i' lives in the arena"),
    (LARGE, "unroll", ("i",), "loop 'i' has 300 iterations, more than 256"),
    (ROWS, "reorder", ("k", "i"), "loop 'k' is not perfectly nested in loop 'i'"),
    (NEST, "reorder", ("i",), "needs two loops or more"),
    (NEST, "reorder", ("i", "i"), "a loop is named twice in i, i"),
    (PARALLEL, "reorder", ("k", "i"), "loop 'i' is parallel and stays"),
    (
        TRIANGLE,
        "reorder",
        ("i", "o"),
        "the extent of loop 'i' depends on loop 'o', which would come inside",
    ),
    (ROWS, "fuse", ("i", "k"), "loop 'k' is not directly inside loop 'i'"),
    (TAILS, "fuse", ("o", "i"), "the extent of loop 'i' is not constant"),
    (TAILS, "tile", (("o",), (2, 2)), "1 loops do not go with 2 factors"),
    (NEST, "inline", ("y",), "no temporary 'y'"),
    (RUNNING, "inline", ("t",), "'t' is written by 2 nests, not one"),
    (CUT, "inline", ("t",), "the nest that writes 't' is more than loops around one store"),
    (
        IN_PLACE,
        "inline",
        ("t",),
        "'x', which 't' is made of, is written before it is read",
    ),
    (CHAIN, "compute_at", ("t", "j"), "'t' is also read outside loop 'j'"),
    (CHAIN, "compute_at", ("t", "i"), "'t' is written in the nest that reads it"),
    (
        IN_PLACE,
        "compute_at",
        ("t", "k"),
        "'x', which 't' is made of, is written before it is read",
    ),
    (
        RUNNING,
        "compute_at",
        ("t", "j"),
        "dimension 0 of 't' is not walked by loops one to one",
    ),
    (PREFIX_SUM, "cache_read", ("y", "i", "stack"), "'y' is written where it would be cached"),
    (NEST, "cache_read", ("z", "i", "stack"), "no buffer 'z'"),
    (NEST, "cache_write", ("x", "i", "stack"), "'x' is not written where it would be cached"),
    (PARALLEL, "cache_write", ("y", "k", "stack"), "'y' is written inside parallel loop 'i'"),
    (
        PARALLEL,
        "cache_read",
        ("x", "k", "arena"),
        "'x_cache' is inside a parallel loop and cannot live in the arena",
    ),
    (NEST, "pack", ("y", {}, (0,)), "parameter 'y' is written"),
    (
        NEST,
        "pack",
        ("x", {0: 2}, (0, 1)),
        "order [0, 1] with blocks {0: 2} does not name each part of 'x' once",
    ),
    (
        NEST,
        "pack",
        ("x", {0: 2}, ((0, "inner"), (0, "outer"), 1)),
        "the inner part of dimension 0 of 'x' comes before the outer",
    ),
    (NEST, "merge_dims", ("x", 1), "'x' has no dimensions 1 and 2"),
    (NEST, "split_dim", ("x", 2, 2), "'x' has no dimension 2"),
    (NEST, "split_dim", ("x", 1, 3), "3 does not divide the size 8 of dimension 1 of 'x'"),
    (NEST, "set_scope", ("x", "stack"), "no temporary 'x'"),
    (
        LARGE,
        "set_scope",
        ("t", "stack"),
        "'t' takes 360000 bytes, more than the 262144 of scope 'stack'",
    ),
    (CHAIN, "set_scope", ("t", "heap"), "a temporary cannot live in scope 'heap'"),
    (NEST, "fission", ("k",), "loop 'k' has 1 statements, none after 1"),
    (SHARED, "fission", ("i",), "both parts use the temporary 't'"),
    (NEST, "rfactor", ("i", 4), "'y' moves with loop 'i'"),
    (ROWS, "rfactor", ("i", 4), "loop 'i' holds more than a reduction"),
    (NEST, "rfactor", ("k", 1), "1 lanes are too few"),
    (NEST, "partition", ("k", 8), "8 is not surely inside loop 'k'"),
]


@pytest.mark.parametrize(
    ("text", "name", "arguments", "message"), CASES, ids=[f"{c[1]}: {c[3]}" for c in CASES]
)
def test_refusal(text, name, arguments, message):
    schedule = Schedule(parse_func(text))
    with pytest.raises(ScheduleError) as caught:
        PRIMITIVES[name](schedule, *arguments)
    assert caught.value.message == f"{name}: {message}"
    assert str(caught.value).startswith(caught.value.message + "\n")


def test_strides_that_do_not_merge():
    func = parse_func(
        "func f(x: f32[4,8] strides[9,1], y: f32[4]) { for i in 4 { y[i] = x[i, 0] } }"
    )
    with pytest.raises(ScheduleError) as caught:
        PRIMITIVES["merge_dims"](Schedule(func), "x", 0)
    assert caught.value.message == (
        "merge_dims: dimensions 0 and 1 of 'x' have strides 9 and 1: they do not make one"
    )


def test_parts_that_depend_on_each_other():
    func = parse_func("func f(x: f32[9], y: f32[9]) { for i in 8 { x[i] = y[i] y[i + 1] = x[i] } }")
    with pytest.raises(ScheduleError) as caught:
        PRIMITIVES["fission"](Schedule(func), "i")
    assert caught.value.message == (
        "fission: the parts of loop 'i' depend on each other through 'y'"
    )


def test_whole_message_points_at_the_loop():
    with pytest.raises(ScheduleError) as caught:
        PRIMITIVES["vectorize"](Schedule(parse_func(PREFIX_SUM)), "i")
    assert caught.value.code == "dependence"
    assert str(caught.value) == (
        "vectorize: loop 'i' carries a dependence through 'y'\n"
        "    1 | func f(x: f32[8], y: f32[8]) {\n"
        "    2 |   for i in 7 {\n"
        "      |       ^\n"
        "    3 |     y[i + 1] = y[i] + x[i]"
    )


def test_whole_message_names_what_there_is():
    with pytest.raises(ScheduleError) as caught:
        PRIMITIVES["split"](Schedule(parse_func(CHAIN)), "n", 4)
    assert caught.value.code == "no-such-loop"
    assert str(caught.value) == (
        "split: loop 'n' not found\n  loops of f: i, j, k\n  buffers: x, y, z, t"
    )
