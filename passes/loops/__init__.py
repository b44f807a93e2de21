"""Loops → loops: what happens to a scheduled function before code is generated."""
