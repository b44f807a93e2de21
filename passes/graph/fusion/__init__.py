"""Vertical fusion: how groups grow, what may be in one (legality), what pays (profitability)."""
