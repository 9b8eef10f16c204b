"""How alike tracks and people are: pure, vectorised functions over all pairs.

Rows are tracks, columns are people. Empty inputs give empty matrices.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.skeleton import COCO_17

SIMILARITY_FORMS = ('corrected', 'literal')
_MEAN_SIGMA = float(np.mean(COCO_17.sigmas))
# See `motion`. Those for embeddings are in the precision of these: mixed arithmetic is slow.
_ZERO, _ONE, _TWO = np.array(0.0), np.array(1.0), np.array(2.0)
_MIN_AREA = np.array(1e-9)
_LEAST, _MOST = np.array(0.0, np.float32), np.array(4.0, np.float32)


def sigmas_for(joints: int) -> Float[np.ndarray, 'joint']:
    """Return COCO's per-joint constants; their mean for each joint of another skeleton."""
    return COCO_17.sigma_array if joints == len(COCO_17) else np.full(joints, _MEAN_SIGMA)


def pairwise_intersection(
    a: Float[np.ndarray, 'track 4'], b: Float[np.ndarray, 'person 4']
) -> Float[np.ndarray, 'track person']:
    """Return the areas two sets of corner boxes have in common, px²."""
    rows = _corners_first(a)
    sides = _pairwise_overlaps(rows, rows if b is a else _corners_first(b))
    np.maximum(sides, _ZERO, out=sides)
    areas: Float[np.ndarray, 'track person'] = sides[0] * sides[1]
    return areas


def _corners_first(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, '4 box']:
    # In this order in memory loops run over people, not over coordinates: five times as fast.
    return np.ascontiguousarray(boxes.T)


def _pairwise_overlaps(
    a: Float[np.ndarray, '4 track'], b: Float[np.ndarray, '4 person']
) -> Float[np.ndarray, '2 track person']:
    """Return how far boxes overlap in x and in y, px; negative is the gap between them."""
    overlaps: Float[np.ndarray, '2 track person'] = np.minimum(a[2:, :, None], b[2:, None])
    overlaps -= np.maximum(a[:2, :, None], b[:2, None])
    return overlaps


def box_areas(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box']:
    """Return the areas of corner boxes, px²."""
    sides = boxes[:, 2:] - boxes[:, :2]
    areas: Float[np.ndarray, 'box'] = sides[:, 0] * sides[:, 1]
    return areas


def pairwise_iou(
    a: Float[np.ndarray, 'track 4'], b: Float[np.ndarray, 'person 4']
) -> Float[np.ndarray, 'track person']:
    """Return intersection over union of corner boxes, [0, 1]; 0 for boxes without area."""
    common = pairwise_intersection(a, b)
    union = box_areas(a)[:, None] + box_areas(b)[None, :] - common
    iou: Float[np.ndarray, 'track person'] = common / np.maximum(union, 1e-9)
    return iou


def pairwise_grown_iou(
    tracks: Float[np.ndarray, 'track 4'],
    people: Float[np.ndarray, 'person 4'],
    reach_px: Float[np.ndarray, 'track 2'],
) -> Float[np.ndarray, 'track person']:
    """Return the IoU after both boxes of a pair grew by the track's uncertainty.

    A plain IoU is 0 as soon as a small or fast person moved by a box width between two images,
    whatever the motion filter knows of its own error. Growing both boxes on each side by the
    same margin keeps 1 for a perfect prediction and reaches further the less is known.

    Args:
        tracks: expected corner boxes, px.
        people: detected corner boxes, px.
        reach_px: margin per track in x and y, px.
    """
    rows, columns = _corners_first(tracks), _corners_first(people)
    # Whatever grows by a margin on both sides grows by twice of it, also what two boxes share.
    growth = (_TWO * np.ascontiguousarray(reach_px.T))[:, :, None]
    # In place where that can be: crowds make matrices of megabytes, and new ones take time.
    shared = _pairwise_overlaps(rows, columns)
    shared += growth
    np.maximum(shared, _ZERO, out=shared)
    track_sides = (rows[2:] - rows[:2])[:, :, None] + growth
    people_sides = (columns[2:] - columns[:2])[:, None] + growth
    common = shared[0] * shared[1]
    union = people_sides[0] * people_sides[1]
    union += track_sides[0] * track_sides[1]
    union -= common
    np.maximum(union, _MIN_AREA, out=union)
    iou: Float[np.ndarray, 'track person'] = common / union
    return iou


def certainty(
    tracks: Float[np.ndarray, 'track 4'], reach_px: Float[np.ndarray, 'track 2']
) -> Float[np.ndarray, 'track']:
    """Return how much a position says about each track, (0, 1]: 1 when it is exactly known.

    The geometric mean of the sides' shrinkage when a box is seen against its grown version. It
    makes a vague expectation that fits yield to a sharp one that fits.
    """
    sides = np.maximum(tracks[:, 2:] - tracks[:, :2], _ONE)
    shrinkage = sides / (sides + _TWO * reach_px)
    known: Float[np.ndarray, 'track'] = np.sqrt(shrinkage[:, 0] * shrinkage[:, 1])
    return known


def object_keypoint_similarity(
    a: Float[np.ndarray, 'pair joint 2'],
    a_seen: Bool[np.ndarray, 'pair joint'],
    a_areas: Float[np.ndarray, 'pair'],
    b: Float[np.ndarray, 'pair joint 2'],
    b_seen: Bool[np.ndarray, 'pair joint'],
    sigmas: Float[np.ndarray, 'joint'],
    min_common_joints: int = 3,
) -> Float[np.ndarray, 'pair']:
    """Return COCO's OKS of pairs of poses, [0, 1]; NaN where it cannot be judged.

    Only joints seen in both poses count.

    Args:
        a: joint positions, px.
        a_seen: joints to use; where false the position may be NaN.
        a_areas: box areas, px².
        b: joint positions, px.
        b_seen: joints to use.
        sigmas: per-joint constants relative to the square root of the area.
        min_common_joints: pairs with fewer joints in common give NaN.
    """
    common = a_seen & b_seen
    offset = a - b
    squared = offset[..., 0] ** 2 + offset[..., 1] ** 2
    scale = 2.0 * np.maximum(a_areas, 1.0)[:, None] * (2.0 * sigmas) ** 2
    count = common.sum(axis=-1)
    total = np.where(common, np.exp(-squared / scale), 0.0).sum(axis=-1)
    return np.where(count >= min_common_joints, total / np.maximum(count, 1), np.nan)


def pairwise_distance(
    a: Float[np.ndarray, 'track dim'], b: Float[np.ndarray, 'person dim']
) -> Float[np.ndarray, 'track person']:
    """Return Euclidean distances between embeddings of unit length, [0, 2]."""
    squared = 2.0 - 2.0 * a.dot(b.T)
    # `np.clip` takes as long as all the rest for a few people.
    distance: Float[np.ndarray, 'track person'] = np.sqrt(
        np.minimum(np.maximum(squared, _LEAST), _MOST)
    )
    return distance


def fastpose_similarity(
    position: Float[np.ndarray, 'track person'],
    distance: Float[np.ndarray, 'track person'],
    position_weight: float,
    max_distance: float,
    form: str = 'corrected',
) -> Float[np.ndarray, 'track person']:
    """Return position and appearance in one figure (FastPose, arXiv 1908.05593, Eq. 2).

    As printed, `S = w IoU + (1 - w) min(d, d_max) / d_max` adds a distance and thereby rewards
    unlike looks. The corrected form takes one minus that term. The literal form is kept for
    comparison.

    Args:
        position: IoU or another position similarity, [0, 1].
        distance: Euclidean distance of embeddings; NaN where either is unknown or not valid:
            there position counts alone.
        position_weight: theta_pos, [0, 1].
        max_distance: sigma_max, above 0.
        form: `corrected` or `literal`.

    Raises:
        ValueError: there is no such form.
    """
    if form not in SIMILARITY_FORMS:
        raise ValueError(f'form: expected one of {", ".join(SIMILARITY_FORMS)}; got {form!r}')
    # Appearance counts as `d / d_max` in the literal form and as one minus that in the corrected.
    per_distance = (1.0 - position_weight) / max_distance
    appearance = per_distance * np.minimum(distance, max_distance)
    if form == 'corrected':
        appearance = (1.0 - position_weight) - appearance
    both: Float[np.ndarray, 'track person'] = position_weight * position + appearance
    is_unknown = np.isnan(distance)
    return np.where(is_unknown, position, both) if np.count_nonzero(is_unknown) else both
