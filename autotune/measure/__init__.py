"""Building and running candidates in processes of their own.

Nothing that a candidate does reaches the process that asked: a crash, an endless loop, a wrong
result and a lack of memory are each a status of its `Measurement`.
"""
