"""Constants of a graph in text: small ones element by element, others by a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mlc.ir.dtype import DType, dtype_of
from mlc.ir.graph import Graph

Array = np.ndarray[Any, np.dtype[Any]]

MOST_INLINE = 16
"""Constants of up to this many elements are written out."""


_WORTH_A_THREAD = 1 << 16


def digest_of(array: Array) -> str:
    """SHA-256 (hexadecimal) of an array's dtype, shape and elements in row-major order."""
    dtype = dtype_of(array.dtype)
    dense = np.ascontiguousarray(array, dtype.numpy).reshape(-1)
    hashed = hashlib.sha256(f"{dtype}{list(array.shape)}".encode())
    hashed.update(dense.view(np.uint8).data)
    return hashed.hexdigest()


class Digests:
    """`digest_of` that computes each array's digest once, for who prints one graph many times.

    It keeps the arrays, so that no other array comes to be at their place.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Array, str]] = {}

    def __call__(self, array: Array) -> str:
        if id(array) not in self._known:
            self._known[id(array)] = (array, digest_of(array))
        return self._known[id(array)][1]

    def learn(self, arrays: Iterable[Array], threads: int) -> None:
        """Compute the digests of several arrays side by side; small ones are not worth it."""
        large = [array for array in arrays if array.nbytes >= _WORTH_A_THREAD]
        unknown = {id(array): array for array in large if id(array) not in self._known}
        with ThreadPoolExecutor(threads) as pool:  # hashing releases the interpreter's lock
            digests = pool.map(digest_of, unknown.values())
            for array, digest in zip(unknown.values(), digests, strict=True):
                self._known[id(array)] = (array, digest)


def print_elements(array: Array) -> str | None:
    """The elements in row-major order, or None where the array is large or would not read back.

    >>> print_elements(np.array([[0.1, 2], [3, np.inf]], np.float32))
    '[0.1, 2.0, 3.0, inf]'
    """
    if array.size > MOST_INLINE:
        return None
    dtype = dtype_of(array.dtype)
    numbers = [_print_element(value, dtype) for value in array.reshape(-1)]
    exact = array_of([_read_element(text) for text in numbers], dtype, array.shape)
    same = exact.tobytes() == np.ascontiguousarray(array, dtype.numpy).tobytes()
    return f"[{', '.join(numbers)}]" if same else None


def array_of(
    elements: list[float] | list[int] | list[bool], dtype: DType, shape: tuple[int, ...]
) -> Array:
    """An array of those elements, which are in row-major order."""
    array: Array = np.array(elements, object).astype(dtype.numpy).reshape(shape)
    return array


def _print_element(value: Any, dtype: DType) -> str:
    if dtype.kind == "bool":
        return "true" if value else "false"
    if not (dtype.is_float or dtype.is_storage):
        return str(int(value))
    wide = float(value)
    short = float(str(np.float32(value))) if dtype.bits <= 32 else wide
    return repr(short if dtype.numpy.type(short) == value else wide)


def _read_element(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.lstrip("-").isdigit() else float(text)


def large_constants(graph: Graph) -> dict[str, Array]:
    """The constants of a graph, and of graphs inside it, that its text gives by digest."""
    found = {
        digest_of(array): array
        for array in graph.constants.values()
        if print_elements(array) is None
    }
    for node in graph.nodes:
        for attr in node.attrs.values():
            if isinstance(attr, Graph):
                found |= large_constants(attr)
    return found
