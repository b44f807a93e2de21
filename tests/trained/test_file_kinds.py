"""What kind of file is this? A network that looks at the first and last kilobyte."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bench.zoo.files import MAGIKA
from mlc.demo.published import PublishedFile
from tests.trained.engines import Array, Both
from tests.trained.files import CAT, MAGIKA_CONFIG, MAGIKA_SOURCE, PALACE

PAGE = """<!DOCTYPE html>
<html lang="en">
  <head><meta charset="utf-8"><title>Timetable</title><link rel="stylesheet" href="a.css"></head>
  <body>
    <h1>Departures</h1>
    <table><tr><th>Time</th><th>To</th></tr><tr><td>09:42</td><td>Copenhagen</td></tr></table>
    <p>Please <a href="/gap.html">mind the gap</a> between train and platform.</p>
  </body>
</html>
"""


def features(content: bytes, config: dict[str, Any]) -> Array:
    """The bytes at both ends, white space stripped, filled up with a token that is no byte."""
    first = content[: config["block_size"]].lstrip()[: config["beg_size"]]
    last = content[-config["block_size"] :].rstrip()[-config["end_size"] :]
    tokens = np.full(config["beg_size"] + config["end_size"], config["padding_token"], np.int32)
    tokens[: len(first)] = list(first)
    tokens[len(tokens) - len(last) :] = list(last)
    return tokens


def content_of(file: PublishedFile) -> bytes:
    return file.path().read_bytes()


@pytest.fixture(scope="module")
def both() -> Both:
    return Both(MAGIKA.path())


def test_kinds_of_files(both: Both) -> None:
    config = json.loads(content_of(MAGIKA_CONFIG))
    samples = {
        "python": content_of(MAGIKA_SOURCE),
        "json": content_of(MAGIKA_CONFIG),
        "png": content_of(CAT),
        "jpeg": content_of(PALACE),
        "html": PAGE.encode(),
    }
    tokens = {kind: features(content, config) for kind, content in samples.items()}
    labels = config["target_labels_space"]
    alone = [both({"bytes": sample[None]})["target_label"][0] for sample in tokens.values()]
    assert [labels[row.argmax()] for row in alone] == list(samples)
    assert min(row.max() for row in alone) > config["medium_confidence_threshold"]
    together = both({"bytes": np.stack(list(tokens.values()))})["target_label"]
    np.testing.assert_allclose(together, alone, atol=1e-5)
