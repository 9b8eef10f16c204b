"""How alike two poses are: AlphaPose's parametric similarity (arXiv 2211.03375, §3.4).

Three forms:

- `paper`: the sum over joints of tanh(c_i / s1) tanh(c_j / s1), where joint j lies in a box around
  joint i with a tenth of person i's box sides (Eq. 17), plus a weight times the sum of
  exp(-d² / s2) with d in px (Eq. 18, 19). i is the person in question, j the reference.
- `scaled`: the same with d in tenths of the geometric mean of the box sides, so that nothing
  depends on the size of the image.
- `released`: what AlphaPose's code does (MVIG-SJTU/AlphaPose at c60106d): joints match within
  1 px, the second sum is of exp(-d / s2), and five joints within 7 px (or within a tenth of the
  longer side of the reference's box, if that is less) are enough by themselves.

A pose is redundant when its similarity *exceeds* the threshold. Eq. 16 has it the other way round,
which would remove everybody except duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

POSE_NMS_FORMS = ('paper', 'scaled', 'released')
# Joints match within this share of the box sides (paper) or of the longer one (released code).
_BOX_SHARE = 0.1
# The released code's constants.
_MATCH_PX = 1.0
_CLOSE_PX = 7.0
_MIN_CLOSE_JOINTS = 5


@dataclass(frozen=True)
class ParametricPoseNms:
    """What counts as the same person's pose.

    Attributes:
        form: one of `POSE_NMS_FORMS`.
        score_scale: sigma_1 (delta_1 in the code): joint scores well above it count fully;
            above 0.
        distance_scale: sigma_2 (delta_2): px² in `paper`, tenths of the box squared in `scaled`,
            px in `released`; above 0.
        distance_weight: lambda (mu), at least 0.
        min_similarity: eta (gamma): poses above it are redundant; at least 0.
    """

    form: str = 'released'
    score_scale: float = 1.0
    distance_scale: float = 2.65
    distance_weight: float = 1.7
    min_similarity: float = 22.48

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: one is out of range.
        """
        if self.form not in POSE_NMS_FORMS:
            raise ValueError(
                f'form: expected one of {", ".join(POSE_NMS_FORMS)}; got {self.form!r}'
            )
        for name in ('score_scale', 'distance_scale'):
            # Written so that NaN fails.
            if not 0.0 < getattr(self, name) < np.inf:
                raise ValueError(f'{name}: expected above 0, got {getattr(self, name)}')
        for name in ('distance_weight', 'min_similarity'):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ValueError(f'{name}: expected at least 0, got {getattr(self, name)}')


def parametric_similarity(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    keypoint_scores: Float[np.ndarray, 'person joint'],
    reference: int,
    others: Int[np.ndarray, 'other'],
    parameters: ParametricPoseNms,
) -> Float[np.ndarray, 'other']:
    """Return how alike poses are to a reference, from 0 to (1 + distance_weight) × joints.

    Args:
        boxes: corners, px.
        keypoints: px; NaN adds nothing.
        keypoint_scores: [0, 1].
        reference: index of the person kept.
        others: indices of the people in question.
        parameters: form and parameters.
    """
    offsets = np.abs(keypoints[others] - keypoints[reference])
    sides = boxes[others, 2:] - boxes[others, :2]
    distances = np.hypot(offsets[..., 0], offsets[..., 1])
    # NaN compares false: a missing joint does not match.
    if parameters.form == 'released':
        matches = distances <= _MATCH_PX
        exponents = distances / parameters.distance_scale
    else:
        # The matching box is centred at the joint, hence half its sides.
        matches = (offsets <= 0.5 * _BOX_SHARE * sides[:, None]).all(axis=2)
        if parameters.form == 'scaled':
            size = _BOX_SHARE * np.sqrt(sides.prod(axis=1))
            distances = distances / np.maximum(size, 1e-9)[:, None]
        exponents = distances**2 / parameters.distance_scale
    certainty = np.tanh(keypoint_scores / parameters.score_scale)
    common = np.where(matches, certainty[others] * certainty[reference], 0.0)
    close = np.where(np.isfinite(distances), np.exp(-exponents), 0.0)
    similarity: Float[np.ndarray, 'other'] = common.sum(
        axis=1
    ) + parameters.distance_weight * close.sum(axis=1)
    return similarity


def is_redundant(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    keypoint_scores: Float[np.ndarray, 'person joint'],
    reference: int,
    others: Int[np.ndarray, 'other'],
    parameters: ParametricPoseNms,
) -> Bool[np.ndarray, 'other']:
    """Return which poses show the same person as a reference; arguments as above."""
    similarity = parametric_similarity(
        boxes, keypoints, keypoint_scores, reference, others, parameters
    )
    redundant = similarity > parameters.min_similarity
    if parameters.form == 'released':
        distances = joint_distances(keypoints[others], keypoints[reference])
        reach = np.minimum(reach_px(boxes[[reference]]), _CLOSE_PX)
        redundant |= (distances <= reach).sum(axis=1) >= _MIN_CLOSE_JOINTS
    return redundant


def joint_distances(
    a: Float[np.ndarray, 'person joint 2'], b: Float[np.ndarray, '*person joint 2']
) -> Float[np.ndarray, 'person joint']:
    """Return the distances of joints, px, to one pose or to one pose each; NaN stays NaN."""
    offsets = a - b
    return np.hypot(offsets[..., 0], offsets[..., 1])


def reach_px(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box']:
    """Return a tenth of the longer side of each box, the released code's measure of "near"."""
    reach: Float[np.ndarray, 'box'] = _BOX_SHARE * (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return reach
