"""Which box learns to be which person: matching, sampling, jitter."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import box_iou

BACKGROUND = -1
IGNORED = -2
# A box that overlaps an ignored region by more is ignored too (SNIP, arXiv 1711.08189 §5).
_IGNORE_IOU = 0.3
# So is one that lies mostly inside it: a region may hold a whole crowd.
_IGNORE_SHARE = 0.6


def match(
    boxes: Float[Tensor, 'box 4'],
    people: Float[Tensor, 'person 4'],
    ignored: Float[Tensor, 'region 4'],
    positive_iou: float,
    negative_iou: float,
    keep_best: bool,
    out_of_range: Float[Tensor, 'outsider 4'] | None = None,
) -> Int[Tensor, 'box']:
    """Return each box's person, or `BACKGROUND`, or `IGNORED`.

    Args:
        boxes: anchors or proposals.
        people: labelled.
        ignored: regions that are neither.
        positive_iou: at least this overlap makes a box its person's.
        negative_iou: less makes it background; in between it is ignored.
        keep_best: each person also gets the boxes that overlap it most, however little.
        out_of_range: people of a size that is not trained. Only boxes alike are ignored, not
            those inside: the head of a huge person is background for the small ones.
    """
    owner = torch.full((len(boxes),), BACKGROUND, dtype=torch.int64, device=boxes.device)
    if len(ignored):
        low = torch.maximum(boxes[:, None, :2], ignored[None, :, :2])
        high = torch.minimum(boxes[:, None, 2:], ignored[None, :, 2:])
        overlap = (high - low).clamp_min(0).prod(2)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1, keepdim=True).clamp_min(1e-6)
        region = (ignored[:, 2:] - ignored[:, :2]).prod(1)
        iou = overlap / (area + region - overlap).clamp_min(1e-6)
        hit = (iou > _IGNORE_IOU) | (overlap / area > _IGNORE_SHARE)
        owner[hit.any(1)] = IGNORED
    if out_of_range is not None and len(out_of_range):
        owner[(box_iou(boxes, out_of_range) > _IGNORE_IOU).any(1)] = IGNORED
    if len(people):
        iou = box_iou(boxes, people)
        best, person = iou.max(1)
        owner[(best >= negative_iou) & (best < positive_iou)] = IGNORED
        owner = torch.where(best >= positive_iou, person, owner)
        if keep_best:
            top = iou.max(0).values
            which, whose = ((iou >= top - 1e-4) & (iou > 0.1)).nonzero(as_tuple=True)
            owner[which] = whose
    return owner


def jittered(
    boxes: Float[Tensor, 'box 4'], generator: torch.Generator, amount: float = 0.08
) -> Float[Tensor, 'box 4']:
    """Move each side by a normal share of the box's size, as a detector would (PGPG's idea).

    Args:
        boxes: corners.
        generator: of the noise.
        amount: standard deviation, relative to width and height; cut at 2.5 of it.
    """
    noise = torch.randn(boxes.shape, generator=generator).clamp(-2.5, 2.5).to(boxes.device)
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + noise * size * amount


class Sampler:
    """Chooses a bounded number of boxes at random.

    Args:
        generator: of all choices.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def pick(self, index: Int[Tensor, 'box'], count: int) -> Int[Tensor, 'chosen']:
        """Return at most `count` of the given indices."""
        if len(index) <= count:
            return index
        order = torch.randperm(len(index), generator=self.generator)[:count]
        return index[order.to(index.device)]

    def choose(
        self, owner: Int[Tensor, 'box'], count: int, positive_share: float
    ) -> tuple[Int[Tensor, 'positive'], Int[Tensor, 'negative']]:
        """Return indices of positives (at most their share) and of background boxes (the rest)."""
        positive = self.pick((owner >= 0).nonzero()[:, 0], int(count * positive_share))
        negative = self.pick((owner == BACKGROUND).nonzero()[:, 0], count - len(positive))
        return positive, negative
