"""What travels between the stages: one frame's people, and the tracks they belong to.

Arrays are checked once, here, so that later stages may rely on them. Pixel coordinates are those
of the received image, x to the right and y down, with the centre of the top left pixel at
(0.5, 0.5). A joint that was not estimated is NaN, never (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Float, Int


class KeypointState(IntEnum):
    """How a joint's position came about; the values are those of the message."""

    NOT_ESTIMATED = 0
    VISIBLE = 1
    OCCLUDED = 2
    PREDICTED = 3
    OUT_OF_FRAME = 4


class TrackState(IntEnum):
    """Where a track is in its life; the values are those of the message."""

    TENTATIVE = 1
    CONFIRMED = 2
    OCCLUDED = 3
    LOST = 4
    REMOVED = 5


class EventKind(IntEnum):
    """What happened to a track; the values are those of the message."""

    BORN = 1
    LOST = 2
    RECOVERED = 3
    REIDENTIFIED = 4
    REMOVED = 5


def _checked(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    array = np.ascontiguousarray(value, dtype=np.float32)
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ' x '.join('any' if want is None else str(want) for want in shape)
        raise ValueError(
            f'{name}: expected shape {wanted}, got {" x ".join(map(str, array.shape))}'
        )
    return array


@dataclass(frozen=True, eq=False)
class People:
    """The people found in one image. No person is a valid result: every array has length 0.

    Attributes:
        boxes: corners x1, y1, x2, y2 in px; finite, x1 <= x2, y1 <= y2.
        scores: probability of being a person, in [0, 1].
        keypoints: joint positions x, y in px; NaN where not estimated.
        keypoint_scores: in [0, 1]; 0 where not estimated.
        embeddings: appearance vectors of unit length, or all zero for "no appearance known";
            the last axis has length 0 when no appearance is computed at all.
        image_size: width and height of the image, px.
    """

    boxes: Float[np.ndarray, 'person 4']
    scores: Float[np.ndarray, 'person']
    keypoints: Float[np.ndarray, 'person joint 2']
    keypoint_scores: Float[np.ndarray, 'person joint']
    embeddings: Float[np.ndarray, 'person dim']
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        """Check shapes and ranges.

        Raises:
            ValueError: an array has another shape than stated, or holds values out of range.
        """
        boxes = _checked('boxes', self.boxes, (None, 4))
        count = len(boxes)
        keypoints = _checked('keypoints', self.keypoints, (count, None, 2))
        arrays = {
            'boxes': boxes,
            'scores': _checked('scores', self.scores, (count,)),
            'keypoints': keypoints,
            'keypoint_scores': _checked(
                'keypoint_scores', self.keypoint_scores, (count, keypoints.shape[1])
            ),
            'embeddings': _checked('embeddings', self.embeddings, (count, None)),
        }
        if not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
            raise ValueError('boxes: expected finite corners with x1 <= x2 and y1 <= y2')
        for name in ('scores', 'keypoint_scores'):
            array = arrays[name]
            if not ((array >= 0) & (array <= 1)).all():
                raise ValueError(
                    f'{name}: expected values in [0, 1], got {array.min()}..{array.max()}'
                )
        if not np.isfinite(arrays['embeddings']).all():
            raise ValueError('embeddings: expected finite values')
        for name, array in arrays.items():
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.boxes)

    @classmethod
    def none(cls, image_size: tuple[int, int], joints: int = 17, dim: int = 0) -> People:
        """Return the result for an image without people."""
        return cls(
            boxes=np.zeros((0, 4)),
            scores=np.zeros(0),
            keypoints=np.zeros((0, joints, 2)),
            keypoint_scores=np.zeros((0, joints)),
            embeddings=np.zeros((0, dim)),
            image_size=image_size,
        )

    def select(self, which: Int[np.ndarray, 'chosen'] | Any) -> People:
        """Return the people at the given indices (or where a boolean mask is true)."""
        if isinstance(which, np.ndarray) and which.ndim == 1 and which.dtype.kind == 'i':
            # Rows of what was checked need no second check, and the tracker sorts every image.
            chosen = object.__new__(People)
            vars(chosen).update(
                boxes=self.boxes.take(which, axis=0),
                scores=self.scores.take(which),
                keypoints=self.keypoints.take(which, axis=0),
                keypoint_scores=self.keypoint_scores.take(which, axis=0),
                embeddings=self.embeddings.take(which, axis=0),
                image_size=self.image_size,
            )
            return chosen
        return People(
            boxes=self.boxes[which],
            scores=self.scores[which],
            keypoints=self.keypoints[which],
            keypoint_scores=self.keypoint_scores[which],
            embeddings=self.embeddings[which],
            image_size=self.image_size,
        )


@dataclass(frozen=True, eq=False)
class PoseInSpace:
    """Where one person is in metres, as of one image. What is not known is NaN.

    The frame is that of the camera (optical: x right, y down, z forward), or the one asked for.

    Attributes:
        joints_m: positions; all three NaN where unknown.
        covariances_m2: of the joints' positions.
        position_m: the middle of the hips, or of the joints that are known.
        velocity_m_s: of that position, m/s.
        orientation_xyzw: unit quaternion of the torso: x forward, y to the person's left, z up
            along the torso.
    """

    joints_m: Float[np.ndarray, 'joint 3']
    covariances_m2: Float[np.ndarray, 'joint 3 3']
    position_m: Float[np.ndarray, '3']
    velocity_m_s: Float[np.ndarray, '3']
    orientation_xyzw: Float[np.ndarray, '4'] = field(default_factory=lambda: np.full(4, np.nan))


# Not frozen: one is made per person and image, and a frozen one takes three times as long to make.
@dataclass(eq=False)
class Track:
    """One person followed over time, as of one image.

    Attributes:
        track_id: from 1 up, never reused within a session.
        state: see `TrackState`.
        is_matched: whether a detection of this image supports the track.
        box: corners x1, y1, x2, y2 in px; predicted when not matched.
        score: the last matched detection's score, [0, 1].
        visibility: share of joints seen in this image, [0, 1]; 0 when not matched.
        velocity: of the box centre, px/s.
        keypoints: px; NaN where not estimated.
        keypoint_scores: [0, 1].
        keypoint_states: a `KeypointState` per joint.
        embedding: running appearance, unit length; empty when none is known.
        age_s: time since birth, s.
        time_since_update_s: time since the last matched detection, s; 0 when matched.
        occluder_id: track in front of this one, 0 for none.
        person_id: identity from the gallery, empty when unknown.
        person_similarity: how much the look resembles that identity's, [0, 1], 1 the very same;
            NaN without an identity.
        in_space: pose in metres; None when depth is not used.
    """

    track_id: int
    state: TrackState
    is_matched: bool
    box: Float[np.ndarray, '4']
    score: float
    visibility: float
    velocity: Float[np.ndarray, '2']
    keypoints: Float[np.ndarray, 'joint 2']
    keypoint_scores: Float[np.ndarray, 'joint']
    keypoint_states: Int[np.ndarray, 'joint']
    embedding: Float[np.ndarray, 'dim']
    age_s: float
    time_since_update_s: float
    occluder_id: int = 0
    person_id: str = ''
    person_similarity: float = math.nan
    in_space: PoseInSpace | None = None


@dataclass(frozen=True)
class TrackEvent:
    """Something that happened to a track.

    Attributes:
        kind: see `EventKind`.
        track_id: the track it happened to.
        stamp_s: image time of the frame in which it happened, s.
        person_id: identity from the gallery, empty when unknown.
    """

    kind: EventKind
    track_id: int
    stamp_s: float
    person_id: str = ''


@dataclass(frozen=True, eq=False)
class FrameResult:
    """All that one image gave.

    Attributes:
        people: this image's detections.
        tracks: the tracks after this image, confirmed and tentative, also those not matched.
        events: what happened to tracks in this image.
        session_id: changes when the tracker is reset; ids are unique within a session.
        timings_s: seconds spent per stage, in order of execution.
        camera_motion_problem: why the camera's own motion could not be compensated in this image;
            empty when it was, when it did not move, or when that was not asked for.
        region_problem: why not all of the region of interest was looked at; empty when it was.
    """

    people: People
    tracks: list[Track]
    events: list[TrackEvent]
    session_id: int
    timings_s: dict[str, float] = field(default_factory=dict)
    camera_motion_problem: str = ''
    region_problem: str = ''
