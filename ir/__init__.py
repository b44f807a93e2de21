"""The two intermediate representations: the graph of tensors and the loops inside a kernel."""
