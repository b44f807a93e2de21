"""The steps of the host, one file per kind of value; see `mlc.staged.step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx

from mlc.importers.onnx.node import NodeView
from mlc.staged.held import Held
from mlc.staged.hosts import images, labels, loops, ngrams, optionals, sequences, strings, tensors
from mlc.staged.step import Bodies, HostStep, always, never


def _plain(
    function: Callable[..., Sequence[Held]], wants: Callable[[onnx.NodeProto], bool] = never
) -> HostStep:
    """The step of a function of the node and the values that it reads."""

    def run(node: NodeView, inputs: Sequence[Held], bodies: Bodies) -> Sequence[Held]:
        return function(node, *inputs)

    return HostStep(run, wants)


def _makes_strings(node: onnx.NodeProto) -> bool:
    """Whether a Constant or a Cast gives strings."""
    return any(
        attribute.name in ("value_string", "value_strings")
        or (attribute.name == "to" and attribute.i == onnx.TensorProto.STRING)
        or (attribute.name == "value" and attribute.t.data_type == onnx.TensorProto.STRING)
        for attribute in node.attribute
    )


def _has_string_labels(node: onnx.NodeProto) -> bool:
    """Whether a LabelEncoder's table holds strings; numbers are looked up by compiled code."""
    return any(
        attribute.name.endswith("_strings") or attribute.t.data_type == onnx.TensorProto.STRING
        for attribute in node.attribute
    )


def _scan(node: NodeView, inputs: Sequence[Held], bodies: Bodies) -> Sequence[Held]:
    """Operator set 8 has a batch axis, later ones do not."""
    return (loops.batched_scan if node.opset < 9 else loops.scan)(node, inputs, bodies)


HOST_STEPS: Mapping[tuple[str, str], HostStep] = {
    ("", "Loop"): HostStep(loops.loop),
    ("", "Scan"): HostStep(_scan),
    # Sequences and optionals.
    ("", "ConcatFromSequence"): _plain(sequences.concat),
    ("", "Optional"): _plain(optionals.optional, always),
    ("", "OptionalGetElement"): _plain(optionals.get_element),
    ("", "OptionalHasElement"): _plain(optionals.has_element),
    ("", "SequenceAt"): _plain(sequences.at),
    ("", "SequenceConstruct"): _plain(sequences.construct),
    ("", "SequenceEmpty"): _plain(sequences.empty),
    ("", "SequenceErase"): _plain(sequences.erase),
    ("", "SequenceInsert"): _plain(sequences.insert),
    ("", "SequenceLength"): _plain(sequences.length),
    ("", "SequenceMap"): HostStep(sequences.sequence_map),
    ("", "SplitToSequence"): _plain(sequences.split),
    # Strings alone.
    ("", "RegexFullMatch"): _plain(strings.regex_full_match),
    ("", "StringConcat"): _plain(strings.string_concat),
    ("", "StringNormalizer"): _plain(strings.string_normalizer),
    ("", "StringSplit"): _plain(strings.string_split),
    # Strings, where numbers have compiled code.
    ("", "Cast"): _plain(tensors.cast, _makes_strings),
    ("", "Concat"): _plain(tensors.concat),
    ("", "Constant"): _plain(tensors.constant, _makes_strings),
    ("", "Equal"): _plain(strings.equal),
    ("", "Expand"): _plain(tensors.expand),
    ("", "Flatten"): _plain(tensors.flatten),
    ("", "Gather"): _plain(tensors.gather),
    ("", "Identity"): _plain(optionals.identity),
    ("", "Reshape"): _plain(tensors.reshape),
    ("", "Shape"): _plain(tensors.shape),
    ("", "Size"): _plain(tensors.size),
    ("", "Squeeze"): _plain(tensors.squeeze),
    ("", "TfIdfVectorizer"): _plain(ngrams.tfidf_vectorizer),
    ("", "Transpose"): _plain(tensors.transpose),
    ("", "Unsqueeze"): _plain(tensors.unsqueeze),
    ("", "Where"): _plain(tensors.where),
    # Codecs.
    ("", "ImageDecoder"): _plain(images.image_decoder, always),
    ("com.microsoft", "Tokenizer"): _plain(strings.tokenizer),
    # Traditional machine learning.
    ("ai.onnx.ml", "ArrayFeatureExtractor"): _plain(tensors.array_feature_extractor),
    ("ai.onnx.ml", "CategoryMapper"): _plain(labels.category_mapper),
    ("ai.onnx.ml", "DictVectorizer"): _plain(labels.dict_vectorizer),
    ("ai.onnx.ml", "LabelEncoder"): _plain(labels.label_encoder, _has_string_labels),
    ("ai.onnx.ml", "OneHotEncoder"): _plain(labels.one_hot_encoder),
    ("ai.onnx.ml", "ZipMap"): _plain(labels.zip_map),
}
"""Domain ("" is ONNX's own) and name of the operator → its step."""
