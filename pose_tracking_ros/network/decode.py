"""Geometry between network outputs and pixels: boxes, expanded boxes, heatmaps."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

# Scales of the regression targets (x, y, width, height), as in Faster R-CNN.
RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
# No box grows by more than this factor in one step: keeps exp() finite.
_MAX_LOG_GROWTH = math.log(1000.0 / 16)


def boxes_from_deltas(
    deltas: Float[Tensor, 'box 4'],
    reference: Float[Tensor, 'box 4'],
    weights: tuple[float, float, float, float],
) -> Float[Tensor, 'box 4']:
    """Return corners from regression outputs (Faster R-CNN, arXiv 1506.01497, Eq. 2)."""
    size = reference[:, 2:] - reference[:, :2]
    centre = reference[:, :2] + size / 2
    scale = deltas.new_tensor(weights)
    move = deltas / scale
    new_centre = centre + move[:, :2] * size
    new_size = size * move[:, 2:].clamp(max=_MAX_LOG_GROWTH).exp()
    return torch.cat([new_centre - new_size / 2, new_centre + new_size / 2], dim=1)


def deltas_from_boxes(
    boxes: Float[Tensor, 'box 4'],
    reference: Float[Tensor, 'box 4'],
    weights: tuple[float, float, float, float],
) -> Float[Tensor, 'box 4']:
    """Return the regression targets that turn `reference` into `boxes`; all have an area."""
    size = reference[:, 2:] - reference[:, :2]
    centre = reference[:, :2] + size / 2
    goal_size = boxes[:, 2:] - boxes[:, :2]
    goal_centre = boxes[:, :2] + goal_size / 2
    move = torch.cat([(goal_centre - centre) / size, (goal_size / size).log()], dim=1)
    return move * boxes.new_tensor(weights)


def expand_boxes(
    boxes: Float[Tensor, 'box 4'], grid: tuple[int, int], margin: float = 1.0
) -> Float[Tensor, 'box 4']:
    """Grow boxes about their centres to the shape of a pooling grid.

    This is the paper's "padding to keep the ratio of the person": nothing is stretched, and what
    lies outside of the image is pooled as zero.

    Args:
        boxes: corners, px.
        grid: rows and columns of the grid.
        margin: further growth of both sides, 1 for none.

    Returns:
        Boxes with height : width = rows : columns that contain the given ones.
    """
    rows, columns = grid
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + size / 2
    height = torch.maximum(size[:, 1], size[:, 0] * rows / columns) * margin
    grown = torch.stack([height * columns / rows, height], dim=1)
    return torch.cat([centre - grown / 2, centre + grown / 2], dim=1)


def cells_from_points(
    points: Float[Tensor, 'box joint 2'],
    boxes: Float[Tensor, 'box 4'],
    grid: tuple[int, int],
) -> Float[Tensor, 'box joint 2']:
    """Return image points as column and row of a heatmap laid over each box.

    The centre of the first cell is 0, so its left edge is -0.5. The boxes are the *expanded* ones.
    """
    rows, columns = grid
    size = (boxes[:, 2:] - boxes[:, :2])[:, None]
    shape = points.new_tensor([columns, rows])
    return (points - boxes[:, None, :2]) / size * shape - 0.5


def points_from_cells(
    cells: Float[Tensor, 'box joint 2'],
    boxes: Float[Tensor, 'box 4'],
    grid: tuple[int, int],
) -> Float[Tensor, 'box joint 2']:
    """Inverse of `cells_from_points`."""
    rows, columns = grid
    size = (boxes[:, 2:] - boxes[:, :2])[:, None]
    shape = cells.new_tensor([columns, rows])
    return (cells + 0.5) / shape * size + boxes[:, None, :2]


def keypoints_from_heatmaps(
    heatmaps: Float[Tensor, 'box joint rows columns'],
    boxes: Float[Tensor, 'box 4'],
    radius: int = 2,
) -> tuple[Float[Tensor, 'box joint 2'], Float[Tensor, 'box joint']]:
    """Decode logits by a local integral: the expected position around the peak.

    A softmax over the whole map gives a distribution; its mean within `radius` cells of the peak
    is the position (integral regression, AlphaPose §3.1, restricted to a window so that a second
    candidate far away does not pull the point between both). The probability inside the window is
    the score: near 1 for a sharp single peak, near 0 for a spread or ambiguous one.

    Args:
        heatmaps: logits.
        boxes: the expanded boxes that the maps cover, px.
        radius: half width of the window, cells.

    Returns:
        Points in px, and scores in [0, 1].
    """
    rows, columns = heatmaps.shape[-2:]
    flat = heatmaps.flatten(2).softmax(-1)
    peak = flat.argmax(-1, keepdim=True)
    row, column = peak // columns, peak % columns
    reach = torch.arange(-radius, radius + 1, device=heatmaps.device)
    # (box, joint, 1) + (window) -> (box, joint, window)
    window_row = row + reach.repeat_interleave(len(reach))
    window_column = column + reach.repeat(len(reach))
    inside = (
        (window_row >= 0) & (window_row < rows) & (window_column >= 0) & (window_column < columns)
    )
    index = window_row.clamp(0, rows - 1) * columns + window_column.clamp(0, columns - 1)
    mass = flat.gather(-1, index) * inside
    score = mass.sum(-1)
    weight = mass / score.clamp_min(1e-12)[..., None]
    cells = torch.stack([(weight * window_column).sum(-1), (weight * window_row).sum(-1)], -1)
    return points_from_cells(cells, boxes, (rows, columns)), score.clamp(0, 1)


def fixed_round_nms(
    boxes: Float[Tensor, 'box 4'], scores: Float[Tensor, 'box'], iou: float, rounds: int = 16
) -> Tensor:
    """Return which boxes survive non-maximum suppression, with static shapes only.

    A box is dropped when a *surviving* better box overlaps it by more than `iou`. Repeating that
    rule from "all survive" reaches the greedy result once every chain of boxes that drop each
    other is shorter than `rounds`; there is no data-dependent control flow, so graphs export.

    Args:
        boxes: corners.
        scores: any order.
        iou: threshold.
        rounds: updates.

    Returns:
        A boolean mask in the order given.
    """
    order = scores.argsort(descending=True, stable=True)
    sorted_boxes = boxes[order]
    area = (sorted_boxes[:, 2:] - sorted_boxes[:, :2]).clamp_min(0).prod(1)
    low = torch.maximum(sorted_boxes[:, None, :2], sorted_boxes[None, :, :2])
    high = torch.minimum(sorted_boxes[:, None, 2:], sorted_boxes[None, :, 2:])
    overlap = (high - low).clamp_min(0).prod(2)
    union = area[:, None] + area[None] - overlap
    # Row i holds what could drop box i: better (earlier) boxes that overlap it.
    drops = ((overlap > iou * union).tril(-1)).to(boxes.dtype)
    alive = torch.ones_like(scores)
    for _ in range(rounds):
        alive = ((drops @ alive) < 0.5).to(boxes.dtype)
    mask = torch.zeros_like(alive, dtype=torch.bool)
    mask[order] = alive > 0.5
    return mask
