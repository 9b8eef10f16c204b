"""One person of one image as a file has them, and how they become arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.evaluation.replay.truth import TruthFrame
from pose_tracking_ros.skeleton import COCO_17

REGION_ID: Final = 0
"""In place of a person's id where nobody knows who is there, or how many."""


class TruePerson(NamedTuple):
    """A person or a region of one image; the fields are those of `TruthFrame`."""

    person_id: int
    box: Float[np.ndarray, '4']
    keypoints: Float[np.ndarray, 'joint 2']
    keypoint_visible: Bool[np.ndarray, 'joint']
    is_ignored: bool

    @classmethod
    def boxed(
        cls, person_id: int, box: Float[np.ndarray, '4'], is_ignored: bool = False
    ) -> TruePerson:
        """Return a person of whom no joints are labelled."""
        joints = len(COCO_17)
        return cls(
            person_id, box, np.full((joints, 2), np.nan), np.zeros(joints, np.bool_), is_ignored
        )

    @classmethod
    def region(cls, box: Float[np.ndarray, '4']) -> TruePerson:
        """Return a region in which nothing counts."""
        return cls.boxed(REGION_ID, box, is_ignored=True)


def frame_of(stamp_ns: int, people: Sequence[TruePerson]) -> TruthFrame:
    """Return the truth of an image; nobody is a valid one.

    Args:
        stamp_ns: of the image, ns.
        people: in it, regions included.
    """
    joints = len(COCO_17)
    return TruthFrame(
        stamp_ns=stamp_ns,
        person_ids=np.array([person.person_id for person in people], dtype=np.int64),
        boxes=np.array([person.box for person in people], dtype=np.float64).reshape(-1, 4),
        keypoints=np.array([person.keypoints for person in people], dtype=np.float64).reshape(
            -1, joints, 2
        ),
        keypoint_visible=np.array(
            [person.keypoint_visible for person in people], dtype=np.bool_
        ).reshape(-1, joints),
        is_ignored=np.array([person.is_ignored for person in people], dtype=np.bool_),
    )
