from __future__ import annotations

from pathlib import Path

from mlc.runtime import abi
from mlc.runtime.abi_declarations import generate


def test_the_generated_file_is_what_the_declarations_give() -> None:
    assert Path(abi.__file__).read_text(encoding="utf-8") == generate()
