"""Region proposals: anchors on the pyramid levels, scored and refined."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import batched_nms, clip_boxes_to_image

from pose_tracking_ros.network.decode import RPN_WEIGHTS, boxes_from_deltas, fixed_round_nms
from pose_tracking_ros.network.fpn import STRIDES, grid_of, separable

# Anchors of so many image sizes are kept.
_KEPT_SIZES = 16


class SeparableRPNHead(nn.Module):
    """One separable convolution, then objectness and box deltas per anchor."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = separable(channels, channels)
        self.cls_logits = nn.Conv2d(channels, anchors, 1)
        self.bbox_pred = nn.Conv2d(channels, anchors * 4, 1)
        for layer in (self.cls_logits, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return objectness logits and deltas per level, as torchvision's head does."""
        shared = [self.conv(level) for level in levels]
        return [self.cls_logits(x) for x in shared], [self.bbox_pred(x) for x in shared]


@dataclass(frozen=True)
class RPNOutput:
    """Flat predictions over all anchors of all levels, level by level.

    Attributes:
        logits: objectness.
        deltas: box refinement, see `decode.boxes_from_deltas`.
        anchors: corners, px of the network's input; the same for every image of the batch.
        per_level: how many anchors each level has.
    """

    logits: Float[Tensor, 'image anchor']
    deltas: Float[Tensor, 'image anchor 4']
    anchors: Float[Tensor, 'anchor 4']
    per_level: list[int]


class RegionProposals(nn.Module):
    """Anchors, head and selection.

    Args:
        channels: of the pyramid.
        levels: names of the levels used.
        sizes: anchor sizes per level (square root of the area), px.
        ratios: height over width.
        lite: separable head instead of the paper's full convolution.
        nms_iou: of two proposals of one level that overlap more, the worse is dropped.
    """

    def __init__(
        self,
        channels: int,
        levels: tuple[str, ...],
        sizes: tuple[tuple[int, ...], ...],
        ratios: tuple[float, ...],
        lite: bool,
        nms_iou: float = 0.7,
    ) -> None:
        super().__init__()
        count = len(sizes[0]) * len(ratios)
        self.levels = levels
        self.anchors = AnchorGenerator(sizes, (ratios,) * len(sizes))
        self.head: nn.Module = (
            SeparableRPNHead(channels, count) if lite else RPNHead(channels, count)
        )
        self.nms_iou = nms_iou
        self._anchors_of: dict[tuple[object, ...], Tensor] = {}

    def forward(self, pyramid: dict[str, Tensor], image_size: tuple[int, int]) -> RPNOutput:
        """Score and refine every anchor.

        Args:
            pyramid: feature maps by level.
            image_size: height and width of the network's input, px.
        """
        return self.output(*self.predictions(pyramid), image_size)

    def predictions(self, pyramid: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits, image x anchor, and deltas, image x anchor x 4, of all anchors."""
        logits, deltas = self.head(self._maps(pyramid))
        return (
            torch.cat([x.permute(0, 2, 3, 1).flatten(1) for x in logits], 1).float(),
            torch.cat([_flat_deltas(x) for x in deltas], 1).float(),
        )

    def output(
        self,
        logits: Float[Tensor, 'image anchor'],
        deltas: Float[Tensor, 'image anchor 4'],
        image_size: tuple[int, int],
    ) -> RPNOutput:
        """Return predictions together with their anchors.

        Args:
            logits: of `predictions`.
            deltas: of `predictions`.
            image_size: height and width of the network's input, px.
        """
        key = (image_size, logits.device)
        shapes = [grid_of(level, image_size) for level in self.levels]
        if key not in self._anchors_of:
            # Sizes seldom change; training on ever new ones must not fill the memory.
            if len(self._anchors_of) >= _KEPT_SIZES:
                self._anchors_of.clear()
            # torchvision's own call takes the image's size over the map's for a stride, which is
            # not that of a level that rounds up.
            self.anchors.set_cell_anchors(torch.float32, logits.device)
            strides = [[torch.tensor(STRIDES[level])] * 2 for level in self.levels]
            grids = self.anchors.grid_anchors([list(shape) for shape in shapes], strides)
            self._anchors_of[key] = torch.cat(grids)
        count = self.anchors.num_anchors_per_location()[0]
        return RPNOutput(logits, deltas, self._anchors_of[key], [h * w * count for h, w in shapes])

    def of_image(self, output: RPNOutput, image: int) -> RPNOutput:
        """Return the part of the output that belongs to one image of the batch."""
        own = slice(image, image + 1)
        return dataclasses.replace(output, logits=output.logits[own], deltas=output.deltas[own])

    def _maps(self, pyramid: dict[str, Tensor]) -> list[Tensor]:
        return [pyramid[name] for name in self.levels]

    def proposals(
        self,
        output: RPNOutput,
        image: int,
        image_size: tuple[int, int],
        before_nms: int,
        count: int,
        static: bool = False,
    ) -> Float[Tensor, 'proposal 4']:
        """Return the best boxes of one image, best first.

        Args:
            output: of `forward`.
            image: index in the batch.
            image_size: height and width, px.
            before_nms: at most so many per level enter non-maximum suppression.
            count: at most so many come out in all (exactly so many when `static`).
            static: no shape depends on the data.
        """
        chosen, level_of = [], []
        start = 0
        for level, per_level in enumerate(output.per_level):
            part = output.logits[image, start : start + per_level]
            top = part.topk(min(before_nms, per_level)).indices
            chosen.append(top + start)
            level_of.append(torch.full_like(top, level))
            start += per_level
        index, levels = torch.cat(chosen), torch.cat(level_of)
        logits = output.logits[image, index]
        boxes = boxes_from_deltas(output.deltas[image, index], output.anchors[index], RPN_WEIGHTS)
        boxes = clip_boxes_to_image(boxes, image_size)
        # A sliver clipped away at the border has no area to pool features from.
        solid = ((boxes[:, 2:] - boxes[:, :2]) >= 1.0).all(1)
        if not static:
            boxes, logits, levels = boxes[solid], logits[solid], levels[solid]
            keep: Tensor = batched_nms(boxes, logits, levels, self.nms_iou)[:count]
            kept: Tensor = boxes[keep]
            return kept
        # Far apart, so that boxes of different levels never overlap.
        offset = (levels * (2 * max(image_size))).to(boxes.dtype)[:, None]
        alive = solid & fixed_round_nms(boxes + offset, logits, self.nms_iou)
        ranked = torch.where(alive, logits, logits.new_full((), -torch.inf))
        best: Tensor = boxes[ranked.topk(min(count, len(ranked))).indices]
        return best


def _flat_deltas(x: Tensor) -> Tensor:
    image, channels, height, width = x.shape
    return (
        x.view(image, channels // 4, 4, height, width).permute(0, 3, 4, 1, 2).reshape(image, -1, 4)
    )
