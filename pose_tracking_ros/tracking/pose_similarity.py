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

    The defaults come from `evaluation fit-pose-nms` with the `lite` network on COCO pictures, box
    NMS at 0.9.

    Attributes:
        form: one of `POSE_NMS_FORMS`.
        score_scale: sigma_1 (delta_1 in the code): joint scores well above it count fully;
            above 0.
        distance_scale: sigma_2 (delta_2): px² in `paper`, tenths of the box squared in `scaled`,
            px in `released`; above 0.
        distance_weight: lambda (mu), at least 0.
        min_similarity: eta (gamma): poses above it are redundant; at least 0.
    """

    form: str = 'scaled'
    score_scale: float = 0.04
    distance_scale: float = 0.5
    distance_weight: float = 1.4
    min_similarity: float = 17.0

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


RELEASED_CODE = ParametricPoseNms('released', 1.0, 2.65, 1.7, 22.48)


def parametric_similarity(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    keypoint_scores: Float[np.ndarray, 'person joint'],
    references: Int[np.ndarray, 'pair'],
    others: Int[np.ndarray, 'pair'],
    parameters: ParametricPoseNms,
) -> Float[np.ndarray, 'pair']:
    """Return how alike poses are, from 0 to (1 + distance_weight) × joints.

    Args:
        boxes: corners, px.
        keypoints: px; NaN adds nothing.
        keypoint_scores: [0, 1].
        references: indices of the people to keep.
        others: for each of them, the index of a person in question.
        parameters: form and parameters.
    """
    offsets = np.abs(keypoints[others] - keypoints[references])
    distances = np.hypot(offsets[..., 0], offsets[..., 1])
    # NaN compares false: a missing joint does not match.
    if parameters.form == 'released':
        matches = distances <= _MATCH_PX
        exponents = distances / parameters.distance_scale
    else:
        matches = (offsets <= _matching_half_sides(boxes[others])[:, None]).all(axis=2)
        lengths = distances / _unit_px(boxes[others], parameters)[:, None]
        exponents = lengths**2 / parameters.distance_scale
    certainty = np.tanh(keypoint_scores / parameters.score_scale)
    common = np.where(matches, certainty[others] * certainty[references], 0.0)
    close = np.where(np.isfinite(distances), np.exp(-exponents), 0.0)
    similarity: Float[np.ndarray, 'pair'] = common.sum(
        axis=1
    ) + parameters.distance_weight * close.sum(axis=1)
    return similarity


def are_redundant(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    keypoint_scores: Float[np.ndarray, 'person joint'],
    references: Int[np.ndarray, 'pair'],
    others: Int[np.ndarray, 'pair'],
    parameters: ParametricPoseNms,
) -> Bool[np.ndarray, 'pair']:
    """Return which pairs show one person; arguments as above."""
    redundant = np.zeros(len(references), dtype=bool)
    # Most pairs are too far apart to be worth a closer look.
    near = np.flatnonzero(_may_be_redundant(boxes, keypoints, references, others, parameters))
    references, others = references[near], others[near]
    similarity = parametric_similarity(
        boxes, keypoints, keypoint_scores, references, others, parameters
    )
    redundant[near] = similarity > parameters.min_similarity
    if parameters.form == 'released':
        distances = joint_distances(keypoints[others], keypoints[references])
        reach = np.minimum(reach_px(boxes[references]), _CLOSE_PX)
        redundant[near] |= (distances <= reach[:, None]).sum(axis=1) >= _MIN_CLOSE_JOINTS
    return redundant


def _may_be_redundant(
    boxes: Float[np.ndarray, 'person 4'],
    keypoints: Float[np.ndarray, 'person joint 2'],
    references: Int[np.ndarray, 'pair'],
    others: Int[np.ndarray, 'pair'],
    parameters: ParametricPoseNms,
) -> Bool[np.ndarray, 'pair']:
    """Return false only for pairs that cannot be redundant, whatever their joints' scores.

    No two joints are closer than the rectangles around all joints of either, which bounds both
    sums.
    """
    gaps, joints = pose_gaps_px(keypoints, references, others), keypoints.shape[1]
    if parameters.form == 'released':
        reach, exponents = np.array(_MATCH_PX), gaps / parameters.distance_scale
    else:
        reach = np.hypot(*_matching_half_sides(boxes[others]).T)
        exponents = (gaps / _unit_px(boxes[others], parameters)) ** 2 / parameters.distance_scale
    bound = joints * ((gaps <= reach) + parameters.distance_weight * np.exp(-exponents))
    may_be: Bool[np.ndarray, 'pair'] = bound > parameters.min_similarity
    return may_be | (gaps <= _CLOSE_PX) if parameters.form == 'released' else may_be


def pose_gaps_px(
    keypoints: Float[np.ndarray, 'person joint 2'],
    references: Int[np.ndarray, 'pair'],
    others: Int[np.ndarray, 'pair'],
) -> Float[np.ndarray, 'pair']:
    """Return the distances between the rectangles around all joints; infinite without joints."""
    is_known = np.isfinite(keypoints)
    low = np.where(is_known, keypoints, np.inf).min(axis=1)
    high = np.where(is_known, keypoints, -np.inf).max(axis=1)
    gaps = np.maximum(low[others] - high[references], low[references] - high[others])
    distances: Float[np.ndarray, 'pair'] = np.hypot(*np.maximum(gaps, 0.0).T)
    return distances


def joint_distances(
    a: Float[np.ndarray, 'pair joint 2'], b: Float[np.ndarray, 'pair joint 2']
) -> Float[np.ndarray, 'pair joint']:
    """Return the distances of joints, px; NaN stays NaN."""
    offsets = a - b
    distances: Float[np.ndarray, 'pair joint'] = np.hypot(offsets[..., 0], offsets[..., 1])
    return distances


def reach_px(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box']:
    """Return a tenth of the longer side of each box, the released code's measure of "near"."""
    reach: Float[np.ndarray, 'box'] = _BOX_SHARE * (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return reach


def _matching_half_sides(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box 2']:
    """Return the reach of the matching boxes, which are centred at the joints, in x and y, px."""
    halves: Float[np.ndarray, 'box 2'] = 0.5 * _BOX_SHARE * (boxes[:, 2:] - boxes[:, :2])
    return halves


def _unit_px(
    boxes: Float[np.ndarray, 'box 4'], parameters: ParametricPoseNms
) -> Float[np.ndarray, 'box']:
    """Return the length in which distances are measured, px."""
    if parameters.form != 'scaled':
        return np.ones(len(boxes))
    sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    units: Float[np.ndarray, 'box'] = np.maximum(_BOX_SHARE * sides, 1e-9)
    return units
