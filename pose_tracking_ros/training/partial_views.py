"""Partial views of people: cut off by a border, or hidden behind something.

Most people in everyday pictures are not seen whole, while labelled sports pictures show whole
bodies. A network trained on these lays a whole skeleton into every box. Half-body augmentation
(HRNet, arXiv 1902.09212 §4.1) is widened here to any part that leaves enough labelled joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from pose_tracking_ros.training.pictures import Labels

# A part shows at least so many labelled joints, and this share of the person's box: a head.
_MIN_JOINTS = 3
_MIN_SHARE = 0.1
_ATTEMPTS = 6
# Borders and furniture mostly hide legs: the part is at the top, at the bottom, or anywhere.
_PLACE_ODDS = (0.6, 0.2, 0.2)
# Who is left to a smaller share, and shows hardly a joint, is a region to ignore.
_MIN_LEFT_SHARE = 0.3
# A joint behind a patch can only be guessed from the rest.
HIDDEN_WEIGHT = 0.4


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a picture that a close-up is about.

    Attributes:
        low: left and top, px of the picture.
        high: right and bottom, px.
        is_cut_low: whether nothing left of it and above it may be shown.
        is_cut_high: whether nothing right of it and below it may be shown.
    """

    low: Float[np.ndarray, '2']
    high: Float[np.ndarray, '2']
    is_cut_low: Bool[np.ndarray, '2']
    is_cut_high: Bool[np.ndarray, '2']

    @classmethod
    def whole(cls, box: Float[np.ndarray, '4']) -> Window:
        """Return the window of a whole person."""
        nowhere = np.zeros(2, np.bool_)
        return cls(box[:2].astype(np.float64), box[2:].astype(np.float64), nowhere, nowhere)

    @property
    def size(self) -> Float[np.ndarray, '2']:
        """Width and height, px."""
        size: Float[np.ndarray, '2'] = np.maximum(self.high - self.low, 1.0)
        return size

    def grown(
        self, wanted: Float[np.ndarray, '2'], picture: tuple[int, int]
    ) -> tuple[Int[np.ndarray, '2'], Int[np.ndarray, '2']]:
        """Return the window grown to a size, as far as its cut sides and the picture allow.

        Args:
            wanted: width and height, px.
            picture: width and height of the picture, px.

        Returns:
            Left and top, right and bottom, whole pixels.
        """
        missing = np.maximum(wanted - self.size, 0.0)
        # What one side must not give the other gives.
        share_low = np.where(self.is_cut_low, 0.0, np.where(self.is_cut_high, 1.0, 0.5))
        share_high = np.where(self.is_cut_high, 0.0, np.where(self.is_cut_low, 1.0, 0.5))
        low = np.maximum(np.floor(self.low - missing * share_low), 0).astype(int)
        high = np.minimum(np.ceil(self.high + missing * share_high), picture).astype(int)
        return low, np.maximum(high, low + 1)


def random_part(
    box: Float[np.ndarray, '4'], keypoints: Float[np.ndarray, 'joint 3'], rng: np.random.Generator
) -> Window:
    """Return a random part of a person that shows some labelled joints; whole if none is found.

    Args:
        box: corners, px.
        keypoints: x, y, weight.
        rng: of this canvas.
    """
    size = (box[2:] - box[:2]).astype(np.float64)
    for _ in range(_ATTEMPTS):
        share = np.array([rng.choice([1.0, rng.uniform(0.4, 0.95)]), rng.uniform(0.15, 0.85)])
        if share.prod() < _MIN_SHARE:
            continue
        places = [0.0, 1.0, rng.random()]
        start = np.array([rng.choice([0.0, 1.0]), rng.choice(places, p=_PLACE_ODDS)])
        low = box[:2] + start * (1.0 - share) * size
        high = low + share * size
        inside = ((keypoints[:, :2] >= low) & (keypoints[:, :2] < high)).all(1)
        if (inside & (keypoints[:, 2] > 0)).sum() < _MIN_JOINTS:
            continue
        return Window(low, high, low > box[:2] + 1.0, high < box[2:] - 1.0)
    return Window.whole(box)


def cropped(labels: Labels, low: Int[np.ndarray, '2'], high: Int[np.ndarray, '2']) -> Labels:
    """Return the labels of a part of a picture, in the part's own pixels.

    Boxes end at the part's border, joints beyond are not labelled; of whom little is left becomes
    an ignored region.
    """
    size = (high - low).astype(np.float32)
    boxes, left = _clipped(labels.boxes - np.tile(low, 2).astype(np.float32), size)
    ignored, ignored_left = _clipped(labels.ignored - np.tile(low, 2).astype(np.float32), size)
    keypoints = labels.keypoints.copy()
    keypoints[..., :2] -= low
    outside = ((keypoints[..., :2] < 0) | (keypoints[..., :2] >= size)).any(-1)
    keypoints[..., 2][outside] = 0
    is_shown = (keypoints[..., 2] > 0).sum(1) >= _MIN_JOINTS
    kept = (left >= _MIN_LEFT_SHARE) | ((left >= _MIN_SHARE) & is_shown)
    return Labels(
        boxes=boxes[kept],
        keypoints=keypoints[kept],
        ignored=np.concatenate([ignored[ignored_left > 0], boxes[(left > 0) & ~kept]]),
        identities=labels.identities[kept],
    )


def _clipped(
    boxes: Float[np.ndarray, 'box 4'], size: Float[np.ndarray, '2']
) -> tuple[Float[np.ndarray, 'box 4'], Float[np.ndarray, 'box']]:
    clipped = np.clip(boxes, 0, np.tile(size, 2))
    area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-6)
    return clipped, (clipped[:, 2:] - clipped[:, :2]).prod(1) / area


def hide_patch(
    canvas: UInt8[np.ndarray, 'height width 3'],
    cell: tuple[int, int, int, int],
    labels: Labels,
    rng: np.random.Generator,
) -> Labels:
    """Cover a random patch of a cell with another part of the canvas; changes the canvas.

    Args:
        canvas: drawn on, in place.
        cell: x1, y1, x2, y2 on the canvas.
        labels: on the canvas.
        rng: of this canvas.

    Returns:
        The labels; joints behind the patch count less.
    """
    x1, y1, x2, y2 = cell
    width = int((x2 - x1) * rng.uniform(0.2, 0.55))
    height = int((y2 - y1) * rng.uniform(0.15, 0.4))
    x, y = int(rng.integers(x1, x2 - width + 1)), int(rng.integers(y1, y2 - height + 1))
    from_x = int(rng.integers(0, canvas.shape[1] - width + 1))
    from_y = int(rng.integers(0, canvas.shape[0] - height + 1))
    patch = canvas[from_y : from_y + height, from_x : from_x + width].copy()
    canvas[y : y + height, x : x + width] = patch[:, ::-1]
    keypoints = labels.keypoints.copy()
    points = keypoints[..., :2]
    is_hidden = ((points >= [x, y]) & (points < [x + width, y + height])).all(-1)
    keypoints[..., 2][is_hidden] *= HIDDEN_WEIGHT
    return Labels(labels.boxes, keypoints, labels.ignored, labels.identities)
