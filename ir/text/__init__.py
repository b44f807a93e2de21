"""The text form of both IRs: `parse(print(x))` equals `x`."""

from mlc.ir.text.parse_loops import parse_expr, parse_func, parse_stmt
from mlc.ir.text.print_loops import print_expr, print_func, print_stmt

__all__ = ["parse_expr", "parse_func", "parse_stmt", "print_expr", "print_func", "print_stmt"]
