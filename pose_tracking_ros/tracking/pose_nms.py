"""Pose non-maximum suppression: of several poses of one person, keep the best.

A detector may report one person twice with boxes that overlap little (a whole body and its upper
half, say); their poses agree all the same. Duplicates are told by OKS or by AlphaPose's parametric
similarity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import People
from pose_tracking_ros.settings import PoseNmsSettings
from pose_tracking_ros.tracking.pose_similarity import (
    ParametricPoseNms,
    are_redundant,
    joint_distances,
    pose_gaps_px,
    reach_px,
)
from pose_tracking_ros.tracking.similarity import box_areas, object_keypoint_similarity, sigmas_for

# The released code merges joints within this distance, and drops people whose best joint is worse.
_MERGE_PX = 15.0
_MIN_BEST_JOINT_SCORE = 0.3


@dataclass(frozen=True, eq=False)
class Suppression:
    """Who stays, and who was whose duplicate.

    Attributes:
        kept: indices in rising order.
        keeper: for each person the one kept in its place; kept people have themselves.
    """

    kept: Int[np.ndarray, 'kept']
    keeper: Int[np.ndarray, 'person']


def suppress_duplicates(people: People, settings: PoseNmsSettings) -> People:
    """Return the people without those who were found twice, as far as the settings say.

    Args:
        people: of one image, possibly none.
        settings: method and thresholds.
    """
    if settings.pose_nms == 'none' or len(people) < 2:
        return people
    if settings.pose_nms == 'oks':
        sigmas = sigmas_for(people.keypoints.shape[1])
        return apply_oks_nms(people, sigmas, settings.pose_nms_max_oks)
    parameters = ParametricPoseNms(
        form=settings.pose_nms_form,
        score_scale=settings.pose_nms_score_scale,
        distance_scale=settings.pose_nms_distance_scale,
        distance_weight=settings.pose_nms_distance_weight,
        min_similarity=settings.pose_nms_min_similarity,
    )
    return apply_parametric_nms(people, parameters)


def apply_oks_nms(
    people: People,
    sigmas: Float[np.ndarray, 'joint'],
    max_oks: float,
    min_joint_score: float = 0.0,
) -> People:
    """Return the people without those whose pose has more than `max_oks` with a better one.

    People are ranked by score times mean joint score. Where no joints are estimated at all, nobody
    goes.

    Args:
        people: of one image, possibly none.
        sigmas: COCO's per-joint constants.
        max_oks: [0, 1].
        min_joint_score: joints above it are compared, [0, 1].
    """
    if people.keypoints.shape[1] == 0:
        return people
    scores = people.scores * _mean_joint_scores(people)
    seen = people.keypoint_scores > min_joint_score
    return people.select(
        oks_nms(people.boxes, people.keypoints, seen, scores, sigmas, max_oks).kept
    )


def apply_parametric_nms(people: People, parameters: ParametricPoseNms) -> People:
    """Return the people without duplicates; in the `released` form, with merged poses.

    People are ranked by score times mean joint score, in the `released` form by the latter alone.
    The kept person's box, score and appearance stay as they are. Where no joints are estimated at
    all, nobody goes.

    Args:
        people: of one image, possibly none.
        parameters: what counts as a duplicate.
    """
    if people.keypoints.shape[1] == 0:
        return people
    ranking = _mean_joint_scores(people)
    if parameters.form != 'released':
        ranking = ranking * people.scores
    arrays = (people.boxes, people.keypoints, people.keypoint_scores)
    suppression = parametric_nms(*arrays, ranking, parameters)
    kept = people.select(suppression.kept)
    if parameters.form != 'released':
        return kept
    keypoints, keypoint_scores = merge_poses(*arrays, suppression)
    merged = People(
        boxes=kept.boxes,
        scores=kept.scores,
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        embeddings=kept.embeddings,
        image_size=people.image_size,
    )
    is_clear = kept.keypoint_scores.max(axis=1, initial=0.0) >= _MIN_BEST_JOINT_SCORE
    is_clear &= merged.keypoint_scores.max(axis=1, initial=0.0) >= _MIN_BEST_JOINT_SCORE
    return merged.select(is_clear)


def oks_nms(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    seen: Bool[np.ndarray, 'person joint'],
    scores: Float[np.ndarray, 'person'],
    sigmas: Float[np.ndarray, 'joint'],
    max_oks: float,
) -> Suppression:
    """Suppress poses by object keypoint similarity, relative to the mean of both box areas.

    Args:
        boxes: corners, px.
        keypoints: px; NaN is not compared.
        seen: joints to compare; pairs with fewer than 3 in common are no duplicates.
        scores: the ranking.
        sigmas: COCO's per-joint constants.
        max_oks: poses with more than this are duplicates, [0, 1].
    """
    seen = seen & np.isfinite(keypoints).all(axis=2)
    ranked = _ranked(scores, boxes, keypoints)
    references, others = _pairs(ranked)
    areas = box_areas(boxes)
    mean_areas = 0.5 * (areas[references] + areas[others])
    # The rectangles around all joints bound each joint's similarity, and with it the mean.
    gaps = pose_gaps_px(keypoints, references, others)
    widest = 8.0 * np.maximum(mean_areas, 1.0) * sigmas.max() ** 2
    near = np.exp(-(gaps**2) / widest) > max_oks
    references, others, mean_areas = references[near], others[near], mean_areas[near]
    # NaN, for a pair that cannot be judged, compares false.
    similarity = object_keypoint_similarity(
        keypoints[references],
        seen[references],
        mean_areas,
        keypoints[others],
        seen[others],
        sigmas,
    )
    redundant = similarity > max_oks
    return _suppress(ranked, references[redundant], others[redundant])


def parametric_nms(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    keypoint_scores: Float[np.ndarray, 'person joint'],
    scores: Float[np.ndarray, 'person'],
    parameters: ParametricPoseNms,
) -> Suppression:
    """Suppress poses by AlphaPose's parametric similarity.

    Args:
        boxes: corners, px.
        keypoints: px; NaN adds nothing to a similarity.
        keypoint_scores: [0, 1].
        scores: the ranking.
        parameters: form and parameters.
    """
    ranked = _ranked(scores, boxes, keypoints)
    references, others = _pairs(ranked)
    redundant = are_redundant(boxes, keypoints, keypoint_scores, references, others, parameters)
    return _suppress(ranked, references[redundant], others[redundant])


def merge_poses(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    keypoint_scores: Float[np.ndarray, 'person joint'],
    suppression: Suppression,
) -> tuple[Float[np.ndarray, 'kept joint 2'], Float[np.ndarray, 'kept joint']]:
    """Return the kept poses averaged with those suppressed in their favour, as the code does.

    A joint becomes the mean, weighted by score, of those within 15 px (or a tenth of the longer
    side of the kept box, if that is less) of the kept one; its score becomes the mean of theirs
    with the same weights. A joint that the kept pose lacks stays missing.

    Returns:
        positions in px and scores of the kept people, in the order of `suppression.kept`.
    """
    kept, keeper = suppression.kept, suppression.keeper
    own = keypoints[keeper]
    reach = np.minimum(reach_px(boxes[keeper]), _MERGE_PX)
    is_near = joint_distances(keypoints, own) <= reach[:, None]
    weights = np.where(is_near, keypoint_scores, 0.0).astype(np.float64)
    places = np.where(is_near[..., None], keypoints, 0.0)
    total = np.zeros_like(weights)
    sums, squares = np.zeros(keypoints.shape, np.float64), np.zeros_like(weights)
    np.add.at(total, keeper, weights)
    np.add.at(sums, keeper, weights[..., None] * places)
    np.add.at(squares, keeper, weights**2)
    total, sums, squares = total[kept], sums[kept], squares[kept]
    has_weight = total > 0.0
    safe = np.where(has_weight, total, 1.0)
    return (
        np.where(has_weight[..., None], sums / safe[..., None], keypoints[kept]),
        np.where(has_weight, squares / safe, keypoint_scores[kept]),
    )


def _pairs(
    ranked: Int[np.ndarray, 'person'],
) -> tuple[Int[np.ndarray, 'pair'], Int[np.ndarray, 'pair']]:
    """Return every better person with every worse one, best first."""
    better, worse = np.triu_indices(len(ranked), 1)
    return ranked[better], ranked[worse]


def _suppress(
    ranked: Int[np.ndarray, 'person'],
    references: Int[np.ndarray, 'pair'],
    others: Int[np.ndarray, 'pair'],
) -> Suppression:
    """Take the best of those left, and out with whoever is redundant to it, until none is left.

    Args:
        ranked: everybody, best first.
        references: in pairs of redundant people, the better ones, best first.
        others: the worse ones.
    """
    keeper = np.full(len(ranked), -1, dtype=np.int64)
    # Who is nobody's better stays or goes without a say.
    starts = np.flatnonzero(np.diff(references, prepend=-1))
    for reference, group in zip(
        references[starts].tolist(), np.split(others, starts[1:]), strict=False
    ):
        if keeper[reference] < 0:
            keeper[reference] = reference
            keeper[group[keeper[group] < 0]] = reference
    everybody = np.arange(len(ranked))
    keeper = np.where(keeper < 0, everybody, keeper)
    return Suppression(np.flatnonzero(keeper == everybody), keeper)


def _ranked(
    scores: Float[np.ndarray, 'person'],
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
) -> Int[np.ndarray, 'person']:
    """Return indices from the best score down.

    Equal scores are ordered by where people are, so that their order in the input never matters.
    """
    places = np.nan_to_num(keypoints.reshape(len(scores), keypoints.shape[1] * 2), nan=-1.0)
    return np.lexsort(np.vstack([places.T, boxes.T, -scores]))


def _mean_joint_scores(people: People) -> Float[np.ndarray, 'person']:
    means: Float[np.ndarray, 'person'] = people.keypoint_scores.mean(axis=1)
    return means
