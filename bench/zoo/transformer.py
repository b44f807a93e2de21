"""Transformers: BERT-base, MiniLM-L6 with its trained weights, and GPT-2 (prompt and single step).

BERT: Devlin et al. 2018; layer norm after each residual, exact GELU. GPT-2: Radford et al. 2019;
layer norm before, tanh GELU, the output layer shares the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import safetensors.numpy
from onnx import TensorProto

from bench.zoo.builder import Array, GraphBuilder
from bench.zoo.files import MINILM_L6_WEIGHTS

INT64, FLOAT = TensorProto.INT64, TensorProto.FLOAT


@dataclass(frozen=True)
class Size:
    """`layers` of `heads` heads over vectors of `width`; the inner layer has `inner`."""

    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int

    @property
    def head_width(self) -> int:
        return self.width // self.heads


BERT_BASE = Size(12, 768, 12, 3072, 30522)
MINILM_L6 = Size(6, 384, 12, 1536, 30522)
GPT2 = Size(12, 768, 12, 3072, 50257)
SEQUENCE = 128
PROMPT = 64
PAST = 128


class RandomWeights:
    """Stands in for a file of trained weights: any name gives a plausible array of that shape."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def __call__(self, name: str, *shape: int) -> Array:
        if len(shape) == 1:
            if "LayerNorm" in name and name.endswith("weight"):
                return self.random.uniform(0.8, 1.2, shape).astype(np.float32)
            spread = 0.05 if "LayerNorm" in name else 0.02
        else:
            spread = 0.05 if "embeddings" in name else 0.7 * shape[1] ** -0.5
        values = self.random.standard_normal(shape, np.float32)
        return np.asarray(values * np.float32(spread))


class TrainedWeights:
    """Reads a checkpoint at `path`, by the names of the usual BERT layout."""

    def __init__(self, path: Path) -> None:
        self.tensors = safetensors.numpy.load_file(path)

    def __call__(self, name: str, *shape: int) -> Array:
        tensor = self.tensors[name]
        if tensor.shape != shape:
            raise ValueError(f"weight {name} has shape {tensor.shape}, expected {shape}")
        return tensor


class _Transformer(GraphBuilder):
    """Adds the parts that all of these networks have; `weights(name, *shape)` gives the values."""

    def __init__(self, size: Size, weights: Any) -> None:
        super().__init__(seed=0)
        self.size = size
        self.weights = weights

    def weight(self, name: str, *shape: int) -> str:
        return self.constant(self.weights(name, *shape))

    def dense(self, tensor: str, name: str, features_in: int, features_out: int) -> str:
        """A matrix product over the last dimension and a bias, exported as MatMul and Add."""
        matrix = self.constant(self.weights(f"{name}.weight", features_out, features_in).T)
        product = self.node("MatMul", tensor, matrix)
        return str(self.node("Add", self.weight(f"{name}.bias", features_out), product))

    def norm(self, tensor: str, name: str, epsilon: float) -> str:
        width = self.size.width
        scale = self.weight(f"{name}.weight", width)
        shift = self.weight(f"{name}.bias", width)
        return str(self.node("LayerNormalization", tensor, scale, shift, axis=-1, epsilon=epsilon))

    def heads(self, tensor: str, batch: int, length: int) -> str:
        """[batch, length, width] to [batch, heads, length, head width]."""
        shape = self.integers(batch, length, self.size.heads, self.size.head_width)
        return str(self.node("Transpose", self.node("Reshape", tensor, shape), perm=[0, 2, 1, 3]))

    def attend(self, query: str, key: str, value: str, mask: str | None) -> str:
        """softmax(query · keyᵀ / √d + mask) · value, the heads side by side again."""
        flipped = self.node("Transpose", key, perm=[0, 1, 3, 2])
        scores = self.node("MatMul", query, flipped)
        scores = self.node("Div", scores, self.constant(self.size.head_width**0.5))
        if mask is not None:
            scores = self.node("Add", scores, mask)
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        mixed = self.node("Transpose", mixed, perm=[0, 2, 1, 3])
        return str(self.node("Reshape", mixed, self.integers(0, 0, self.size.width)))

    def exact_gelu(self, tensor: str) -> str:
        error = self.node("Erf", self.node("Div", tensor, self.constant(2**0.5)))
        grown = self.node("Mul", tensor, self.node("Add", error, self.constant(1.0)))
        return str(self.node("Mul", grown, self.constant(0.5)))

    def tanh_gelu(self, tensor: str) -> str:
        cube = self.node("Pow", tensor, self.constant(3.0))
        inner = self.node("Add", tensor, self.node("Mul", cube, self.constant(0.044715)))
        inner = self.node("Mul", inner, self.constant((2 / np.pi) ** 0.5))
        grown = self.node("Add", self.node("Tanh", inner), self.constant(1.0))
        half = self.node("Mul", tensor, self.constant(0.5))
        return str(self.node("Mul", half, grown))


def _bert(net: _Transformer, batch: int) -> tuple[str, str]:
    """The encoder: (last hidden state, the attention mask as float)."""
    size = net.size
    words = net.weight("embeddings.word_embeddings.weight", size.vocabulary, size.width)
    positions = net.weights("embeddings.position_embeddings.weight", 512, size.width)[:SEQUENCE]
    types = net.weights("embeddings.token_type_embeddings.weight", 2, size.width)[0]
    tensor = net.node("Gather", words, "input_ids", axis=0)
    tensor = net.node("Add", tensor, net.constant(positions[None] + types))
    tensor = net.norm(tensor, "embeddings.LayerNorm", 1e-12)
    kept = net.node("Cast", "attention_mask", to=FLOAT)
    dropped = net.node("Sub", net.constant(1.0), net.node("Unsqueeze", kept, net.integers(1, 2)))
    mask = net.node("Mul", dropped, net.constant(-10000.0))
    for index in range(size.layers):
        layer = f"encoder.layer.{index}"
        query, key, value = (
            net.heads(
                net.dense(tensor, f"{layer}.attention.self.{part}", size.width, size.width),
                batch,
                SEQUENCE,
            )
            for part in ("query", "key", "value")
        )
        mixed = net.attend(query, key, value, mask)
        mixed = net.dense(mixed, f"{layer}.attention.output.dense", size.width, size.width)
        tensor = net.norm(
            net.node("Add", mixed, tensor), f"{layer}.attention.output.LayerNorm", 1e-12
        )
        inner = net.dense(tensor, f"{layer}.intermediate.dense", size.width, size.inner)
        inner = net.dense(net.exact_gelu(inner), f"{layer}.output.dense", size.inner, size.width)
        tensor = net.norm(net.node("Add", inner, tensor), f"{layer}.output.LayerNorm", 1e-12)
    return str(tensor), str(kept)


def bert_base(batch: int) -> onnx.ModelProto:
    """BERT-base over 128 tokens, random weights."""
    net = _Transformer(BERT_BASE, RandomWeights(seed=40))
    hidden, _ = _bert(net, batch)
    return net.model(
        "bert_base", _token_inputs(batch), {"last_hidden_state": (hidden, (batch, SEQUENCE, 768))}
    )


def minilm_l6(batch: int) -> onnx.ModelProto:
    """all-MiniLM-L6-v2 over 128 tokens, trained: mean pooling and a normalised embedding."""
    net = _Transformer(MINILM_L6, TrainedWeights(MINILM_L6_WEIGHTS.path()))
    hidden, kept = _bert(net, batch)
    kept = net.node("Unsqueeze", kept, net.integers(-1))
    total = net.node("ReduceSum", net.node("Mul", hidden, kept), net.integers(1), keepdims=0)
    count = net.node("ReduceSum", kept, net.integers(1), keepdims=0)
    mean = net.node("Div", total, net.node("Clip", count, net.constant(1e-9)))
    length = net.node("ReduceL2", mean, axes=[1], keepdims=1)
    embedding = net.node("Div", mean, net.node("Clip", length, net.constant(1e-12)))
    return net.model("minilm_l6", _token_inputs(batch), {"embedding": (embedding, (batch, 384))})


def _token_inputs(batch: int) -> dict[str, tuple[int, tuple[int, ...]]]:
    shape = (batch, SEQUENCE)
    return {"input_ids": (INT64, shape), "attention_mask": (INT64, shape)}


def _gpt2_block(
    net: _Transformer, tensor: str, index: int, batch: int, length: int, past: bool
) -> tuple[str, str, str]:
    """One block: (output, key, value); `past` appends to the keys and values given as inputs."""
    size, layer = net.size, f"h.{index}"
    normed = net.norm(tensor, f"{layer}.LayerNorm_1", 1e-5)
    joined = net.dense(normed, f"{layer}.attention", size.width, 3 * size.width)
    query, key, value = (
        net.heads(part, batch, length)
        for part in net.node("Split", joined, net.integers(*[size.width] * 3), outputs=3, axis=-1)
    )
    if past:
        which = net.constant(index, np.int64)
        key, value = (
            net.node("Concat", net.node("Gather", before, which, axis=0), new, axis=2)
            for before, new in (("past_key", key), ("past_value", value))
        )
        mask = None
    else:
        mask = net.constant(np.triu(np.full((length, length), -1e9, np.float32), 1)[None, None])
    mixed = net.attend(query, key, value, mask)
    tensor = net.node("Add", tensor, net.dense(mixed, f"{layer}.output", size.width, size.width))
    inner = net.norm(tensor, f"{layer}.LayerNorm_2", 1e-5)
    inner = net.tanh_gelu(net.dense(inner, f"{layer}.inner", size.width, size.inner))
    inner = net.dense(inner, f"{layer}.outer", size.inner, size.width)
    return str(net.node("Add", tensor, inner)), key, value


def _gpt2(batch: int, length: int, past: int) -> onnx.ModelProto:
    size = GPT2
    net = _Transformer(size, RandomWeights(seed=41))
    words = net.weight("embeddings.words", size.vocabulary, size.width)
    positions = net.weights("embeddings.positions", 1024, size.width)[past : past + length]
    tensor = net.node("Gather", words, "input_ids", axis=0)
    tensor = str(net.node("Add", tensor, net.constant(positions[None])))
    keys, values = [], []
    for index in range(size.layers):
        tensor, key, value = _gpt2_block(net, tensor, index, batch, length, past > 0)
        keys.append(net.node("Unsqueeze", key, net.integers(0)))
        values.append(net.node("Unsqueeze", value, net.integers(0)))
    hidden = net.norm(tensor, "LayerNorm_last", 1e-5)
    logits = net.node("MatMul", hidden, net.node("Transpose", words, perm=[1, 0]))
    scores = (logits, (batch, length, size.vocabulary))
    inputs = {"input_ids": (INT64, (batch, length))}
    if not past:
        return net.model("gpt2_prompt", inputs, {"logits": scores})
    cache = (size.layers, batch, size.heads, past, size.head_width)
    grown = (size.layers, batch, size.heads, past + length, size.head_width)
    return net.model(
        "gpt2_step",
        {**inputs, "past_key": (FLOAT, cache), "past_value": (FLOAT, cache)},
        {
            "logits": scores,
            "key": (net.node("Concat", *keys, axis=0), grown),
            "value": (net.node("Concat", *values, axis=0), grown),
        },
    )


def gpt2_prompt(batch: int) -> onnx.ModelProto:
    """GPT-2 small over a prompt of 64 tokens."""
    return _gpt2(batch, PROMPT, past=0)


def gpt2_step(batch: int) -> onnx.ModelProto:
    """GPT-2 small, one token after 128: bound by memory; the grown keys and values come back."""
    return _gpt2(batch, 1, PAST)
