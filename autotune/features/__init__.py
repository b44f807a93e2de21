"""Features of scheduled loops: what the cost model sees of a candidate.

They are taken from the loops as a schedule leaves them, with their annotations, not after tails and
vectors have been spelled out: the annotated nest is small, quick to walk, and says what was chosen.
`FEATURES` is the table of names and meanings.
"""

from mlc.autotune.features.table import FEATURE_NAMES as FEATURE_NAMES
from mlc.autotune.features.table import FEATURE_VERSION as FEATURE_VERSION
from mlc.autotune.features.table import FEATURES as FEATURES
from mlc.autotune.features.vector import features as features

__all__ = ["FEATURES", "FEATURE_NAMES", "FEATURE_VERSION", "features"]
