"""Texts of a module cut by kernel: nothing is lost, and each function is where it belongs."""

from __future__ import annotations

import re

from mlc.backends.llvm.machine import compile_to_object
from mlc.backends.llvm.sections import assembly_by_kernel, llvm_by_kernel
from mlc.backends.llvm.targets import resolve

TARGET = resolve("host")
FUNCTION = "define void @{}(ptr %p) {{\n  store i32 {}, ptr %p\n  ret void\n}}"
TEXT = "\n\n".join(
    [
        "declare void @outside()",
        FUNCTION.format("k0_add", 10),
        FUNCTION.format("k0_add.par0", 11),
        FUNCTION.format("helper", 12) + "\n",
        FUNCTION.format("k1_mul", 13),
    ]
)
KERNELS = ("k0_add", "k1_mul")


def test_llvm_falls_into_functions() -> None:
    sections = llvm_by_kernel(TEXT, KERNELS)
    numbers = {name: re.findall(r"store i32 (\d+)", text) for name, text in sections.items()}
    assert numbers == {"": ["12"], "k0_add": ["10", "11"], "k1_mul": ["13"]}
    assert sections[""].startswith("declare void @outside()\n")


def test_the_sections_together_compile() -> None:
    assert compile_to_object("\n".join(llvm_by_kernel(TEXT, KERNELS).values()), TARGET)


def test_assembly_falls_into_functions() -> None:
    sections = assembly_by_kernel(TEXT, KERNELS, TARGET)
    assert list(sections) == ["", *KERNELS]
    labels = {
        name: [line[:-1] for line in text.splitlines() if re.match(r"[a-z][\w.]*:", line)]
        for name, text in sections.items()
    }
    assert labels == {"": ["helper"], "k0_add": ["k0_add", "k0_add.par0"], "k1_mul": ["k1_mul"]}
