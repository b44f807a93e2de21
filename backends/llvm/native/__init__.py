"""The run-time parts that are linked into every compiled model, as LLVM IR text."""
