"""Checks of both IRs: what breaks a rule raises `VerifyError`, with the place."""

from mlc.ir.verify.graphs import verify_graph
from mlc.ir.verify.loops import verify_func

__all__ = ["verify_func", "verify_graph"]
