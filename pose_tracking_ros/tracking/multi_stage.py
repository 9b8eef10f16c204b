"""Multi-Stage Identity Matching (MSIM) of AlphaPose (arXiv 2211.03375 §4.2): its distances.

Who is left over by one stage goes to the next:

1. looks alone: cosine distance of embeddings up to `mu_emb` = 0.7,
2. boxes and poses fused, Eq. (22): `M_f = (1 - IoU) + lambda_np dist_np` up to `mu_f` = 0.5,
3. the same with a relaxed threshold.

Where we deviate from the paper, and why:

- Eq. (22) adds Eq. (19) to a distance, but Eq. (19) is a similarity that grows with every joint:
  the more alike two poses, the less they would match. We invert it and divide it by its largest
  value, so that `dist_np` is in [0, 1] whatever the number of joints.
- Eq. (21) gives each person the nearest track, so two people could take the same one. We assign
  one to one (Hungarian), as the authors' released code does.
- The first stage only looks within the reach of each track's motion, as the released code does.
  People who have been missing are recognised anywhere, by the tracker's last round.
- "We appropriately lower the threshold" gives no number, and a distance is relaxed by raising its
  threshold: 0.7 is the released code's limit for what its stricter rounds leave. Nor is
  `lambda_np` given: at 0.5 a wholly different pose uses up the threshold by itself.
- The parameters of Eq. (17)-(19) are fitted by the paper to find duplicates within one image, not
  the same person in two. Ours are listed in `StageLimits`. In place of `tanh(c / sigma_1)` a joint
  counts when it is seen, so that one threshold rules in all strategies.
- A pose that cannot be compared counts as different as the boxes are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class StageLimits:
    """The numbers of MSIM.

    Attributes:
        max_look_distance: `mu_emb`: cosine distance, [0, 2]; the paper's value, also the
            released code's, which takes the cosine.
        max_fused_distance: `mu_f`: the paper's value.
        relaxed_fused_distance: `mu_f` of the repeat; see above.
        pose_weight: `lambda_np`; see above.
        joint_reach: joints closer than half of this share of the box's width and height match
            in Eq. (17); the paper's value.
        joint_spread: `sigma_2` of Eq. (18), in squared longer box sides: a joint that is off by a
            tenth of a body counts 1/e.
        spread_weight: `lambda` of Eq. (19).
        max_pose_age_s: older poses have changed too much to be compared, s.
        min_common_joints: poses with fewer joints seen in both cannot be compared.
    """

    max_look_distance: float = 0.7
    max_fused_distance: float = 0.5
    relaxed_fused_distance: float = 0.7
    pose_weight: float = 0.5
    joint_reach: float = 0.1
    joint_spread: float = 0.01
    spread_weight: float = 1.0
    max_pose_age_s: float = 0.5
    min_common_joints: int = 3


def look_stage(
    distance: Float[np.ndarray, 'track person'],
    is_near: Bool[np.ndarray, 'track person'],
    limits: StageLimits,
) -> tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]:
    """Return the first stage: similarity by looks in [0, 1], and which pairs may be matched.

    Args:
        distance: Euclidean distance of unit embeddings, [0, 2]; NaN where either is unknown.
        is_near: pairs within the reach of the track's motion.
        limits: thresholds.
    """
    cosine_distance = 0.5 * distance**2
    similarity = 1.0 - 0.5 * cosine_distance
    return similarity, is_near & (cosine_distance <= limits.max_look_distance)


def fused_stage(
    fused: Float[np.ndarray, 'track person'], max_distance: float, limits: StageLimits
) -> tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]:
    """Return a later stage: similarity in [0, 1] by box and pose, and which pairs may be matched.

    Args:
        fused: `fused_distance` of all pairs.
        max_distance: pairs further apart are not matched.
        limits: of which the weights count here.
    """
    return 1.0 - fused / (1.0 + limits.pose_weight), fused <= max_distance


def fused_distance(
    iou: Float[np.ndarray, 'track person'],
    pose_distance: Float[np.ndarray, 'track person'],
    limits: StageLimits,
) -> Float[np.ndarray, 'track person']:
    """Return `M_f` of Eq. (22), [0, 1 + pose_weight].

    Args:
        iou: of expected and detected boxes, [0, 1].
        pose_distance: `dist_np`, [0, 1]; NaN where poses cannot be compared.
        limits: of which `pose_weight` counts here.
    """
    apart = 1.0 - iou
    return apart + limits.pose_weight * np.where(np.isnan(pose_distance), apart, pose_distance)


def normalise_poses(
    keypoints: Float[np.ndarray, 'pair joint 2'], boxes: Float[np.ndarray, 'pair 4']
) -> tuple[Float[np.ndarray, 'pair joint 2'], Float[np.ndarray, 'pair 2']]:
    """Return poses about their box centres, in longer box sides, and the boxes' extents likewise.

    Args:
        keypoints: px; NaN stays NaN.
        boxes: corners, px. Sides shorter than 1 px count as 1 px.
    """
    extents = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    size = extents.max(axis=1, keepdims=True)
    centres = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    return (keypoints - centres[:, None]) / size[:, None], extents / size


def normalised_pose_distance(
    a: Float[np.ndarray, 'pair joint 2'],
    a_seen: Bool[np.ndarray, 'pair joint'],
    a_boxes: Float[np.ndarray, 'pair 4'],
    b: Float[np.ndarray, 'pair joint 2'],
    b_seen: Bool[np.ndarray, 'pair joint'],
    b_boxes: Float[np.ndarray, 'pair 4'],
    limits: StageLimits,
) -> Float[np.ndarray, 'pair']:
    """Return `dist_np` of pairs of poses, [0, 1]: Eq. (19), inverted and normalised.

    Only joints seen in both poses count. NaN where these are too few.

    Args:
        a: the tracks' joints, px.
        a_seen: joints to use; where false the position may be NaN.
        a_boxes: the boxes these were seen in, px.
        b: the people's joints, px.
        b_seen: joints to use.
        b_boxes: the people's boxes, px.
        limits: the parameters of Eq. (17) to (19).
    """
    common = a_seen & b_seen
    poses_a, extents = normalise_poses(a, a_boxes)
    poses_b, _ = normalise_poses(b, b_boxes)
    offset = np.where(common[..., None], poses_a - poses_b, 0.0)
    is_within = (np.abs(offset) <= 0.5 * limits.joint_reach * extents[:, None]).all(axis=-1)
    nearness = np.exp(-(offset**2).sum(axis=-1) / limits.joint_spread)
    alike = ((is_within + limits.spread_weight * nearness) * common).sum(axis=-1)
    count = common.sum(axis=-1)
    largest = (1.0 + limits.spread_weight) * np.maximum(count, 1)
    return np.where(count >= limits.min_common_joints, 1.0 - alike / largest, np.nan)
