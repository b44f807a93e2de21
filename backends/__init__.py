"""Code generators: loop IR to machine code."""
