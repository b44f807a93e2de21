"""The zoo: the models that are measured and tested, made here or taken from published packages.

    path = build("resnet50", batch=1)       # an ONNX file in the user's cache directory
    feeds = inputs("resnet50", batch=1)     # {input name: array}, the same at every call

Architectures without published weights get seeded He-normal ones, with plausible BatchNorm
statistics and logits of a sane spread, so that no layer can be folded away or hide a wrong result.
Building again gives the same file; nothing but the published packages is downloaded.
"""

from bench.zoo.catalogue import ENTRIES as ENTRIES
from bench.zoo.catalogue import Entry as Entry
from bench.zoo.catalogue import build as build
from bench.zoo.catalogue import inputs as inputs

__all__ = ["ENTRIES", "Entry", "build", "inputs"]
