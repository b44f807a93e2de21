"""Winograd convolution: transform matrices, and the loop nests made of them."""
