"""The table of all models: how each is made, and what it is fed."""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx
import platformdirs

from bench.zoo import builder, feeds, light, mobile, published, small, transformer
from bench.zoo.builder import Array


@dataclass(frozen=True)
class Entry:
    """A model: `make(batch)` builds it, `inputs(batch)` gives what to feed it."""

    make: Callable[[int], onnx.ModelProto]
    inputs: Callable[[int], Mapping[str, Array]]


def _image(name: str) -> Callable[[int], Mapping[str, Array]]:
    return partial(feeds.normal, name, (3, 224, 224))


ENTRIES: Mapping[str, Entry] = {
    "bvlc_alexnet": Entry(partial(light.light, "bvlc_alexnet"), _image("data_0")),
    "densenet121": Entry(partial(light.light, "densenet121"), _image("data_0")),
    "inception_v1": Entry(partial(light.light, "inception_v1"), _image("data_0")),
    "inception_v2": Entry(partial(light.light, "inception_v2"), _image("data_0")),
    "resnet50": Entry(partial(light.light, "resnet50"), _image("gpu_0/data_0")),
    "shufflenet": Entry(partial(light.light, "shufflenet"), _image("gpu_0/data_0")),
    "squeezenet": Entry(partial(light.light, "squeezenet"), _image("data_0")),
    "vgg19": Entry(partial(light.light, "vgg19"), _image("data_0")),
    "zfnet512": Entry(partial(light.light, "zfnet512"), _image("gpu_0/data_0")),
    "mobilenetv2": Entry(mobile.mobilenetv2, _image("x")),
    "efficientnet_lite0": Entry(mobile.efficientnet_lite0, _image("x")),
    "bert_base": Entry(transformer.bert_base, feeds.tokens),
    "minilm_l6": Entry(transformer.minilm_l6, feeds.tokens),
    "paraphrase_minilm": Entry(published.paraphrase_minilm, feeds.tokens),
    "gpt2_prompt": Entry(transformer.gpt2_prompt, partial(feeds.prompt, transformer.PROMPT)),
    "gpt2_step": Entry(transformer.gpt2_step, feeds.step),
    "lstm": Entry(small.lstm, partial(feeds.sequence, "x", 64, 128)),
    "gru": Entry(small.gru, partial(feeds.sequence, "x", 32, 64)),
    "mlp": Entry(small.mlp, partial(feeds.normal, "x", (784,))),
    "tiny_mlp": Entry(small.tiny_mlp, partial(feeds.normal, "x", (16,))),
    "ppocr_det": Entry(published.ppocr_det, feeds.photograph),
    "ppocr_rec": Entry(published.ppocr_rec, partial(feeds.lines, 320)),
    "ppocr_cls": Entry(published.ppocr_cls, partial(feeds.lines, 192)),
    "silero": Entry(published.silero, feeds.frame),
    "magika": Entry(published.magika, feeds.file_ends),
    "basic_pitch": Entry(
        published.basic_pitch, partial(feeds.hum, published.SOUND, published.SOUND_SAMPLES)
    ),
}


def inputs(name: str, batch: int = 1) -> Mapping[str, Array]:
    """What the model `name` is fed, by input name: the same arrays at every call."""
    return ENTRIES[name].inputs(batch)


def build(name: str, batch: int = 1) -> Path:
    """The ONNX file of the model `name` for `batch` samples, made at the first call.

    It lies in the user's cache directory, and is made anew when the code that makes it has changed.
    Several processes may ask at once.
    """
    folder = platformdirs.user_cache_path("mlc") / "zoo"
    path = folder / f"{name}-batch{batch}-{_digest(ENTRIES[name].make)}.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        model = ENTRIES[name].make(batch)
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            whole = Path(unfinished) / path.name
            onnx.save(model, whole)
            whole.replace(path)
        for old in folder.glob(f"{name}-batch{batch}-*"):
            if old.stem != path.stem:
                old.unlink(missing_ok=True)
    return path


def _digest(make: Callable[[int], onnx.ModelProto]) -> str:
    """A short name for the code that makes a model, and the versions that it depends on."""
    function = make.func if isinstance(make, partial) else make
    code = [inspect.getsource(inspect.getmodule(function) or builder), inspect.getsource(builder)]
    return hashlib.sha256("\n".join([*code, onnx.__version__]).encode()).hexdigest()[:12]
