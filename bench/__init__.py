"""Measurements: whole models beside other engines, compile time, and the cost of a call."""
