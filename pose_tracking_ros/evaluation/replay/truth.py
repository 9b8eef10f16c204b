"""What is known to be true of a recording's images, and which image each piece belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class TruthFrame:
    """Who is where in one image. Nobody gives arrays of length 0.

    Attributes:
        stamp_ns: of the image, ns.
        person_ids: the same person keeps theirs.
        boxes: corners x1, y1, x2, y2, px of the image as `people.py` counts them.
        keypoints: joints in the order of `COCO_17`, px; NaN where not labelled.
        keypoint_visible: labelled and not hidden.
        is_ignored: regions and people of whom nothing may be expected, nor held against anybody.
    """

    stamp_ns: int
    person_ids: Int[np.ndarray, 'person']
    boxes: Float[np.ndarray, 'person 4']
    keypoints: Float[np.ndarray, 'person joint 2']
    keypoint_visible: Bool[np.ndarray, 'person joint']
    is_ignored: Bool[np.ndarray, 'person']

    def __len__(self) -> int:
        """Return the number of people, ignored ones included."""
        return len(self.person_ids)


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The truth of a whole recording.

    Attributes:
        name: file or topic it came from.
        frames: by ascending stamp.
        has_keypoints: whether joints are labelled at all; boxes always are.
    """

    name: str
    frames: Sequence[TruthFrame]
    has_keypoints: bool


@dataclass(frozen=True, eq=False)
class TruthMatch:
    """The truth beside the images of a recording, matched by stamp.

    Attributes:
        truth: all of it.
        frames: for each image of the recording, in order, its truth; None where there is none.
        missing_ns: stamps of images without truth, ns.
        extra_ns: stamps of truth without an image, ns.
    """

    truth: GroundTruth
    frames: Sequence[TruthFrame | None]
    missing_ns: Sequence[int]
    extra_ns: Sequence[int]
