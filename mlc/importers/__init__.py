"""Importers: one package per source format, each gives an `mlc.ir.graph.Graph`."""
