"""The parts of `bench.tuning`: one file per question."""
