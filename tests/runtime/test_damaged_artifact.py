"""What is damaged, lies, or was made for another machine is refused, exactly."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlc
from mlc.backends.llvm.link import link_shared
from mlc.errors import ArtifactError
from mlc.runtime.artifact import load
from mlc.runtime.artifact_writer import write_artifact
from mlc.runtime.compiled import Code, Compiled, Machine
from mlc.runtime.manifest import MANIFEST
from tests.runtime import toy


def code_file(folder: Path) -> Path:
    (path,) = folder.glob("model-*")
    return path


def edit_manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Lie in the manifest, and give it a digest that fits."""

    def damage(folder: Path) -> None:
        document = json.loads((folder / MANIFEST).read_text())
        change(document)
        body = {k: v for k, v in document.items() if k not in ("format", "version", "digest")}
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        document["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
        (folder / MANIFEST).write_text(json.dumps(document))

    return damage


def replace_bytes(name: str, index: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = code_file(folder) if name == "code" else folder / name
        data = bytearray(path.read_bytes())
        data[index] ^= 1
        path.write_bytes(data)

    return damage


def replace_text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return damage


def rename_code(new: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["files"][new] = document["files"].pop(document["code"]["file"])
        document["code"]["file"] = new

    return change


def link_away(folder: Path) -> None:
    outside = folder.parent / "outside.so"
    code_file(folder).rename(outside)
    next_name = json.loads((folder / MANIFEST).read_text())["code"]["file"]
    (folder / next_name).symlink_to(outside)


def truncate(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (shutil.rmtree, "no artifact here: manifest.json: No such file or directory"),
    "no manifest": (
        lambda folder: (folder / MANIFEST).unlink(),
        "no artifact here: manifest.json: No such file or directory",
    ),
    "cut manifest": (truncate(MANIFEST, 0), "manifest.json is not JSON: *"),
    "binary manifest": (
        lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"),
        "manifest.json is not JSON: *",
    ),
    "deep manifest": (
        lambda folder: (folder / MANIFEST).write_text("[" * 100_000),
        "manifest.json is not JSON: *",
    ),
    "foreign manifest": (
        lambda folder: (folder / MANIFEST).write_text('{"format": "other"}'),
        "manifest.json is not of an mlc artifact",
    ),
    "newer format": (
        replace_text(MANIFEST, '"version": 3', '"version": 4'),
        "artifact format 4, this release reads 3",
    ),
    "changed manifest": (
        replace_text(MANIFEST, '"arena_bytes": 24', '"arena_bytes": 8'),
        "manifest.json is damaged: its digest does not fit",
    ),
    "no arena": (
        edit_manifest(lambda m: m.pop("arena_bytes")),
        "manifest.json is malformed: no entry 'arena_bytes'",
    ),
    "negative arena": (
        edit_manifest(lambda m: m.update(arena_bytes=-1)),
        "manifest.json is malformed: -1 is not a size",
    ),
    "huge arena": (
        edit_manifest(lambda m: m.update(arena_bytes=1 << 60)),
        f"manifest.json is malformed: impossible arena of {1 << 60} bytes",
    ),
    "no threads": (
        edit_manifest(lambda m: m.update(num_threads=0)),
        "manifest.json is malformed: num_threads is 0, at least 1 is needed",
    ),
    "lying shape": (
        edit_manifest(lambda m: m["inputs"][0].update(shape=[-6])),
        "manifest.json is malformed: negative size in shape (-6,)",
    ),
    "unknown dtype": (
        edit_manifest(lambda m: m["inputs"][0].update(dtype="f33")),
        "manifest.json is malformed: unknown element type 'f33'",
    ),
    "same names": (
        edit_manifest(lambda m: m["inputs"][0].update(name="y")),
        "manifest.json is malformed: two inputs are named 'y'",
    ),
    "unknown code": (
        edit_manifest(lambda m: m["code"].update(kind="script")),
        "manifest.json is malformed: 'script' is none of object, shared",
    ),
    "inputs no list": (
        edit_manifest(lambda m: m.update(inputs={})),
        "manifest.json is malformed: {} is not a list",
    ),
    "unlisted code": (
        edit_manifest(lambda m: m["code"].update(file="other.so")),
        "file 'other.so' is not among the artifact's files",
    ),
    "code outside": (
        edit_manifest(rename_code("../outside.so")),
        "file name '../outside.so' leads out of the artifact",
    ),
    "code at a root": (
        edit_manifest(rename_code("/lib/libc.so")),
        "file name '/lib/libc.so' leads out of the artifact",
    ),
    "code is linked": (link_away, "file '{code}' is not a plain file of the artifact"),
    "code is missing": (
        lambda folder: code_file(folder).unlink(),
        "file '{code}': No such file or directory",
    ),
    "code is changed": (
        replace_bytes("code", 2000),
        "file '{code}' is damaged: its digest does not fit",
    ),
    "constants are changed": (
        replace_bytes("constants.safetensors", -1),
        "file 'constants.safetensors' is damaged: its digest does not fit",
    ),
    "constants have another header": (
        replace_bytes("constants.safetensors", 20),
        "constants.safetensors has an unexpected header",
    ),
    "constants are cut": (
        truncate("constants.safetensors", 130),
        "file 'constants.safetensors' has 130 bytes, 152 expected",
    ),
    "more constants than the file": (
        edit_manifest(lambda m: m["constants"].update(bytes=1 << 40)),
        f"constants.safetensors does not hold {1 << 40} bytes of constants",
    ),
    "text is cut": (truncate("ir/graph.mlc", 3), "file 'ir/graph.mlc' has 3 bytes, 12 expected"),
    "another machine": (
        edit_manifest(lambda m: m["machine"].update(triple="z80-unknown-cpm")),
        "made for z80, this machine is {machine}",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_artifact_is_refused(case: str, saved: Path) -> None:
    code, machine = code_file(saved).name, toy.TRIPLE.partition("-")[0]
    damage, message = DAMAGES[case]
    damage(saved)
    with pytest.raises(ArtifactError) as caught:
        mlc.load(saved)
    message = message.replace("{code}", code).replace("{machine}", machine)
    error = caught.value
    if message.endswith("*"):
        assert error.message.startswith(message[:-1])
    else:
        assert error.message == message
    assert str(saved) in str(error)


def test_a_damaged_text_is_refused_when_it_is_read(saved: Path) -> None:
    replace_bytes("ir/loops.mlc", 1)(saved)
    module = load(saved)
    assert module.ir("graph") == "graph naïve"
    with pytest.raises(ArtifactError) as caught:
        module.ir("loops")
    assert str(caught.value) == "file 'ir/loops.mlc' is damaged: its digest does not fit"


def test_every_changed_byte_of_the_manifest_is_noticed(tmp_path: Path) -> None:
    write_artifact(toy.compiled(), tmp_path / "m")
    data = (tmp_path / "m" / MANIFEST).read_bytes()
    for index in range(0, len(data), 7):
        changed = bytearray(data)
        changed[index] ^= 0x04
        if json_equal(changed, data):
            continue
        (tmp_path / "m" / MANIFEST).write_bytes(changed)
        with pytest.raises(ArtifactError):
            load(tmp_path / "m", object_loader=refuse_to_load)


def json_equal(left: bytes | bytearray, right: bytes) -> bool:
    try:
        return bool(json.loads(left) == json.loads(right))
    except ValueError:
        return False


def refuse_to_load(data: bytes) -> Any:
    raise AssertionError("code of a damaged artifact was loaded")


def test_a_processor_without_the_features_is_refused(tmp_path: Path) -> None:
    features = ("avx512f", "sve", "amx-int8", "sme")
    if not toy.TRIPLE.startswith(("x86_64", "aarch64")):
        pytest.skip("no feature names for this processor")
    write_artifact(toy.compiled(machine=Machine(toy.TRIPLE, "", features)), tmp_path / "m")
    with pytest.raises(ArtifactError, match=r"^this processor lacks "):
        load(tmp_path / "m", object_loader=refuse_to_load)


def test_code_that_is_no_library_is_refused(tmp_path: Path) -> None:
    compiled = toy.compiled()
    fields = vars(compiled) | {"code": Code("shared", b"not a library")}
    write_artifact(Compiled(**fields), tmp_path / "m")
    with pytest.raises(ArtifactError, match=r"^cannot load model-[0-9a-f]{16}\.so: "):
        load(tmp_path / "m")


def test_a_library_without_the_entry_points_is_refused(tmp_path: Path) -> None:
    toy.need_linker()
    broken = toy.object_code(6, 0, toy.TRIPLE, "").replace(b"mlc_run\0", b"mlc_ran\0")
    fields = vars(toy.compiled()) | {"code": Code("object", broken)}
    write_artifact(Compiled(**fields), tmp_path / "m", linker=link_shared)
    with pytest.raises(ArtifactError) as caught:
        load(tmp_path / "m")
    assert str(caught.value) == (f"the code does not export mlc_run\n  at: {tmp_path / 'm'}")
