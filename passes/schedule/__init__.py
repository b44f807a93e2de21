"""Schedules: named, checked rewrites of a kernel's loops, and the trace that replays them."""
