from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc import cache as cache_module
from mlc.cache import CompileCache, cache_key, open_cache
from mlc.errors import CacheError
from mlc.runtime.artifact_writer import write_artifact
from mlc.runtime.manifest import MANIFEST
from tests.runtime import toy

KEYS = [cache_key({"number": str(number)}) for number in range(8)]
X = np.arange(6, dtype=np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> CompileCache:
    return CompileCache(tmp_path / "cache")


def entries(cache: CompileCache) -> list[str]:
    return sorted(entry.name for entry in cache.folder.iterdir())


def test_keys_depend_on_every_part_and_on_its_name() -> None:
    parts: dict[str, str | bytes] = {"ir": "graph", "target": "x86", "weights": b"\0\1"}
    changed = [{**parts, name: "other"} for name in parts]
    changed += [{"ir": "graphx86", "target": "", "weights": b"\0\1"}, {"ir": "graph"}]
    changed += [{**parts, "more": ""}]
    keys = {cache_key(each) for each in (parts, *changed)}
    assert len(keys) == 1 + len(changed)
    assert cache_key(dict(reversed(list(parts.items())))) == cache_key(parts)


def test_what_is_stored_comes_back(cache: CompileCache) -> None:
    assert cache.load(KEYS[0]) is None
    cache.store(KEYS[0], toy.compiled(num_threads=2))
    module = cache.load(KEYS[0])
    assert module is not None
    np.testing.assert_array_equal(module(X, X), toy.expected(X, X))
    assert module.num_threads == 2
    assert cache.load(KEYS[1]) is None
    again = cache.load(KEYS[0], num_threads=1)
    assert again is not None
    assert again.num_threads == 1


def test_texts_are_kept_but_for_assembly_which_is_not_made(cache: CompileCache) -> None:
    def assembly() -> dict[str, str]:
        raise AssertionError("made for the cache")

    cache.store(KEYS[0], toy.compiled(texts={"loops": lambda: {"a": "b"}, "asm": assembly}))
    module = cache.load(KEYS[0])
    assert module is not None
    assert module.texts.stages == ("loops",)
    assert module.ir("loops", "a") == "b"


def test_the_folder_is_the_users_alone(cache: CompileCache) -> None:
    assert cache.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["code", "manifest", "constants", "missing", "file"])
def test_a_damaged_entry_is_absent_and_goes(damage: str, cache: CompileCache) -> None:
    cache.store(KEYS[0], toy.compiled())
    entry = cache.folder / KEYS[0]
    if damage == "code":
        (path,) = entry.glob("model-*")
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    elif damage == "manifest":
        (entry / MANIFEST).write_bytes((entry / MANIFEST).read_bytes()[:100])
    elif damage == "constants":
        (entry / "constants.safetensors").write_bytes(b"")
    elif damage == "missing":
        (entry / MANIFEST).unlink()
    else:
        for path in [*entry.rglob("*")]:
            path.unlink()
        entry.rmdir()
        entry.write_text("not a folder")
    assert cache.load(KEYS[0]) is None
    cache.store(KEYS[0], toy.compiled())
    assert cache.load(KEYS[0]) is not None
    assert entries(cache) == [KEYS[0]]


def test_the_least_recently_used_entries_go_first(tmp_path: Path) -> None:
    probe = CompileCache(tmp_path / "probe")
    probe.store(KEYS[0], toy.compiled())
    cache = CompileCache(tmp_path / "cache", max_bytes=int(probe.bytes * 3.5))
    for number in range(3):
        cache.store(KEYS[number], toy.compiled())
        os.utime(cache.folder / KEYS[number] / MANIFEST, (number, number))
    assert cache.load(KEYS[0]) is not None
    cache.store(KEYS[3], toy.compiled())
    assert entries(cache) == sorted([KEYS[0], KEYS[2], KEYS[3]])
    assert cache.bytes <= cache.max_bytes


def test_the_entry_just_stored_stays_even_when_it_is_too_large(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path / "cache", max_bytes=10)
    cache.store(KEYS[0], toy.compiled())
    cache.store(KEYS[1], toy.compiled())
    assert entries(cache) == [KEYS[1]]
    cache.clear()
    assert entries(cache) == []


def test_what_a_dead_process_left_goes_when_space_is_needed(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path / "cache", max_bytes=10)
    old, young = cache.folder / ".old-x", cache.folder / ".young-x"
    for folder in (old, young):
        folder.mkdir()
        (folder / "part").write_bytes(b"x" * 100)
    yesterday = time.time() - 2 * 24 * 3600
    os.utime(old, (yesterday, yesterday))
    cache.store(KEYS[0], toy.compiled())
    assert entries(cache) == sorted([young.name, KEYS[0]])


def test_many_store_and_load_one_key_at_once(cache: CompileCache) -> None:
    compiled = toy.compiled()
    start = threading.Barrier(6)

    def work(number: int) -> bool:
        start.wait()
        for _ in range(15):
            cache.store(KEYS[number % 2], compiled)
            module = cache.load(KEYS[number % 2])
            if module is not None and not np.array_equal(module(X, X), toy.expected(X, X)):
                return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(work, range(6)))
    assert set(entries(cache)) <= set(KEYS[:2])


@pytest.mark.parametrize("key", ["", "../../x", "a" * 63, "A" * 64])
def test_what_is_no_key_is_refused(key: str, cache: CompileCache) -> None:
    with pytest.raises(CacheError) as caught:
        cache.load(key)
    assert str(caught.value) == f"not a cache key: {key!r}"


def test_a_folder_that_cannot_be_used_is_an_error_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    folder = tmp_path / "file" / "cache"
    with pytest.raises(CacheError) as caught:
        open_cache(folder)
    assert str(caught.value) == f"cannot use the cache folder {folder}: Not a directory"


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(CacheError) as caught:
        open_cache(folder)
    assert str(caught.value) == (
        f"other users can write to the cache folder {folder}\n"
        f"  hint: compiled code is run from it; chmod 700 {folder}"
    )


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(CacheError) as caught:
        open_cache(tmp_path)
    assert str(caught.value) == (
        f"the cache folder {tmp_path} belongs to another user\n"
        "  hint: compiled code is run from it; choose a folder of your own"
    )


def test_the_users_cache_folder_is_used_and_only_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "user_cache_path", lambda *_, **__: tmp_path / "mlc")
    cache = open_cache()
    assert cache is not None
    assert cache.folder == tmp_path / "mlc" / "modules"
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(cache_module, "user_cache_path", lambda *_, **__: tmp_path / "file")
    with pytest.warns(RuntimeWarning) as warned:
        assert open_cache() is None
    assert str(warned[0].message) == (
        "compiling without a cache: "
        f"cannot use the cache folder {tmp_path / 'file' / 'modules'}: Not a directory"
    )


def test_failing_to_store_is_an_error_only_when_the_cache_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise cache_module.ArtifactError("cannot write x: No space left on device")

    monkeypatch.setattr(cache_module, "write_artifact", fail)
    with pytest.raises(CacheError) as caught:
        CompileCache(tmp_path).store(KEYS[0], toy.compiled())
    assert str(caught.value) == "cannot write x: No space left on device"
    with pytest.warns(RuntimeWarning, match=r"^compiling without a cache: cannot write x"):
        CompileCache(tmp_path, required=False).store(KEYS[0], toy.compiled())


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path / "cache", max_bytes=10)
    write_artifact(toy.compiled(), cache.folder / "mine")
    cache.store(KEYS[0], toy.compiled())
    cache.clear()
    assert entries(cache) == ["mine"]
