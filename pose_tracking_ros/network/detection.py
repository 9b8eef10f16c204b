"""From raw predictions to people: proposals, boxes, poses, embeddings of one image.

The same code whatever runs the dense parts of the network (`parts.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, nms

from pose_tracking_ros.network.decode import (
    BOX_WEIGHTS,
    boxes_from_deltas,
    fixed_round_nms,
)
from pose_tracking_ros.network.heatmaps import DEFAULT_DECODING, Decoding, decode_heatmaps
from pose_tracking_ros.network.parts import Parts
from pose_tracking_ros.network.pooling import FeatureTable, Pooling, pool_table
from pose_tracking_ros.network.rpn import RegionProposals, RPNOutput

# Pooled grids of so many boxes pass the box part at once on a CPU. A thousand of the paper's are
# 50 MB, more than glibc's allocator keeps for later: each image paid 20 ms for fresh pages.
_BOXES_AT_ONCE = 500


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


@dataclass(frozen=True)
class Layout:
    """Which features each head reads, and how heatmaps are decoded.

    Attributes:
        box: over a proposal.
        pose: over a person's box.
        reid: likewise, for the embedding.
        joints: that the pose head estimates.
        dim: length of an embedding.
        decoding: what the pose head's heatmaps mean.
    """

    box: Pooling
    pose: Pooling
    reid: Pooling
    joints: int
    dim: int
    decoding: Decoding = DEFAULT_DECODING

    @property
    def is_pooled_once(self) -> bool:
        """Whether pose and Re-ID head read the same features."""
        return self.pose == self.reid


def find_people(
    parts: Parts,
    layout: Layout,
    rpn: RegionProposals,
    table: FeatureTable,
    output: RPNOutput,
    selection: Selection,
) -> Detections:
    """Return the people of one image.

    Args:
        parts: of these, the box and the person part are run.
        layout: of the heads.
        rpn: chooses proposals.
        table: features of the image.
        output: raw proposals of the image.
        selection: how many boxes pass each stage.
    """
    size = table.image_size
    proposals = rpn.proposals(
        output, 0, size, selection.before_nms, selection.proposals, selection.static
    )
    if len(proposals) == 0:
        return _nobody(proposals, layout)
    logits, deltas = _scored(parts, layout, table, proposals, selection.static)
    boxes = clip_boxes_to_image(boxes_from_deltas(deltas, proposals, BOX_WEIGHTS), size)
    boxes, scores, valid = _best(boxes, logits.sigmoid(), selection)
    # Not every runtime can compute with no rows.
    if len(boxes) == 0:
        return _nobody(boxes, layout)
    heatmaps, embeddings = parts.person(*pool_for_heads(table, boxes, layout))
    regions = layout.pose.regions(boxes)
    keypoints, keypoint_scores = decode_heatmaps(heatmaps, regions, layout.decoding)
    return Detections(boxes, scores, keypoints, keypoint_scores, embeddings, valid)


def _scored(
    parts: Parts,
    layout: Layout,
    table: FeatureTable,
    proposals: Float[Tensor, 'box 4'],
    static: bool,
) -> tuple[Float[Tensor, 'box'], Float[Tensor, 'box 4']]:
    """Return logits and deltas of the proposals."""
    if static or len(proposals) <= _BOXES_AT_ONCE:
        logits, deltas = parts.box(pool_table(table, proposals, layout.box))
        return logits, deltas
    found = []
    for batch in torch.split(proposals, _BOXES_AT_ONCE):
        logits, deltas = parts.box(pool_table(table, batch, layout.box))
        # A runtime may use the memory of its outputs again.
        found.append((logits.clone(), deltas.clone()))
    return torch.cat([logits for logits, _ in found]), torch.cat([deltas for _, deltas in found])


def _nobody(boxes: Float[Tensor, '0 4'], layout: Layout) -> Detections:
    return Detections(
        boxes=boxes,
        scores=boxes.new_zeros(0),
        keypoints=boxes.new_zeros(0, layout.joints, 2),
        keypoint_scores=boxes.new_zeros(0, layout.joints),
        embeddings=boxes.new_zeros(0, layout.dim),
        valid=boxes.new_zeros(0, dtype=torch.bool),
    )


def pool_for_heads(
    table: FeatureTable, boxes: Float[Tensor, 'person 4'], layout: Layout
) -> list[Tensor]:
    """Return what the person part wants: one pooled grid, or one for each of its heads."""
    wanted = [layout.pose] if layout.is_pooled_once else [layout.pose, layout.reid]
    return [pool_table(table, boxes, pooling) for pooling in wanted]


def _best(boxes: Tensor, scores: Tensor, selection: Selection) -> tuple[Tensor, Tensor, Tensor]:
    """Return boxes, scores and validity of those who are people, best first."""
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
