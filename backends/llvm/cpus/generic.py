"""The baselines: levels of x86-64 and plain ARMv8-A, with the figures of a typical server."""

from __future__ import annotations

from mlc.backends.llvm.cpus.cpu import KIB, MIB, Cpu

CPUS = (
    Cpu(
        name="x86-64-v2",
        family="x86_64",
        vector_bits=128,
        vector_registers=16,
        fma_latency=8,
        fma_ports=1,
        l1_bytes=32 * KIB,
        l2_bytes=256 * KIB,
        l3_bytes=8 * MIB,
    ),
    Cpu(
        name="x86-64-v3",
        family="x86_64",
        vector_bits=256,
        vector_registers=16,
        fma_latency=4,
        fma_ports=2,
        l1_bytes=32 * KIB,
        l2_bytes=512 * KIB,
        l3_bytes=16 * MIB,
    ),
    Cpu(
        name="x86-64-v4",
        family="x86_64",
        vector_bits=512,
        vector_registers=32,
        fma_latency=4,
        fma_ports=2,
        wide_fma_ports=1,
        l1_bytes=32 * KIB,
        l2_bytes=1 * MIB,
        l3_bytes=32 * MIB,
    ),
    Cpu(
        name="generic",
        family="aarch64",
        vector_bits=128,
        vector_registers=32,
        fma_latency=4,
        fma_ports=2,
        l1_bytes=32 * KIB,
        l2_bytes=512 * KIB,
        l3_bytes=2 * MIB,
        aliases=("armv8-a",),
    ),
)

_FEATURE_NAMES = """
    sse sse2 sse3 ssse3 sse4.1 sse4.2 avx avx2 fma f16c bmi bmi2 popcnt lzcnt movbe avx512f
    avx512vl avx512bw avx512dq avx512cd avx512vnni avx512bf16 avx512fp16 avx512ifma avx512vbmi
    avx512vbmi2 avx512bitalg avx512vpopcntdq avxvnni avxvnniint8 avxvnniint16 avxifma
    avxneconvert amx-tile amx-int8 amx-bf16 amx-fp16 gfni prefer-256-bit
"""

X86_64_FEATURES = frozenset(_FEATURE_NAMES.split())
