"""The network in three parts that compute nothing but convolutions and products.

Between them lies what depends on the data: choosing proposals, suppressing boxes, pooling. The
parts have no control flow, so that compilers and other runtimes can take them over; `Parts` is
what they hand back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pose_tracking_ros.network.pooling import table_rows
from pose_tracking_ros.network.rpn import RegionProposals

# ImageNet statistics on the 0..255 scale, RGB.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


class Parts(NamedTuple):
    """The three parts, by whatever runs them. Arrays are float32 (half on a GPU).

    Attributes:
        trunk: see `Trunk`.
        box: see `BoxPart`.
        person: see `PersonPart`.
    """

    trunk: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
    box: Callable[[Tensor], tuple[Tensor, Tensor]]
    person: Callable[..., tuple[Tensor, Tensor]]


class Normalisation(nn.Module):
    """RGB on the 0..255 scale to what ImageNet's backbones want."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, 'image 3 height width']) -> Tensor:
        """Return images with about zero mean and unit variance."""
        return (images - self.mean) / self.std

    def channels_last(self, images: Float[Tensor, 'image height width 3']) -> Tensor:
        """Do the same where channels come last."""
        return (images - self.mean.flatten()) / self.std.flatten()


class Trunk(nn.Module):
    """Backbone, pyramid and RPN head: one image to features and raw proposals.

    Args:
        normalise: of pixels.
        backbone: image to c2..c5.
        pyramid: c2..c5 to p2..p6.
        rpn: scores and refines anchors.
    """

    def __init__(
        self,
        normalise: Normalisation,
        backbone: nn.Module,
        pyramid: nn.Module,
        rpn: RegionProposals,
    ) -> None:
        super().__init__()
        self.normalise, self.backbone, self.pyramid = normalise, backbone, pyramid
        self.rpn = rpn

    def forward(
        self, pixels: UInt8[Tensor, '1 height width 3']
    ) -> tuple[
        Float[Tensor, 'cell channel'], Float[Tensor, '1 anchor'], Float[Tensor, '1 anchor 4']
    ]:
        """Return the rows of the feature table, objectness logits, and box deltas.

        Args:
            pixels: RGB, sides multiples of 32 px.
        """
        levels = self.levels(pixels)
        logits, deltas = self.rpn.predictions(levels)
        return table_rows(levels), logits, deltas

    def of_many(
        self, pixels: UInt8[Tensor, 'image height width 3']
    ) -> list[
        tuple[
            Float[Tensor, 'cell channel'], Float[Tensor, '1 anchor'], Float[Tensor, '1 anchor 4']
        ]
    ]:
        """Return for each of several images what `forward` returns for one."""
        levels = self.levels(pixels)
        logits, deltas = self.rpn.predictions(levels)
        return [
            (table_rows(levels, image), logits[image : image + 1], deltas[image : image + 1])
            for image in range(len(pixels))
        ]

    def levels(self, pixels: UInt8[Tensor, 'image height width 3']) -> dict[str, Tensor]:
        """Return p2..p6 of RGB images."""
        # Turned last: a runtime that keeps channels last then has nothing to move.
        images = self.normalise.channels_last(pixels.float()).permute(0, 3, 1, 2)
        levels: dict[str, Tensor] = self.pyramid(self.backbone(images))
        return levels


class BoxPart(nn.Module):
    """The box head on what `pool_table` gives."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(
        self, pooled: Float[Tensor, 'box row column channel']
    ) -> tuple[Float[Tensor, 'box'], Float[Tensor, 'box 4']]:
        """Return person logits and deltas relative to the pooled boxes."""
        logits, deltas = self.head(pooled.permute(0, 3, 1, 2))
        return logits, deltas


class PersonPart(nn.Module):
    """Pose and Re-ID head on what `pool_table` gives."""

    def __init__(self, pose: nn.Module, reid: nn.Module) -> None:
        super().__init__()
        self.pose, self.reid = pose, reid

    def forward(
        self,
        for_pose: Float[Tensor, 'person row column channel'],
        for_reid: Tensor | None = None,
    ) -> tuple[Float[Tensor, 'person joint rows columns'], Float[Tensor, 'person dim']]:
        """Return heatmap logits, and embeddings of unit length.

        Args:
            for_pose: pooled on the pose head's grid.
            for_reid: pooled on the Re-ID head's grid; not given where that is the same.
        """
        pose = for_pose.permute(0, 3, 1, 2)
        reid = pose if for_reid is None else for_reid.permute(0, 3, 1, 2)
        return self.pose(pose), self.reid(reid)
