"""Load and call compiled models. A leaf: it needs NumPy and cffi alone, and no compiler."""
