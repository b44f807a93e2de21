"""The text form of both IRs: `parse(print(x))` equals `x`."""

from mlc.ir.text.constants import Digests, digest_of, large_constants
from mlc.ir.text.parse_graph import parse_graph
from mlc.ir.text.parse_loops import parse_expr, parse_func, parse_stmt
from mlc.ir.text.print_graph import print_graph, print_type
from mlc.ir.text.print_loops import print_buffer, print_expr, print_func, print_stmt

__all__ = [
    "Digests",
    "digest_of",
    "large_constants",
    "parse_expr",
    "parse_func",
    "parse_graph",
    "parse_stmt",
    "print_buffer",
    "print_expr",
    "print_func",
    "print_graph",
    "print_stmt",
    "print_type",
]
