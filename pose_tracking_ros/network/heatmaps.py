"""From heatmaps to points and scores: one decoding for each way a pose head is trained.

A head's numbers mean what its loss made them mean, so a checkpoint says which decoding its pose
head needs. All have shapes that do not depend on the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pose_tracking_ros.network.decode import keypoints_from_heatmaps, points_from_cells

Decoding = Literal['softmax_window', 'sigmoid_peak', 'two_step_integral']
DEFAULT_DECODING: Decoding = 'softmax_window'

# Cells and scores, from the logits of heatmaps and the regions they cover.
_Decode = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def two_step_distribution(
    logits: Float[Tensor, 'box joint rows columns'],
) -> Float[Tensor, 'box joint rows columns']:
    """Return σ(z) divided by its sum over the map (AlphaPose, arXiv 2211.03375, Eqs. 13 and 15).

    Unlike a softmax, the first step gives each cell a score of its own, which does not depend on
    how many other cells are likely.
    """
    # By logarithms, so that a map of very negative logits does not divide 0 by 0.
    shares: Tensor = F.logsigmoid(logits).flatten(2).softmax(-1)
    return shares.view(logits.shape)


def expected_cells(
    share: Float[Tensor, 'box joint rows columns'],
) -> Float[Tensor, 'box joint 2']:
    """Return the mean column and row of distributions over the cells."""
    rows, columns = share.shape[-2:]
    x = torch.arange(columns, device=share.device, dtype=share.dtype)
    y = torch.arange(rows, device=share.device, dtype=share.dtype)
    return torch.stack([(share.sum(-2) * x).sum(-1), (share.sum(-1) * y).sum(-1)], -1)


def keypoints_from_two_step(
    heatmaps: Float[Tensor, 'box joint rows columns'], boxes: Float[Tensor, 'box 4']
) -> tuple[Float[Tensor, 'box joint 2'], Float[Tensor, 'box joint']]:
    """Decode heads trained by symmetric integral regression (SIKR).

    The position is the expected one over the whole map, as in training; the score is the largest
    σ(z) (AlphaPose, Eq. 14).

    Args:
        heatmaps: logits.
        boxes: the expanded boxes that the maps cover, px.

    Returns:
        Points in px, and scores in [0, 1].
    """
    rows, columns = heatmaps.shape[-2:]
    cells = expected_cells(two_step_distribution(heatmaps))
    score = heatmaps.flatten(2).amax(-1).sigmoid()
    return points_from_cells(cells, boxes, (rows, columns)), score


def keypoints_from_sigmoid(
    heatmaps: Float[Tensor, 'box joint rows columns'], boxes: Float[Tensor, 'box 4']
) -> tuple[Float[Tensor, 'box joint 2'], Float[Tensor, 'box joint']]:
    """Decode heads trained by regressive cross-entropy (RCE): σ(z) is a Gaussian of peak 1.

    A Gaussian's logarithm is a parabola: three neighbouring cells along each axis give its vertex,
    exactly (DARK, arXiv 1910.06278 §3.1, for one axis at a time). It moves by at most half a cell;
    a peak on the border stays in the cell's middle. The score is σ(z) at the peak.

    Args:
        heatmaps: logits.
        boxes: the expanded boxes that the maps cover, px.

    Returns:
        Points in px, and scores in [0, 1].
    """
    rows, columns = heatmaps.shape[-2:]
    flat = F.logsigmoid(heatmaps).flatten(2)
    peak = flat.argmax(-1, keepdim=True)
    row, column = peak // columns, peak % columns
    x = column + _vertex(flat, peak, 1, (column > 0) & (column < columns - 1))
    y = row + _vertex(flat, peak, columns, (row > 0) & (row < rows - 1))
    cells = torch.cat([x, y], -1)
    score = flat.gather(-1, peak)[..., 0].exp()
    return points_from_cells(cells, boxes, (rows, columns)), score


def _vertex(flat: Tensor, peak: Tensor, step: int, is_inside: Tensor) -> Tensor:
    """Return where the parabola through three cells is highest, relative to the middle one."""
    last = flat.shape[-1] - 1
    before = flat.gather(-1, (peak - step).clamp(0, last))
    middle = flat.gather(-1, peak)
    after = flat.gather(-1, (peak + step).clamp(0, last))
    # Never negative at a peak; 0 where all three are equal.
    bend = (2 * middle - before - after).clamp_min(1e-9)
    move = ((after - before) / (2 * bend)).clamp(-0.5, 0.5)
    return torch.where(is_inside, move, torch.zeros_like(move))


_DECODERS: dict[Decoding, _Decode] = {
    'softmax_window': keypoints_from_heatmaps,
    'sigmoid_peak': keypoints_from_sigmoid,
    'two_step_integral': keypoints_from_two_step,
}
DECODINGS: tuple[Decoding, ...] = tuple(_DECODERS)


def decode_heatmaps(
    heatmaps: Float[Tensor, 'box joint rows columns'],
    boxes: Float[Tensor, 'box 4'],
    decoding: Decoding,
) -> tuple[Float[Tensor, 'box joint 2'], Float[Tensor, 'box joint']]:
    """Return points in px and raw scores in [0, 1].

    Args:
        heatmaps: logits of the pose head.
        boxes: the expanded boxes that the maps cover, px.
        decoding: which one the head was trained for.
    """
    return _DECODERS[decoding](heatmaps, boxes)
