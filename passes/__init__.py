"""Everything that rewrites: graph to graph, graph to loops, loops to loops, and their order."""
