"""The LLVM back end: loop IR to LLVM IR to object code, and its run-time parts."""
