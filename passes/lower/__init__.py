"""Graph → loops: groups become kernels, values get places in memory."""
