"""ARM: 128-bit NEON, 32 registers; the cores differ in how many pipes they have.

Scalable vectors are not used: kernels have a fixed width, and these cores' SVE is no wider than
their NEON pipes together.
"""

from __future__ import annotations

from mlc.backends.llvm.cpus.cpu import KIB, MIB, Cpu


def _neon(
    name: str,
    fma_latency: int,
    fma_ports: int,
    caches: tuple[int, int, int],
    aliases: tuple[str, ...] = (),
) -> Cpu:
    """A core with NEON; `caches` are the sizes of L1, L2 and L3."""
    return Cpu(
        name=name,
        family="aarch64",
        vector_bits=128,
        vector_registers=32,
        fma_latency=fma_latency,
        fma_ports=fma_ports,
        l1_bytes=caches[0],
        l2_bytes=caches[1],
        l3_bytes=caches[2],
        aliases=aliases,
    )


CPUS = (
    _neon("cortex-a53", 4, 1, (32 * KIB, 512 * KIB, 512 * KIB)),
    _neon("cortex-a72", 7, 2, (32 * KIB, 1 * MIB, 1 * MIB)),
    _neon("cortex-a76", 4, 2, (64 * KIB, 512 * KIB, 2 * MIB)),
    _neon("neoverse-n1", 4, 2, (64 * KIB, 1 * MIB, 32 * MIB), ("graviton2", "ampere-altra")),
    _neon("neoverse-n2", 4, 2, (64 * KIB, 1 * MIB, 32 * MIB)),
    _neon("neoverse-v1", 4, 4, (64 * KIB, 1 * MIB, 32 * MIB), ("graviton3",)),
    _neon("neoverse-v2", 4, 4, (64 * KIB, 2 * MIB, 36 * MIB), ("graviton4", "grace")),
    _neon("apple-m1", 4, 4, (128 * KIB, 12 * MIB, 8 * MIB)),
    _neon("apple-m2", 4, 4, (128 * KIB, 16 * MIB, 8 * MIB)),
    _neon("apple-m3", 4, 4, (128 * KIB, 16 * MIB, 8 * MIB)),
    _neon("apple-m4", 4, 4, (128 * KIB, 16 * MIB, 8 * MIB)),
)

_FEATURE_NAMES = """
    neon fp-armv8 fullfp16 fp16fml dotprod i8mm bf16 lse rcpc crc aes sha2 sve sve2 sme
"""

FEATURES = frozenset(_FEATURE_NAMES.split())
