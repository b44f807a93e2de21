"""Features of scheduled loops: what the cost model sees of a candidate."""
