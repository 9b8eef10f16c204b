"""The multi-task network (MTN) of FastPose (arXiv 1908.05593 §3.1), put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image, nms

from pose_tracking_ros.network.backbone import Stages
from pose_tracking_ros.network.decode import (
    BOX_WEIGHTS,
    boxes_from_deltas,
    expand_boxes,
    fixed_round_nms,
    keypoints_from_heatmaps,
)
from pose_tracking_ros.network.heads import (
    BoxHead,
    LitePoseHead,
    LiteReidHead,
    PaperPoseHead,
    PaperReidHead,
    pool_regions,
)
from pose_tracking_ros.network.rpn import RegionProposals

# ImageNet statistics on the 0..255 scale, RGB.
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)
# The side of every input is a multiple of this: the stride of p6.
SIZE_STEP_PX = 64


@dataclass(frozen=True)
class Selection:
    """How many boxes pass each stage of inference.

    Attributes:
        before_nms: proposals per pyramid level that enter non-maximum suppression.
        proposals: that reach the box head.
        max_people: that reach the pose and Re-ID heads.
        min_score: people below are dropped.
        nms_iou: of two people that overlap more, the worse is dropped.
        static: fixed shapes: always `max_people` rows with a mask, masked-update NMS, no
            data-dependent control flow. For GPUs and exported graphs. Without it, rows are as
            many as there are people: cheaper on a CPU.
    """

    before_nms: int = 300
    proposals: int = 100
    max_people: int = 100
    min_score: float = 0.3
    nms_iou: float = 0.5
    static: bool = False


class Detections(NamedTuple):
    """One image's people in px of the network's input, best first.

    `valid` is all true unless the shapes are static; rows where it is false mean nothing.
    """

    boxes: Float[Tensor, 'person 4']
    scores: Float[Tensor, 'person']
    keypoints: Float[Tensor, 'person joint 2']
    keypoint_scores: Float[Tensor, 'person joint']
    embeddings: Float[Tensor, 'person dim']
    valid: Bool[Tensor, 'person']


class MultiTaskNetwork(nn.Module):
    """Boxes, poses and embeddings of all people in one pass.

    Args:
        backbone: image to c2..c5.
        pyramid: c2..c5 to p2..p6.
        rpn: proposes regions.
        box_head: scores and refines them.
        pose_head: heatmaps of each person.
        reid_head: embedding of each person.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Stages,
        pyramid: nn.Module,
        rpn: RegionProposals,
        box_head: BoxHead,
        pose_head: PaperPoseHead | LitePoseHead,
        reid_head: PaperReidHead | LiteReidHead,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.rpn = rpn
        self.box_head = box_head
        self.pose_head = pose_head
        self.reid_head = reid_head
        self.register_buffer('mean', torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def features(self, images: Float[Tensor, 'image 3 height width']) -> dict[str, Tensor]:
        """Return p2..p6 of RGB images on the 0..255 scale.

        Raises:
            ValueError: the sides are not multiples of 64 px.
        """
        height, width = images.shape[-2:]
        if height % SIZE_STEP_PX or width % SIZE_STEP_PX:
            raise ValueError(
                f'network input: expected sides that are multiples of {SIZE_STEP_PX} px, '
                f'got {width}x{height}; pad the image'
            )
        levels: dict[str, Tensor] = self.pyramid(self.backbone((images - self.mean) / self.std))
        return levels

    @torch.no_grad()
    def forward(
        self, images: Float[Tensor, 'image 3 height width'], selection: Selection
    ) -> list[Detections]:
        """Find the people of each image.

        Args:
            images: RGB, 0..255; sides multiples of 64 px.
            selection: how many boxes pass each stage.
        """
        size = (int(images.shape[-2]), int(images.shape[-1]))
        levels = self.features(images)
        rpn = self.rpn(levels, size)
        results = []
        for image in range(len(images)):
            # RoIAlign wants this layout and would copy once per head and level otherwise.
            own = {name: level[image : image + 1].contiguous() for name, level in levels.items()}
            proposals = self.rpn.proposals(
                rpn, image, size, selection.before_nms, selection.proposals, selection.static
            )
            boxes, scores, valid = self._people(own, proposals, size, selection)
            keypoints, keypoint_scores, embeddings = self._details(own, boxes, selection.static)
            results.append(
                Detections(boxes, scores, keypoints, keypoint_scores, embeddings, valid)
            )
        return results

    @torch.no_grad()
    def embed(
        self,
        images: Float[Tensor, 'image 3 height width'],
        boxes: Float[Tensor, 'box 4'],
        image_index: Float[Tensor, 'box'],
    ) -> Float[Tensor, 'box dim']:
        """Return embeddings of people whose boxes are known.

        Args:
            images: RGB, 0..255; sides multiples of 64 px.
            boxes: corners, px of the network's input.
            image_index: which image each box is in.
        """
        levels = self.features(images)
        head = self.reid_head
        out: Tensor = head(
            pool_people(levels, boxes, head.grid, head.margin, image_index=image_index)
        )
        return out

    def _people(
        self,
        levels: dict[str, Tensor],
        proposals: Tensor,
        size: tuple[int, int],
        selection: Selection,
    ) -> tuple[Tensor, Tensor, Tensor]:
        pooled = pool_people(levels, proposals, self.box_head.grid, None, selection.static)
        logits, deltas = self.box_head(pooled)
        boxes = boxes_from_deltas(deltas, proposals, BOX_WEIGHTS)
        boxes = clip_boxes_to_image(boxes, size)
        scores = logits.sigmoid()
        # Not a person: too faint, or clipped away at the border.
        usable = (scores >= selection.min_score) & ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1)
        if not selection.static:
            boxes, scores = boxes[usable], scores[usable]
            keep = nms(boxes, scores, selection.nms_iou)[: selection.max_people]
            return boxes[keep], scores[keep], usable.new_ones(len(keep))
        scores = torch.where(usable, scores, scores.new_zeros(()))
        alive = usable & fixed_round_nms(boxes, scores, selection.nms_iou)
        ranked = torch.where(alive, scores, scores.new_full((), -1.0))
        top = ranked.topk(min(selection.max_people, len(ranked))).indices
        return boxes[top], scores[top], alive[top]

    def _details(
        self, levels: dict[str, Tensor], boxes: Tensor, static: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        pose, reid = self.pose_head, self.reid_head
        pooled = pool_people(levels, boxes, pose.grid, pose.margin, static)
        regions = expand_boxes(boxes, pose.grid, pose.margin)
        keypoints, scores = keypoints_from_heatmaps(pose(pooled), regions)
        if (reid.grid, reid.margin) != (pose.grid, pose.margin):
            pooled = pool_people(levels, boxes, reid.grid, reid.margin, static)
        return keypoints, scores, reid(pooled)


def pool_people(
    levels: dict[str, Tensor],
    boxes: Float[Tensor, 'box 4'],
    grid: tuple[int, int],
    margin: float | None,
    static: bool = False,
    image_index: Tensor | None = None,
) -> Float[Tensor, 'box channel rows columns']:
    """Pool a grid of features over each box.

    Args:
        levels: the pyramid.
        boxes: corners, px of the network's input.
        grid: rows and columns.
        margin: grow the boxes to the grid's shape and by this factor; None pools the box itself.
        static: see `Selection`.
        image_index: which image of the batch each box is in; None for the first.
    """
    size_px = (boxes[:, 2:] - boxes[:, :2]).prod(1).clamp_min(0).sqrt()
    regions = boxes if margin is None else expand_boxes(boxes, grid, margin)
    if image_index is None:
        image_index = torch.zeros_like(size_px)
    return pool_regions(levels, regions, image_index, size_px, grid, static)
