"""Stamps: what is believed of an entry's constants without reading them, and what is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlc import stamp as stamp_module
from mlc.cache import CompileCache, cache_key
from mlc.runtime import artifact
from mlc.runtime.artifact import load
from mlc.runtime.module import Module
from mlc.stamp import Stamp
from tests.runtime import toy

KEY, OTHER = (cache_key({"number": number}) for number in "12")
X = np.arange(6, dtype=np.float32)
CONSTANTS = "constants.safetensors"


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that loading digested."""
    names: list[str] = []
    check = artifact._check_digest

    def noted(name: str, *arguments: object) -> None:
        names.append(name)
        check(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(artifact, "_check_digest", noted)
    return names


def stored(folder: Path, key: str = KEY) -> CompileCache:
    """A cache with an entry whose files are so old that a change of them has another time."""
    cache = CompileCache(folder)
    cache.store(key, toy.compiled())
    time.sleep(0.05)
    return cache


def stamped(folder: Path, key: str = KEY) -> CompileCache:
    cache = stored(folder, key)
    assert cache.load(key) is not None
    assert (folder / key / "stamp").exists()
    return cache


def flip_last_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read()[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


def works(module: Module | None) -> bool:
    return module is not None and np.array_equal(module(X, X), toy.expected(X, X))


def test_an_unchanged_entry_is_digested_once(tmp_path: Path, digested: list[str]) -> None:
    cache = stored(tmp_path)
    for times in (1, 1, 1):
        assert works(cache.load(KEY))
        assert digested.count(CONSTANTS) == times


def test_the_writer_leaves_a_stamp_too(
    tmp_path: Path, digested: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamp_module, "_TICK_NANOSECONDS", -1)
    CompileCache(tmp_path).store(KEY, toy.compiled())
    assert works(CompileCache(tmp_path).load(KEY))
    assert CONSTANTS not in digested


def test_a_stamp_is_the_users_alone(tmp_path: Path) -> None:
    stamped(tmp_path)
    assert (tmp_path / KEY / "stamp").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("restore", [False, True], ids=["", "with its times set back"])
def test_changed_constants_are_noticed(tmp_path: Path, restore: bool) -> None:
    cache = stamped(tmp_path)
    path = tmp_path / KEY / CONSTANTS
    before = path.stat()
    flip_last_byte(path)
    if restore:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = path.stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert cache.load(KEY) is None
    assert not (tmp_path / KEY).exists()


def test_constants_that_another_file_replaced_are_noticed(tmp_path: Path) -> None:
    cache = stamped(tmp_path)
    path, copy = tmp_path / KEY / CONSTANTS, tmp_path / "copy"
    before = path.stat()
    copy.write_bytes(path.read_bytes())
    flip_last_byte(copy)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.replace(path)
    assert cache.load(KEY) is None


def test_the_code_is_digested_at_every_load(tmp_path: Path) -> None:
    cache = stamped(tmp_path)
    (code,) = (tmp_path / KEY).glob("model-*")
    flip_last_byte(code)
    assert cache.load(KEY) is None


def of_another_entry(folder: Path) -> None:
    stamped(folder, OTHER)
    (folder / OTHER / "stamp").replace(folder / KEY / "stamp")


def of_another_digest(folder: Path) -> None:
    path = folder / KEY / "stamp"
    digest, rest = path.read_text().split(" ", 1)
    path.write_text(f"{digest[::-1]} {rest}")


UNTRUE: dict[str, Callable[[Path], object]] = {
    "none": lambda folder: (folder / KEY / "stamp").unlink(),
    "empty": lambda folder: (folder / KEY / "stamp").write_bytes(b""),
    "garbage": lambda folder: (folder / KEY / "stamp").write_bytes(b"\xff\0" * 5000),
    "longer": lambda folder: (folder / KEY / "stamp").open("a").write("0"),
    "of another entry": of_another_entry,
    "of another digest": of_another_digest,
}


@pytest.mark.parametrize("case", UNTRUE)
def test_what_is_no_stamp_of_the_file_is_not_believed(
    tmp_path: Path, case: str, digested: list[str]
) -> None:
    cache = stamped(tmp_path)
    UNTRUE[case](tmp_path)
    digested.clear()
    for _ in range(2):
        assert works(cache.load(KEY))
        assert digested.count(CONSTANTS) == 1


def test_a_stamp_ends_when_the_machine_starts_anew(
    tmp_path: Path, digested: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = stamped(tmp_path / "cache")
    boot = tmp_path / "boot"
    boot.write_text("another\n")
    monkeypatch.setattr(stamp_module, "_BOOT", boot)
    digested.clear()
    for times in (1, 1):
        assert works(cache.load(KEY))
        assert digested.count(CONSTANTS) == times
    boot.unlink()
    for times in (2, 3):
        assert works(cache.load(KEY))
        assert digested.count(CONSTANTS) == times


@pytest.mark.parametrize(
    ("ago", "coarse", "kept"), [(1, True, False), (3, True, True), (0, False, False)]
)
def test_nothing_is_noted_of_what_changed_just_now(
    tmp_path: Path, ago: int, coarse: bool, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_500_000_000_000_000_500
    status = os.stat_result([0] * 10, {"st_ctime_ns": now - 500 * coarse, "st_mtime_ns": 0})
    monkeypatch.setattr(time, "time_ns", lambda: now + ago * 1_000_000_000)
    Stamp(tmp_path / "stamp").learn(status, "0")
    assert (tmp_path / "stamp").exists() == kept


def test_an_artifact_outside_the_cache_is_digested_at_every_load(
    tmp_path: Path, digested: list[str]
) -> None:
    stamped(tmp_path)
    digested.clear()
    assert works(load(tmp_path / KEY))
    assert CONSTANTS in digested


def test_where_no_stamp_can_be_written_the_entry_still_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(stamp_module, "write_whole", full)
    assert works(stored(tmp_path).load(KEY))
    assert not (tmp_path / KEY / "stamp").exists()
