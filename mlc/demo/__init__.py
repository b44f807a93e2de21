"""A demonstration: read the words of a picture with two compiled neural networks."""
