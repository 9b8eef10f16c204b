"""Which sizes of people train at which level of an image pyramid, and crops that lose none.

FastPose's paradigm (SIFP, arXiv 1908.05593 §3.2) and what it is compared with: SNIP
(arXiv 1711.08189), plain multi-scale training, and a single scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

ScaleTraining = Literal['none', 'multi-scale', 'snip', 'sifp']


@dataclass(frozen=True)
class PyramidSettings:
    """The image pyramid of SIFP sampling.

    Attributes:
        training: who trains. `sifp`: at every level, people whose size there is in the range;
            `snip`: each level only its own share of the range; `multi-scale`: at every level
            everybody; `none`: everybody, at factor 1 only.
        factors: of the levels. At factor 1 the picture's longer side is the canvas's.
        min_size_px: smallest person that trains, square root of the box area at the level.
        max_size_px: largest.
    """

    training: ScaleTraining = 'sifp'
    factors: tuple[float, ...] = (2.0, 1.5, 1.0, 0.75)
    min_size_px: float = 16.0
    max_size_px: float = 560.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: no factor, one that is not above 0 or is there twice, or an empty range.
        """
        if (
            not self.factors
            or min(self.factors) <= 0
            or len(set(self.factors)) < len(self.factors)
        ):
            raise ValueError(f'factors: expected different numbers above 0, got {self.factors}')
        if not 0 < self.min_size_px < self.max_size_px:
            raise ValueError(
                'min_size_px, max_size_px: expected 0 < min_size_px < max_size_px, got '
                f'{self.min_size_px} and {self.max_size_px}'
            )


class Level(NamedTuple):
    """One level of the pyramid.

    Attributes:
        factor: level px per px at factor 1.
        min_size_px: smallest person that trains here, px of the level.
        max_size_px: largest; both ends belong to the range.
    """

    factor: float
    min_size_px: float
    max_size_px: float


def levels_of(settings: PyramidSettings) -> tuple[Level, ...]:
    """Return the levels, from the most enlarged to the smallest.

    SNIP's levels share out the sizes that SIFP trains, each an equal part of the logarithm: the
    smallest people belong to the most enlarged level. A person of a size on the border between
    two parts trains at both.
    """
    if settings.training == 'none':
        return (Level(1.0, 0.0, math.inf),)
    factors = sorted(settings.factors, reverse=True)
    if settings.training == 'multi-scale':
        return tuple(Level(factor, 0.0, math.inf) for factor in factors)
    low, high = settings.min_size_px, settings.max_size_px
    if settings.training == 'sifp':
        return tuple(Level(factor, low, high) for factor in factors)
    # At factor 1: the smallest person trained at any level, up to the largest.
    borders = np.geomspace(low / factors[0], high / factors[-1], len(factors) + 1)
    return tuple(
        Level(factor, float(borders[i] * factor), float(borders[i + 1] * factor))
        for i, factor in enumerate(factors)
    )


def is_trained(
    boxes: Float[np.ndarray, 'person 4'], level: Level, side_px: float
) -> Bool[np.ndarray, 'person']:
    """Return who trains at a level.

    Args:
        boxes: whole people, corners in px of the level.
        level: its range of sizes; both ends belong to it.
        side_px: of the crops. Who does not fit into one has a level that is enlarged less.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    size = np.sqrt(sides.prod(axis=1))
    in_range = (size >= level.min_size_px) & (size <= level.max_size_px)
    # At factor 1 and below the whole picture fits; its borders are rounded.
    fits = (sides <= side_px).all(axis=1) | (level.factor <= 1)
    trained: Bool[np.ndarray, 'person'] = in_range & fits
    return trained


def groups_for_crops(
    boxes: Float[np.ndarray, 'person 4'], side_px: float
) -> list[Int[np.ndarray, 'member']]:
    """Return people in groups, such that each group fits into one crop and nobody is left out.

    Greedy cover: the crop that holds most of those not yet covered, again and again. Only crops
    that begin at somebody's left and somebody's upper border need to be tried: any other can be
    moved there without losing anybody.

    Args:
        boxes: each of sides at most `side_px`.
        side_px: of a crop.

    Returns:
        Indices; somebody may be in several groups. Empty without people.
    """
    groups: list[Int[np.ndarray, 'member']] = []
    left = np.ones(len(boxes), np.bool_)
    # Rounding of shifted corners must not separate a person from the crop that begins there.
    slack = 1e-3
    in_columns = _held(boxes[:, 0], boxes[:, 2], side_px + slack)
    in_rows = _held(boxes[:, 1], boxes[:, 3], side_px + slack)
    while left.any():
        counts = (in_columns & left).astype(np.int64) @ in_rows.T.astype(np.int64)
        column, row = np.unravel_index(int(counts.argmax()), counts.shape)
        members = np.flatnonzero(in_columns[column] & in_rows[row])
        groups.append(members)
        left[members] = False
    return groups


def _held(
    low: Float[np.ndarray, 'person'], high: Float[np.ndarray, 'person'], side_px: float
) -> Bool[np.ndarray, 'start person']:
    """Return who lies, along one axis, inside the crop that begins where each person begins."""
    starts = low[:, None]
    held: Bool[np.ndarray, 'start person'] = (low >= starts) & (high <= starts + side_px)
    return held


def random_corner(
    hull: Float[np.ndarray, '4'],
    picture_px: Float[np.ndarray, '2'],
    side_px: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, '2']:
    """Return the left upper corner of a random crop that holds the hull.

    Inside the picture where that is larger than the crop; else around all of it, padded.

    Args:
        hull: corners of what must be inside; it lies in the picture.
        picture_px: width and height of the level's picture.
        side_px: of the crop.
        rng: of this canvas.
    """
    free = picture_px - side_px
    low = np.maximum(np.minimum(free, 0.0), np.where(free > 0, hull[2:] - side_px, -np.inf))
    high = np.minimum(np.maximum(free, 0.0), np.where(free > 0, hull[:2], np.inf))
    # A hull of the crop's own size leaves one place, of which rounding may miss either side.
    corner: Float[np.ndarray, '2'] = rng.uniform(np.minimum(low, high), high)
    return corner
