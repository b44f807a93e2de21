"""LLVM IR and assembly of a whole module, cut by kernel.

A kernel's functions are called `symbol`, and `symbol.parN` for its parallel loops. What belongs to
no kernel (declarations, the thread pool, the entry) is under the empty name; all sections together
are the whole text.
"""

from __future__ import annotations

from collections.abc import Collection

from mlc.backends.llvm.machine import to_assembly
from mlc.target import Target


def llvm_by_kernel(text: str, kernels: Collection[str]) -> dict[str, str]:
    """The functions of each kernel in LLVM IR text.

    >>> sections = llvm_by_kernel("declare void @f()\\n\\ndefine void @k0(ptr %a) {\\n}", ["k0"])
    >>> sections["k0"]
    'define void @k0(ptr %a) {\\n}\\n'
    """
    sections: dict[str, list[str]] = {name: [] for name in ("", *kernels)}
    for block in text.split("\n\n"):
        block = block.strip("\n")
        head = block.split("(", 1)[0]
        symbol = head.rsplit("@", 1)[-1].split(".par", 1)[0] if "@" in head else ""
        owner = symbol if block.startswith("define") and symbol in sections else ""
        sections[owner].append(block + "\n")
    return {name: "\n".join(blocks) for name, blocks in sections.items()}


def assembly_by_kernel(llvm_text: str, kernels: Collection[str], target: Target) -> dict[str, str]:
    """The assembly of each kernel, by the labels of its functions; costs a code generation."""
    sections: dict[str, list[str]] = {name: [] for name in ("", *kernels)}
    owner = ""
    for line in to_assembly(llvm_text, target).splitlines():
        if line[:1].isalpha() or line[:1] == "_":
            symbol = line.split(":", 1)[0].split(".par", 1)[0]
            owner = symbol if symbol in sections else ""
        sections[owner].append(line)
    return {name: "\n".join(lines) + "\n" for name, lines in sections.items()}
