"""The table of features: every name and what it means, in the order of the vector.

`log` stands for log2(1 + x). Blocks are those of straight-line code; the heaviest by estimated
cycles come first. Buffers are those of the heaviest block, the ones with the most distinct lines
first. Whoever changes the table or the meaning of an entry raises `FEATURE_VERSION`.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlc.autotune.features.arithmetic import NAMES as OPERATIONS

FEATURE_VERSION = 2
"""Recorded with every saved model: a model reads vectors of its own version only."""

BLOCKS = 3
"""Blocks that have features of their own."""
BUFFERS = 4
"""Buffers of the heaviest block that have features of their own."""

TARGET = {
    "lanes": "32-bit elements of a vector",
    "registers": "vector registers",
    "multiply_add_ports": "vector multiply-adds started per cycle",
    "multiply_add_latency": "their latency in cycles",
    "l1": "log of the bytes of the first-level cache",
    "l2": "log of the bytes of the second-level cache",
    "l3": "log of the bytes of the third-level cache",
    "threads": "threads that share a kernel",
}
WORK = {
    **{f"{name}_share": f"share of {name} in all operations" for name in OPERATIONS},
    "instructions": "log of arithmetic instructions",
    "operations_per_element": "arithmetic instructions times lanes, over elements touched",
    "wide_loads": "loads of vectors per arithmetic instruction",
    "narrow_loads": "loads of one element to repeat, per arithmetic instruction",
    "scattered_loads": "loads of elements one by one, per arithmetic instruction",
    "stores": "stores to memory per arithmetic instruction",
    "quotients": "quotients and remainders in indices per arithmetic instruction",
    "entries": "log of how often innermost loops are entered",
    "scalar_share": "share of the instructions outside vector loops",
    "lane_efficiency": "share of lanes in use, over all instructions",
}
CYCLES = {
    "cycles": "log of estimated cycles, the greatest of the three below summed over blocks",
    "arithmetic_cycles": "log of cycles for arithmetic",
    "memory_cycles": "log of cycles for loads and stores that hit the first-level cache",
    "latency_cycles": "log of cycles of chains of dependent additions",
    "shared_cycles": "log of cycles of the busiest thread",
    "fetch_cycles": "log of cycles to fetch what misses each cache",
    "bound_cycles": "log of the greater of shared_cycles and fetch_cycles",
    "overhead_cycles": "log of cycles to compute indices and to enter loops",
    "stall_cycles": "log of cycles lost to full cache sets and to addresses without a register",
    "sum_cycles": "log of cycles of the busiest thread, added up as far as they are not hidden",
    "arithmetic_over_cycles": "arithmetic_cycles over cycles",
    "memory_over_cycles": "memory_cycles over cycles",
    "fetch_over_cycles": "fetch_cycles over shared_cycles",
    "overhead_over_cycles": "overhead_cycles over cycles",
    "stall_over_cycles": "stall_cycles over cycles",
}
MEMORY = {
    "touched": "log of the bytes of distinct lines",
    **{f"traffic_l{n}": f"log of the bytes fetched beyond cache {n}" for n in (1, 2, 3)},
    **{f"refetched_l{n}": f"log of traffic_l{n} over touched" for n in (1, 2, 3)},
    **{f"intensity_l{n}": f"log of arithmetic per line beyond cache {n}" for n in (1, 2, 3)},
    "constants_over_l2": "log of bytes of constants over the second-level cache",
    "constants_over_l3": "log of bytes of constants over the third-level cache",
    "prepared": "log of bytes of constants laid out when the model is compiled",
    "prefetched": "bytes of the lines asked for ahead, over touched",
    "workspace": "log of bytes of temporaries in the arena",
    "stack": "log of bytes of temporaries on the stack",
}
THREADS = {
    "parallel_iterations": "log of iterations that the heaviest block's parallel loops share",
    "imbalance": "share of the busiest thread over an even share",
    "serial_share": "share of cycles outside parallel loops",
    "regions": "log of how often threads start and join",
    "grain": "log of cycles per parallel iteration",
    "start_share": "cycles of starting and joining over shared_cycles",
}
SHAPE = {
    "loops": "log of loops",
    "blocks": "log of blocks",
    "depth": "loops around the deepest block",
    "tails": "log of loops whose extent varies",
    "conditions": "log of conditions",
    "code": "log of instructions in the code, copies of unrolled loops counted",
    "register_vectors": "log of vectors that register temporaries take",
    "register_pressure": "the most vectors alive in a block, over the registers there are",
    "spilled": "log of vectors that do not fit the registers",
}
BLOCK = {
    "share": "share of all cycles",
    "runs": "log of executions",
    "bits": "bits of an element",
    "reduces": "1 where it adds to what it wrote in another iteration",
    "accumulators": "log of independent sums",
    "latency_hidden": "independent sums over those that would hide the latency",
    "vectors": "log of instructions per vector loop",
    "lane_efficiency": "share of lanes in use",
    "unrolled": "log of copies in the code",
    "innermost": "log of iterations of the innermost serial loop",
    "second": "log of iterations of the serial loop around it",
    "serial": "log of iterations of all serial loops",
    "parallel": "log of iterations of all parallel loops",
    "depth": "loops around it",
    "operations": "arithmetic instructions per execution",
    "fused": "multiply-adds per execution",
    "wide_loads": "loads of vectors per arithmetic instruction",
    "narrow_loads": "loads of one element to repeat, per arithmetic instruction",
    "scattered_loads": "loads of elements one by one, per arithmetic instruction",
    "stores": "stores to memory per arithmetic instruction",
    "arithmetic_bound": "arithmetic cycles over cycles",
    "memory_bound": "load and store cycles over cycles",
    "pressure": "vectors alive over the registers there are",
    "panel_l1": "log of bytes that the innermost serial loop touches, over the first-level cache",
    "panel_l2": "log of bytes that the loop around it touches, over the second-level cache",
    "far_steps": "loads that step by a page or more in the innermost serial loop",
    "uneven": "mean over greatest extent of its loops, multiplied",
    "edge": "share of its cycles in tiles smaller than the others",
    "pointers": "log of addresses that do not follow from each other",
    "entries": "log of how often its innermost loop is entered",
    "quotients": "quotients and remainders in indices per execution",
    "conflicts": "log of lines read or written at once in one set of the first-level cache, over 8",
}
BUFFER = {
    "bytes": "log of bytes of distinct lines",
    "line_use": "distinct elements over those of the lines touched",
    "fits_l1": "log of bytes over the first-level cache",
    "fits_l2": "log of bytes over the second-level cache",
    "vector_stride": "log of the step in elements along the vector loop, with its sign",
    "serial_stride": "log of the step in bytes along the innermost serial loop, with its sign",
    "reuse": "log of accesses per distinct element",
    "distance": "log of bytes touched between two uses of an element",
    "constant": "1 for a constant",
    "written": "1 where it is written",
}


def _rows() -> Iterator[tuple[str, str]]:
    tables = {"target": TARGET, "work": WORK, "cycles": CYCLES, "memory": MEMORY}
    tables |= {"threads": THREADS, "shape": SHAPE}
    tables |= {f"block{number}": BLOCK for number in range(BLOCKS)}
    tables |= {f"buffer{number}": BUFFER for number in range(BUFFERS)}
    for prefix, table in tables.items():
        for name, meaning in table.items():
            yield f"{prefix}.{name}", meaning


FEATURES: dict[str, str] = dict(_rows())
"""Every feature by name, with what it means."""

FEATURE_NAMES: tuple[str, ...] = tuple(FEATURES)
"""The names in the order of the vector."""
