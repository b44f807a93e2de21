"""What all tests share: hypothesis profiles, and the tools that run code of another machine."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "mlc", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# The gate's: the same examples in every run, so that a change fails by what it changes.
hypothesis.settings.register_profile(
    "repeatable", hypothesis.settings.get_profile("mlc"), derandomize=True, database=None
)
hypothesis.settings.load_profile("mlc")


@pytest.fixture(scope="session")
def aarch64_linker() -> list[str]:
    """The start of a command that makes a static aarch64 Linux program of C and object files."""
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    if compiler is not None:  # quicker than zig, which builds its C library first
        return [compiler, "-static"]
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("no aarch64 linker: pip install 'mlc-compiler[arm]'")
    return [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-static"]


@pytest.fixture(scope="session")
def run_aarch64() -> Callable[..., bytes]:
    """Run an aarch64 program and return what it printed; it fails when the program fails."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("no qemu-aarch64: apt-get install qemu-user")

    def run(program: Path, *arguments: str, stdin: bytes = b"") -> bytes:
        command = [emulator, str(program), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr.decode()}"
        return done.stdout

    return run
