"""Models whose shapes, branches or host-only values depend on data, run in compiled stages."""
