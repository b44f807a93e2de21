"""Networks of inverted residuals: MobileNetV2 and EfficientNet-Lite0, with random weights.

MobileNetV2: Sandler et al. 2018, table 2. EfficientNet-Lite0: Tan and Le 2019, table 1, without
squeeze-and-excitation and with ReLU6, as published for mobile devices; it pads as TensorFlow does,
on the far side first.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from bench.zoo.builder import GraphBuilder


@dataclass(frozen=True)
class Stage:
    """`repeats` blocks; only the first one strides."""

    expansion: int
    channels: int
    repeats: int
    stride: int
    kernel: int = 3


MOBILENET_V2 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)
EFFICIENTNET_LITE0 = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 40, 2, 2, kernel=5),
    Stage(6, 80, 3, 2),
    Stage(6, 112, 3, 1, kernel=5),
    Stage(6, 192, 4, 2, kernel=5),
    Stage(6, 320, 1, 1),
)


class _Network(GraphBuilder):
    """Adds the layers that both networks are made of; tensors are (name, channels)."""

    def __init__(self, seed: int, pad_far_side: bool) -> None:
        super().__init__(seed)
        self.pad_far_side = pad_far_side
        self.zero, self.six = self.constant(0.0), self.constant(6.0)

    def convolution(
        self, tensor: str, into: int, out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> str:
        """Convolution and BatchNorm."""
        fan_in = into // groups * kernel * kernel
        weight = self.normal(out, into // groups, kernel, kernel, spread=(2 / fan_in) ** 0.5)
        total = kernel - stride if self.pad_far_side else 2 * (kernel // 2)
        near = total // 2
        pads = [near, near, total - near, total - near]
        tensor = self.node(
            "Conv",
            tensor,
            weight,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=pads,
            group=groups,
        )
        scale = self.uniform(out, low=0.7, high=1.3)
        shift, mean = self.normal(out, spread=0.1), self.normal(out, spread=0.1)
        variance = self.uniform(out, low=0.6, high=1.4)
        return str(self.node("BatchNormalization", tensor, scale, shift, mean, variance))

    def relu6(self, tensor: str) -> str:
        return str(self.node("Clip", tensor, self.zero, self.six))

    def block(self, tensor: str, into: int, stage: Stage, stride: int) -> str:
        """An inverted residual: expand, filter each channel, project."""
        hidden = into * stage.expansion
        inner = tensor
        if stage.expansion > 1:
            inner = self.relu6(self.convolution(inner, into, hidden, 1))
        inner = self.convolution(inner, hidden, hidden, stage.kernel, stride, groups=hidden)
        inner = self.convolution(self.relu6(inner), hidden, stage.channels, 1)
        if stride == 1 and into == stage.channels:
            return str(self.node("Add", tensor, inner))
        return inner

    def body(self, tensor: str, stages: tuple[Stage, ...]) -> str:
        """Everything up to the 1280 features of the last convolution."""
        tensor = self.relu6(self.convolution(tensor, 3, 32, 3, stride=2))
        channels = 32
        for stage in stages:
            for index in range(stage.repeats):
                tensor = self.block(tensor, channels, stage, stage.stride if index == 0 else 1)
                channels = stage.channels
        return self.relu6(self.convolution(tensor, channels, 1280, 1))


def mobilenetv2(batch: int) -> onnx.ModelProto:
    """MobileNetV2 at 224×224, width 1.0."""
    net = _Network(seed=20, pad_far_side=False)
    features = net.body("x", MOBILENET_V2)
    pooled = net.node("ReduceMean", features, axes=[2, 3], keepdims=0)
    logits = net.linear(pooled, 1280, 1000)
    return net.model(
        "mobilenetv2",
        {"x": (TensorProto.FLOAT, (batch, 3, 224, 224))},
        {"logits": (logits, (batch, 1000))},
    )


def efficientnet_lite0(batch: int) -> onnx.ModelProto:
    """EfficientNet-Lite0 at 224×224."""
    net = _Network(seed=21, pad_far_side=True)
    features = net.body("x", EFFICIENTNET_LITE0)
    pooled = net.node("Flatten", net.node("GlobalAveragePool", features), axis=1)
    probabilities = net.node("Softmax", net.linear(pooled, 1280, 1000), axis=-1)
    return net.model(
        "efficientnet_lite0",
        {"x": (TensorProto.FLOAT, (batch, 3, 224, 224))},
        {"probabilities": (probabilities, (batch, 1000))},
    )
