"""Bilinear algorithms: products of linear combinations of what is read, combined to the results.

Winograd's for convolutions and Strassen's for matrix products: fewer multiplications than the plain
sums, more additions. What they compute is a `problem`, the loops are made in `nests`.
"""
