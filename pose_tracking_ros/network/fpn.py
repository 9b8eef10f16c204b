"""Feature pyramids: torchvision's for the paper's presets, a separable one for `lite`."""

from __future__ import annotations

from collections import OrderedDict

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

LEVELS = ('p2', 'p3', 'p4', 'p5', 'p6')
STRIDES = {'p2': 4, 'p3': 8, 'p4': 16, 'p5': 32, 'p6': 64}


def separable(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a depthwise convolution, a pointwise one, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class PaperPyramid(nn.Module):
    """FPN of Lin et al. (arXiv 1612.03144), by torchvision, with P6 by subsampling.

    Args:
        inputs: channels of c2 to c5.
        channels: of every output level.
    """

    def __init__(self, inputs: list[int], channels: int) -> None:
        super().__init__()
        self.fpn = FeaturePyramidNetwork(inputs, channels, extra_blocks=LastLevelMaxPool())
        self.channels = channels

    def forward(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return p2 to p6, strides 4 to 64."""
        out = self.fpn(OrderedDict(maps))
        return dict(zip(LEVELS, out.values(), strict=True))


class SeparablePyramid(nn.Module):
    """FPN with separable output convolutions: a twelfth of the multiplications.

    Args:
        inputs: channels of c2 to c5.
        channels: of every output level.
    """

    def __init__(self, inputs: list[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(n, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for n in inputs
        )
        self.output = nn.ModuleList(separable(channels, channels) for _ in inputs)
        self.channels = channels

    def forward(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return p2 to p6, strides 4 to 64."""
        sides = [lateral(x) for lateral, x in zip(self.lateral, maps.values(), strict=True)]
        merged = [sides[-1]]
        for side in reversed(sides[:-1]):
            merged.append(side + F.interpolate(merged[-1], size=side.shape[-2:], mode='nearest'))
        levels = [out(x) for out, x in zip(self.output, reversed(merged), strict=True)]
        levels.append(F.max_pool2d(levels[-1], 1, stride=2))
        return dict(zip(LEVELS, levels, strict=True))
