"""RoIAlign: a grid of features over each box, from the pyramid level that fits the person.

Twice the same function. `pool_table` takes the values of a grid cell as a weighted sum of 16 rows
of a table with one row of channels per feature cell, which is what `embedding_bag` computes. On a
CPU that is six to eight times faster than torchvision's loop over single numbers, takes all levels
at once, and has the same shape whatever level a box belongs to. Training on a GPU uses
torchvision's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import roi_align

from pose_tracking_ros.network.decode import expand_boxes
from pose_tracking_ros.network.fpn import STRIDES

# A region of this size (square root of its area, px) is pooled from p4 (FPN, Eq. 1).
CANONICAL_SIZE_PX = 224.0
POOLED_LEVELS = ('p2', 'p3', 'p4', 'p5')
# Each level has a quarter of the cells of the one before.
_CELLS_PER_P2_CELL = 1 + 1 / 4 + 1 / 16 + 1 / 64
# Of each grid cell, in both directions.
_SAMPLES = 2


@dataclass(frozen=True)
class Pooling:
    """What a head reads of the features, for each box.

    Attributes:
        grid: rows and columns.
        margin: grow the boxes to the grid's shape and by this factor; None pools the box itself.
        canonical_px: boxes of this size are pooled from p4.
    """

    grid: tuple[int, int]
    margin: float | None = None
    canonical_px: float = CANONICAL_SIZE_PX

    def regions(self, boxes: Float[Tensor, 'box 4']) -> Float[Tensor, 'box 4']:
        """Return the regions that are pooled for boxes."""
        return boxes if self.margin is None else expand_boxes(boxes, self.grid, self.margin)

    def levels(self, boxes: Float[Tensor, 'box 4']) -> Float[Tensor, 'box']:
        """Return the level of each box (FPN, Eq. 1): 0 for p2 to 3 for p5."""
        size_px = (boxes[:, 2:] - boxes[:, :2]).prod(1).clamp_min(1e-6).sqrt()
        level = (4 + torch.log2(size_px / self.canonical_px + 1e-6)).floor()
        return level.clamp(2, 5) - 2


class FeatureTable(NamedTuple):
    """A pyramid as a table: a row per cell, image by image, level by level, row by row.

    Attributes:
        rows: the channels of each cell of p2 to p5.
        image_size: height and width of the network's input, px; multiples of 32.
    """

    rows: Float[Tensor, 'cell channel']
    image_size: tuple[int, int]


def table_rows(levels: dict[str, Tensor], image: int = 0) -> Float[Tensor, 'cell channel']:
    """Return p2 to p5 of one image as the rows of a `FeatureTable`."""
    # Permuted first: a runtime that keeps channels last then has nothing to move.
    maps = [levels[name].permute(0, 2, 3, 1)[image].flatten(0, 1) for name in POOLED_LEVELS]
    return torch.cat(maps)


def _rows_of_all(levels: dict[str, Tensor]) -> Float[Tensor, 'cell channel']:
    """Return p2 to p5 of all images as the rows of a `FeatureTable`."""
    maps = [levels[name].permute(0, 2, 3, 1).flatten(1, 2) for name in POOLED_LEVELS]
    return torch.cat(maps, dim=1).flatten(0, 1)


def pool_table(
    table: FeatureTable,
    boxes: Float[Tensor, 'box 4'],
    pooling: Pooling,
    image_index: Float[Tensor, 'box'] | None = None,
) -> Float[Tensor, 'box row column channel']:
    """Pool a grid of features over each box; the values are those of `pool_people`.

    Args:
        table: of the image, or of several of one size.
        boxes: corners, px of the network's input.
        pooling: what is read of it.
        image_index: which image of the table each box is in; None for the first.
    """
    height, width = table.image_size
    level, regions, grid = pooling.levels(boxes), pooling.regions(boxes), pooling.grid
    stride = STRIDES['p2'] * torch.exp2(level)
    # The centre of the first cell lies at 0.
    corners = regions / stride[:, None] - 0.5
    columns = width / stride
    y, y_weight = _samples(corners[:, 1], corners[:, 3], grid[0], height / stride)
    x, x_weight = _samples(corners[:, 0], corners[:, 2], grid[1], columns)
    cells = height * width / STRIDES['p2'] ** 2
    first = cells * ((level > 0) + (level > 1) / 4 + (level > 2) / 16)
    if image_index is not None:
        first = first + image_index * (cells * _CELLS_PER_P2_CELL)
    y = y * columns[:, None, None] + first[:, None, None]
    # Each grid cell gathers 4 rows of features times 4 columns. Whole numbers up to 2^24 are exact
    # in float32, and the table of a 4096 px image has fewer rows.
    index = (y[:, :, None, :, None] + x[:, None, :, None, :]).flatten(3).flatten(0, 2)
    weight = (y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]) / _SAMPLES**2
    pooled = F.embedding_bag(
        index.long(),
        table.rows,
        mode='sum',
        per_sample_weights=weight.flatten(3).flatten(0, 2).to(table.rows.dtype),
    )
    return pooled.view(len(boxes), *grid, table.rows.shape[1])


def _samples(
    low: Float[Tensor, 'box'], high: Float[Tensor, 'box'], bins: int, cells: Float[Tensor, 'box']
) -> tuple[Float[Tensor, 'box bin 4'], Float[Tensor, 'box bin 4']]:
    """Return which cells each bin of one axis reads, and their weights.

    As in torchvision: samples more than one cell outside are zero, others are moved to the edge.

    Args:
        low: start of each box in cells; the centre of the first cell is 0.
        high: its end.
        bins: grid cells along this axis.
        cells: feature cells along this axis.
    """
    places = (torch.arange(bins * _SAMPLES, device=low.device) + 0.5) / (bins * _SAMPLES)
    at = low[:, None] + (high - low)[:, None] * places
    last = (cells - 1)[:, None]
    inside = (at >= -1) & (at <= last + 1)
    at = torch.minimum(at.clamp_min(0), last)
    before = at.floor()
    share = at - before
    index = torch.stack([before, torch.minimum(before + 1, last)], -1)
    weight = torch.stack([1 - share, share], -1) * inside[..., None]
    shape = (len(low), bins, 2 * _SAMPLES)
    return index.view(shape), weight.view(shape)


def pool_people(
    levels: dict[str, Tensor],
    boxes: Float[Tensor, 'box 4'],
    pooling: Pooling,
    image_index: Tensor | None = None,
) -> Float[Tensor, 'box channel row column']:
    """Pool a grid of features over each box, with gradients for the features.

    Args:
        levels: the pyramid.
        boxes: corners, px of the network's input; may reach outside (zero there).
        pooling: what is read of it.
        image_index: which image of the batch each box is in; None for the first.
    """
    if boxes.device.type == 'cpu':
        height, width = levels['p2'].shape[2:]
        size = (height * STRIDES['p2'], width * STRIDES['p2'])
        table = FeatureTable(_rows_of_all(levels), size)
        return pool_table(table, boxes, pooling, image_index).permute(0, 3, 1, 2)
    return align_people(levels, boxes, pooling, image_index)


def align_people(
    levels: dict[str, Tensor],
    boxes: Float[Tensor, 'box 4'],
    pooling: Pooling,
    image_index: Tensor | None = None,
) -> Float[Tensor, 'box channel row column']:
    """Pool as `pool_people` does, by torchvision on every device."""
    if image_index is None:
        image_index = boxes.new_zeros(len(boxes))
    level = pooling.levels(boxes)
    regions = torch.cat([image_index[:, None].to(boxes.dtype), pooling.regions(boxes)], dim=1)
    pooled = levels['p2'].new_zeros(len(boxes), levels['p2'].shape[1], *pooling.grid)
    for number, name in enumerate(POOLED_LEVELS):
        where = (level == number).nonzero()[:, 0]
        if len(where):
            found = _align(levels[name], regions[where], name, pooling.grid)
            pooled = pooled.index_put((where,), found)
    return pooled


def _align(features: Tensor, regions: Tensor, level: str, grid: tuple[int, int]) -> Tensor:
    out: Tensor = roi_align(
        features,
        regions.to(features.dtype),
        grid,
        1.0 / STRIDES[level],
        sampling_ratio=_SAMPLES,
        aligned=True,
    )
    return out
