"""People from one picture in front of people of another, with labels that follow.

Copy-paste needs outlines (arXiv 2012.07177); pictures with joints alone have none. A person's
outline is drawn about the joints: torso, limbs and head as thick as they usually are.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.partial_views import HIDDEN_WEIGHT
from pose_tracking_ros.training.pictures import Labels

# Who is cut out shows at least so many joints, surely: with fewer the outline has holes.
MIN_JOINTS = 13
# Thickness of limbs and radius of the head, relative to the person's size.
_LIMB_SHARE = 0.17
_HEAD_SHARE = 0.14
# Who is covered by more than this share of the box is a region to ignore.
_MAX_COVERED = 0.7
_TORSO = ('left_shoulder', 'right_shoulder', 'right_hip', 'left_hip')
_FACE = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')


def can_be_cut_out(labels: Labels) -> np.ndarray:
    """Return the indices of people with joints enough for an outline."""
    whole: np.ndarray = np.flatnonzero((labels.keypoints[..., 2] > 0).sum(1) >= MIN_JOINTS)
    return whole


def silhouette(
    keypoints: Float[np.ndarray, 'joint 3'], shape: tuple[int, int]
) -> Float[np.ndarray, 'height width']:
    """Return the share of each pixel that a person covers, by the labelled joints.

    Args:
        keypoints: x, y in px and weight.
        shape: height and width, px.
    """
    mask = np.zeros(shape, np.uint8)
    shown = keypoints[:, 2] > 0
    points = np.rint(keypoints[:, :2]).astype(int)
    size = np.sqrt(np.maximum(np.ptp(keypoints[shown, :2], axis=0), 1).prod())
    thickness = max(int(size * _LIMB_SHARE), 1)
    for a, b in COCO_17.limb_indices:
        if shown[a] and shown[b]:
            cv2.line(mask, points[a].tolist(), points[b].tolist(), 255, thickness)
    torso = [COCO_17.index(name) for name in _TORSO]
    if shown[torso].all():
        cv2.fillConvexPoly(mask, cv2.convexHull(points[torso].astype(np.int32)), 255)
    face = [i for i in (COCO_17.index(name) for name in _FACE) if shown[i]]
    if face:
        middle = np.rint(keypoints[face, :2].mean(0)).astype(int).tolist()
        cv2.circle(mask, middle, max(int(size * _HEAD_SHARE), 1), 255, -1)
    soft: Float[np.ndarray, 'height width'] = cv2.blur(mask, (3, 3)).astype(np.float32) / 255
    return soft


def paste_person(
    canvas: UInt8[np.ndarray, 'height width 3'],
    labels: Labels,
    image: UInt8[np.ndarray, 'picture_height picture_width 3'],
    donors: Labels,
    rng: np.random.Generator,
) -> Labels:
    """Draw somebody of another picture over or beside somebody of the canvas; changes the canvas.

    Args:
        canvas: drawn on, in place.
        labels: of the canvas; without people nothing happens.
        image: the other picture.
        donors: its people; without whole ones nothing happens.
        rng: of this canvas.

    Returns:
        The labels: with the new person; joints behind weigh less, and who is mostly covered is a
        region to ignore.
    """
    whole = can_be_cut_out(donors)
    if not len(whole) or not len(labels.boxes):
        return labels
    donor = donors.keypoints[int(rng.choice(whole))]
    box = labels.boxes[int(rng.integers(len(labels.boxes)))]
    matrix, flip = _placement(donor, box, rng)
    keypoints = donor.copy()
    keypoints[:, :2] = donor[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if flip:
        keypoints = keypoints[COCO_17.flip_order]
    shape = canvas.shape[:2]
    mask = silhouette(keypoints, shape)
    # Nor what lies beyond the border of the other picture.
    inside = np.ones(image.shape[:2], np.float32)
    mask *= cv2.warpAffine(inside, matrix, shape[::-1])
    rows, columns = np.nonzero(mask > 0.5)
    if not len(rows):
        return labels
    drawn = cv2.warpAffine(image, matrix, shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    canvas[:] = np.rint(canvas + (drawn.astype(np.float32) - canvas) * mask[..., None])
    limit = np.array([shape[1], shape[0]])
    outside = ((keypoints[:, :2] < 0) | (keypoints[:, :2] >= limit)).any(-1)
    keypoints[outside, 2] = 0
    extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return _with_person(covered(labels, mask), np.array(extent, np.float32), keypoints)


def covered(labels: Labels, mask: Float[np.ndarray, 'height width']) -> Labels:
    """Return the labels of people of whom part is covered.

    Args:
        labels: on the canvas.
        mask: share of each pixel that is covered.
    """
    keypoints = labels.keypoints.copy()
    limit = np.array([mask.shape[1], mask.shape[0]]) - 1
    cells = np.clip(np.floor(keypoints[..., :2]), 0, limit).astype(int)
    behind = mask[cells[..., 1], cells[..., 0]] > 0.5
    keypoints[..., 2][behind] *= HIDDEN_WEIGHT
    share = np.array([_share_in(mask, box) for box in labels.boxes])
    kept = share <= _MAX_COVERED
    return Labels(
        boxes=labels.boxes[kept],
        keypoints=keypoints[kept],
        ignored=np.concatenate([labels.ignored, labels.boxes[~kept]]),
        identities=labels.identities[kept],
    )


def _share_in(mask: np.ndarray, box: np.ndarray) -> float:
    x1, y1, x2, y2 = np.rint(box).astype(int)
    part = mask[max(y1, 0) : y2, max(x1, 0) : x2]
    return float((part > 0.5).mean()) if part.size else 0.0


def _placement(
    donor: Float[np.ndarray, 'joint 3'], box: Float[np.ndarray, '4'], rng: np.random.Generator
) -> tuple[Float[np.ndarray, '2 3'], bool]:
    """Return where a donor goes beside or before somebody: of like size, somewhat shifted."""
    points = donor[donor[:, 2] > 0, :2].astype(np.float64)
    low, high = points.min(0), points.max(0)
    sides = (box[2:] - box[:2]).astype(np.float64)
    scale = float(rng.uniform(0.7, 1.3) * sides[1] / max(high[1] - low[1], 1.0))
    middle = (box[:2] + box[2:]) / 2 + rng.uniform(-1, 1, 2) * sides * [0.7, 0.2]
    flip = bool(rng.random() < 0.5)
    turn = np.diag([-scale if flip else scale, scale])
    return np.column_stack([turn, middle - turn @ ((low + high) / 2)]), flip


def _with_person(
    labels: Labels, box: Float[np.ndarray, '4'], keypoints: Float[np.ndarray, 'joint 3']
) -> Labels:
    return Labels(
        boxes=np.concatenate([labels.boxes, box[None]]),
        keypoints=np.concatenate([labels.keypoints, keypoints[None].astype(np.float32)]),
        ignored=labels.ignored,
        identities=np.append(labels.identities, -1),
    )
