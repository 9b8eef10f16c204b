"""Feature pyramids: torchvision's for the paper's presets, MoveNet's for `lite`."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

LEVELS = ('p2', 'p3', 'p4', 'p5', 'p6')
# MobileNet-v2's last layer before its classifier.
_TOP_HIDDEN = 1280
STRIDES = {'p2': 4, 'p3': 8, 'p4': 16, 'p5': 32, 'p6': 64}


def grid_of(level: str, sides_px: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a level.

    Args:
        level: name.
        sides_px: height and width of the network's input, multiples of 32 px.
    """
    stride = STRIDES[level]
    return -(-sides_px[0] // stride), -(-sides_px[1] // stride)


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


class NarrowingPyramid(nn.Module):
    """MoveNet MultiPose's pyramid: its way down gets narrower as its maps get larger.

    Each output reads the backbone's map beside the one of the way down: 24 channels that were
    trained for joints alone say little of how somebody is dressed.

    Args:
        inputs: channels of c2 to c5.
        channels: of every output level.

    Attributes:
        top: c5 to the start of the way down.
        lateral: c4, c3 and c2 to what is added on the way down.
        smooth: from each of these sums to the next larger map.
    """

    def __init__(self, inputs: list[int], channels: int) -> None:
        super().__init__()
        c2, c3, c4, c5 = inputs
        self.top = nn.Sequential(
            nn.Conv2d(c5, _TOP_HIDDEN, 1), nn.ReLU6(inplace=True), nn.Conv2d(_TOP_HIDDEN, 64, 1)
        )
        self.lateral = nn.ModuleList(
            nn.Conv2d(n, width, 1) for n, width in ((c4, 64), (c3, 32), (c2, 24))
        )
        self.smooth = nn.ModuleList(_smoothed(*ends) for ends in ((64, 32), (32, 24), (24, 24)))
        self.output = nn.ModuleList(
            separable(n, channels) for n in (24 + c2, 32 + c3, 64 + c4, 64 + c5)
        )
        self.channels = channels

    def forward(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return p2 to p6, strides 4 to 64."""
        c2, c3, c4, c5 = maps.values()
        down = self.top(c5)
        sides = [torch.cat([down, c5], 1)]
        for lateral, smooth, side in zip(self.lateral, self.smooth, (c4, c3, c2), strict=True):
            down = F.interpolate(down, scale_factor=2.0, mode='bilinear') + lateral(side)
            smoothed = smooth(down)
            # The largest map is read after smoothing, as MoveNet's heads do.
            sides.append(torch.cat([smoothed if side is c2 else down, side], 1))
            down = smoothed
        levels = [out(x) for out, x in zip(self.output, reversed(sides), strict=True)]
        levels.append(F.max_pool2d(levels[-1], 1, stride=2))
        return dict(zip(LEVELS, levels, strict=True))


def _smoothed(inputs: int, outputs: int) -> nn.Sequential:
    # A batch norm is folded into the second convolution.
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1),
        nn.ReLU(inplace=True),
    )
