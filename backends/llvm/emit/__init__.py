"""Loop IR → LLVM IR text: SSA with explicit vectors, register buffers as values and phis."""
