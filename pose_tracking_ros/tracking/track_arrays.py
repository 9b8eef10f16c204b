"""What the tracker remembers, as one array per property instead of one object per track.

Every property keeps its rows in order of birth, so that whole frames are handled by a fixed
number of array operations however many people are in view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import People, TrackState
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.occlusion import Visibility
from pose_tracking_ros.tracking.pose_motion import relative_poses


@dataclass(eq=False)
class TrackArrays:
    """The living tracks of one tracker.

    Attributes:
        ids: rising, never reused.
        states: a `TrackState` each.
        born_s: image time of the first detection, s.
        matched_s: image time of the last detection, s.
        updates: images since birth while tentative, the first included.
        matches: how many of these had a detection.
        is_announced: whether the track was confirmed at some time.
        is_matched: whether the latest image had one.
        scores: of the last detection.
        visibility: share of joints seen in the latest image; 0 when not matched.
        is_hidden: the last detection was judged occluded.
        boxes: as published: the last detection, or the expectation when not matched; px.
        last_boxes: the last detection, px.
        moments: see `motion`.
        keypoints: of the last detection; NaN where not estimated; px.
        keypoint_scores: of the last detection.
        seen: joints seen in the last detection.
        usual_poses: where the joints usually are, relative to the box; see `pose_motion`.
        embeddings: running appearance of unit length; zero when none is known.
        has_embedding: tracks whose appearance is known.
        occluder_ids: the track in front, 0 for none.
    """

    ids: Int[np.ndarray, 'track']
    states: Int[np.ndarray, 'track']
    born_s: Float[np.ndarray, 'track']
    matched_s: Float[np.ndarray, 'track']
    updates: Int[np.ndarray, 'track']
    matches: Int[np.ndarray, 'track']
    is_announced: Bool[np.ndarray, 'track']
    is_matched: Bool[np.ndarray, 'track']
    scores: Float[np.ndarray, 'track']
    visibility: Float[np.ndarray, 'track']
    is_hidden: Bool[np.ndarray, 'track']
    boxes: Float[np.ndarray, 'track 4']
    last_boxes: Float[np.ndarray, 'track 4']
    moments: Float[np.ndarray, 'track 5 4']
    keypoints: Float[np.ndarray, 'track joint 2']
    keypoint_scores: Float[np.ndarray, 'track joint']
    seen: Bool[np.ndarray, 'track joint']
    usual_poses: Float[np.ndarray, 'track joint 2']
    embeddings: Float[np.ndarray, 'track dim']
    has_embedding: Bool[np.ndarray, 'track']
    occluder_ids: Int[np.ndarray, 'track']

    @classmethod
    def none(cls, joints: int = 0, dim: int = 0) -> TrackArrays:
        """Return the memory of a tracker that has seen nobody."""
        whole, real, flag = np.int64, np.float64, np.bool_
        return cls(
            ids=np.zeros(0, whole),
            states=np.zeros(0, whole),
            born_s=np.zeros(0, real),
            matched_s=np.zeros(0, real),
            updates=np.zeros(0, whole),
            matches=np.zeros(0, whole),
            is_announced=np.zeros(0, flag),
            is_matched=np.zeros(0, flag),
            scores=np.zeros(0, real),
            visibility=np.zeros(0, real),
            is_hidden=np.zeros(0, flag),
            boxes=np.zeros((0, 4), real),
            last_boxes=np.zeros((0, 4), real),
            moments=np.zeros((0, 5, 4), real),
            keypoints=np.zeros((0, joints, 2), np.float32),
            keypoint_scores=np.zeros((0, joints), np.float32),
            seen=np.zeros((0, joints), flag),
            usual_poses=np.zeros((0, joints, 2), real),
            embeddings=np.zeros((0, dim), np.float32),
            has_embedding=np.zeros(0, flag),
            occluder_ids=np.zeros(0, whole),
        )

    @classmethod
    def begin(
        cls,
        people: People,
        visibility: Visibility,
        which: Int[np.ndarray, 'track'],
        is_trusted: Bool[np.ndarray, 'person'],
        first_id: int,
        stamp_s: float,
        model: motion.MotionModel,
    ) -> TrackArrays:
        """Return new tentative tracks.

        Args:
            people: this image's people.
            visibility: of all of them.
            which: indices of those who get a track, in the order of their ids.
            is_trusted: all people whose embeddings may be learnt.
            first_id: identity of the first; the others count up.
            stamp_s: time of the image, s.
            model: constants of the motion filter.
        """
        count = len(which)
        boxes = people.boxes[which].astype(np.float64)
        return cls(
            ids=first_id + np.arange(count),
            states=np.full(count, int(TrackState.TENTATIVE)),
            born_s=np.full(count, stamp_s),
            matched_s=np.full(count, stamp_s),
            updates=np.ones(count, np.int64),
            matches=np.ones(count, np.int64),
            is_announced=np.zeros(count, np.bool_),
            is_matched=np.ones(count, np.bool_),
            scores=people.scores[which].astype(np.float64),
            visibility=visibility.visibility[which],
            is_hidden=visibility.is_occluded[which],
            boxes=boxes,
            last_boxes=boxes.copy(),
            moments=motion.start(boxes, model),
            keypoints=people.keypoints[which],
            keypoint_scores=people.keypoint_scores[which],
            seen=visibility.seen[which],
            usual_poses=relative_poses(people.keypoints[which], boxes),
            embeddings=np.where(
                is_trusted[which, None], people.embeddings[which], np.float32(0.0)
            ),
            has_embedding=is_trusted[which],
            occluder_ids=np.zeros(count, np.int64),
        )

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self.ids)

    def write(self, rows: Int[np.ndarray, 'row'] | slice, **columns: np.ndarray) -> None:
        """Write new values of some properties to chosen rows, or all rows: `slice(None)`.

        Args:
            rows: indices, or all rows.
            columns: an array for each property, of its type. With all rows it becomes the
                property, and must not be used by anyone else.
        """
        if isinstance(rows, slice):
            vars(self).update(columns)
            return
        for name, values in columns.items():
            getattr(self, name)[rows] = values

    def append(self, more: TrackArrays) -> None:
        """Add tracks at the end."""
        for name, rows in vars(more).items():
            setattr(self, name, np.concatenate([getattr(self, name), rows]))

    def keep(self, which: Bool[np.ndarray, 'track']) -> None:
        """Forget all other tracks."""
        kept = np.flatnonzero(which)
        for name in list(vars(self)):
            setattr(self, name, getattr(self, name).take(kept, axis=0))

    def adapt(self, joints: int, dim: int) -> None:
        """Forget poses or appearances of another length: the network has been exchanged."""
        count = len(self)
        if self.keypoints.shape[1] != joints:
            self.keypoints = np.full((count, joints, 2), np.nan, np.float32)
            self.keypoint_scores = np.zeros((count, joints), np.float32)
            self.seen = np.zeros((count, joints), np.bool_)
            self.usual_poses = np.full((count, joints, 2), np.nan)
        if self.embeddings.shape[1] != dim:
            self.embeddings = np.zeros((count, dim), np.float32)
            self.has_embedding = np.zeros(count, np.bool_)
