"""The multi-task network (MTN) of FastPose (arXiv 1908.05593 §3.1), put together."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pose_tracking_ros.network.backbone import Stages
from pose_tracking_ros.network.detection import Detections, Layout, Selection, find_people
from pose_tracking_ros.network.fpn import STRIDES
from pose_tracking_ros.network.heads import (
    BoxHead,
    PoseHead,
    ReidHead,
)
from pose_tracking_ros.network.heatmaps import DEFAULT_DECODING, Decoding
from pose_tracking_ros.network.parts import BoxPart, Normalisation, Parts, PersonPart, Trunk
from pose_tracking_ros.network.pooling import FeatureTable, table_rows
from pose_tracking_ros.network.rpn import RegionProposals

# The side of every input is a multiple of this: the stride of p5, whose map the way down of the
# pyramid doubles up to p2's. p6, made from p5, rounds up.
SIZE_STEP_PX = STRIDES['p5']


class MultiTaskNetwork(nn.Module):
    """Boxes, poses and embeddings of all people in one pass.

    Args:
        backbone: image to c2..c5.
        pyramid: c2..c5 to p2..p6.
        rpn: proposes regions.
        box_head: scores and refines them.
        pose_head: heatmaps of each person.
        reid_head: embedding of each person.

    Attributes:
        decoding: what the pose head's heatmaps mean, which follows from the loss it was trained
            with. No part of the arrays: checkpoints carry it beside them.
    """

    def __init__(
        self,
        backbone: Stages,
        pyramid: nn.Module,
        rpn: RegionProposals,
        box_head: BoxHead,
        pose_head: PoseHead,
        reid_head: ReidHead,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.rpn = rpn
        self.box_head = box_head
        self.pose_head = pose_head
        self.reid_head = reid_head
        self.normalise = Normalisation()
        self.decoding: Decoding = DEFAULT_DECODING

    @property
    def layout(self) -> Layout:
        """Return what the heads read, and how heatmaps are decoded."""
        return Layout(
            box=self.box_head.pooling,
            pose=self.pose_head.pooling,
            reid=self.reid_head.pooling,
            joints=self.pose_head.joints,
            dim=self.reid_head.dim,
            decoding=self.decoding,
        )

    def parts(self) -> Parts:
        """Return the parts that `find_people` wants, run by torch."""
        return Parts(
            Trunk(self.normalise, self.backbone, self.pyramid, self.rpn),
            BoxPart(self.box_head),
            PersonPart(self.pose_head, self.reid_head),
        )

    def features(self, images: Float[Tensor, 'image 3 height width']) -> dict[str, Tensor]:
        """Return p2..p6 of RGB images on the 0..255 scale.

        Raises:
            ValueError: the sides are not multiples of 32 px.
        """
        height, width = images.shape[-2:]
        if height % SIZE_STEP_PX or width % SIZE_STEP_PX:
            raise ValueError(
                f'network input: expected sides that are multiples of {SIZE_STEP_PX} px, '
                f'got {width}x{height}; pad the image'
            )
        levels: dict[str, Tensor] = self.pyramid(self.backbone(self.normalise(images)))
        return levels

    @torch.no_grad()
    def forward(
        self, images: Float[Tensor, 'image 3 height width'], selection: Selection
    ) -> list[Detections]:
        """Find the people of each image.

        Args:
            images: RGB, 0..255; sides multiples of 32 px.
            selection: how many boxes pass each stage.
        """
        size = (int(images.shape[-2]), int(images.shape[-1]))
        levels = self.features(images)
        rpn = self.rpn(levels, size)
        parts = self.parts()
        return [
            find_people(
                parts,
                self.layout,
                self.rpn,
                FeatureTable(table_rows(levels, image), size),
                self.rpn.of_image(rpn, image),
                selection,
            )
            for image in range(len(images))
        ]
