"""What there is to compare of tracks and people: position, pose, looks, for all pairs at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.tracking import motion, similarity
from pose_tracking_ros.tracking.computed_once import computed_once
from pose_tracking_ros.tracking.occlusion import Visibility
from pose_tracking_ros.tracking.pose_motion import expect_poses
from pose_tracking_ros.tracking.track_arrays import TrackArrays

# The gate reaches so many standard deviations of the expected centre, and never further than
# this many body sizes: beyond, position says nothing and only looks can tell.
_REACH_SIGMAS = np.array(2.0)
_MAX_REACH_SIZES = np.array(0.6)
# Tracks expected to lie beyond the image's border by more than this share are on their way out.
LEAVING_SHARE = 0.25
# See `motion` for why these are arrays.
_ONE, _LEAVING_SHARE = np.array(1.0), np.array(LEAVING_SHARE)
# A pose older than this has changed too much to be compared.
_MAX_POSE_AGE_S = 0.5
# COCO's sigmas describe how exactly people click joints. Between two images limbs swing.
_POSE_SIGMA_SCALE = 4.0


# Not frozen: see `occlusion`.
@dataclass(eq=False)
class Cues:
    """Everything there is to compare, for all pairs. Costly parts are computed when asked for.

    Attributes:
        tracks: the tracks, with `moments` predicted to this image.
        boxes: detected corner boxes, px.
        image_size: width and height, px.
        keypoints: detected joints, px.
        embeddings: detected appearances, unit length or zero.
        visibility: what of each detected person can be seen.
        unseen_s: time since each track's last detection, s.
        is_missing: tracks that had no detection for a while before this image.
    """

    tracks: TrackArrays
    boxes: Float[np.ndarray, 'person 4']
    image_size: tuple[int, int]
    keypoints: Float[np.ndarray, 'person joint 2']
    embeddings: Float[np.ndarray, 'person dim']
    visibility: Visibility
    unseen_s: Float[np.ndarray, 'track']
    is_missing: Bool[np.ndarray, 'track']

    @computed_once
    def predicted_boxes(self) -> Float[np.ndarray, 'track 4']:
        """Boxes the motion filter expects, also beyond the image, px."""
        return motion.boxes_of(self.tracks.moments)

    @computed_once
    def expected_boxes(self) -> Float[np.ndarray, 'track 4']:
        """Boxes the motion filter expects, as far as they lie in the image, px."""
        return motion.clip_boxes(self.predicted_boxes, self.image_size)

    @computed_once
    def outside_share(self) -> Float[np.ndarray, 'track'] | None:
        """Share of each expected box's width or height beyond the image's border, from 0 up.

        `None` if no share exceeds `LEAVING_SHARE`: mostly there is no more to be known.
        """
        boxes = self.predicted_boxes
        beyond = np.abs(boxes - self.expected_boxes)
        if not np.count_nonzero(beyond):
            return None
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], _ONE)
        shares = np.maximum(beyond[:, :2], beyond[:, 2:]) / sides
        if not np.count_nonzero(shares > _LEAVING_SHARE):
            return None
        share: Float[np.ndarray, 'track'] = np.maximum(shares[:, 0], shares[:, 1])
        return share

    @computed_once
    def reach_px(self) -> Float[np.ndarray, 'track 2']:
        """Half width of the gate around each expected box, px."""
        limit = _MAX_REACH_SIZES * motion.body_sizes(self.tracks.moments)
        reach = _REACH_SIGMAS * motion.reach_px(self.tracks.moments)
        limited: Float[np.ndarray, '2 track'] = np.minimum(reach.T, limit)
        return limited.T

    @computed_once
    def grown_iou(self) -> Float[np.ndarray, 'track person']:
        """IoU with the expectation, both grown by its uncertainty."""
        return similarity.pairwise_grown_iou(self.expected_boxes, self.boxes, self.reach_px)

    @computed_once
    def certainty(self) -> Float[np.ndarray, 'track 1']:
        """How much each track's expectation says."""
        return similarity.certainty(self.expected_boxes, self.reach_px)[:, None]

    @computed_once
    def last_iou(self) -> Float[np.ndarray, 'track person']:
        """IoU with the last detection, without any prediction."""
        return similarity.pairwise_iou(self.tracks.last_boxes, self.boxes)

    @computed_once
    def distance(self) -> Float[np.ndarray, 'track person']:
        """Embedding distance; NaN where either has none."""
        distance = similarity.pairwise_distance(self.tracks.embeddings, self.embeddings)
        for is_known, pairs in (
            (self.tracks.has_embedding, distance),
            (self.visibility.has_embedding, distance.T),
        ):
            if not all(is_known.tolist()):
                pairs[~is_known] = np.nan
        return distance

    @computed_once
    def valid_distance(self) -> Float[np.ndarray, 'track person']:
        """Embedding distance; NaN where either has none or the person is occluded."""
        is_valid = self.visibility.appearance_is_valid
        if all(is_valid.tolist()):
            return self.distance
        return np.where(is_valid, self.distance, np.nan)

    @computed_once
    def expected_poses(self) -> Float[np.ndarray, 'track joint 2']:
        """Poses expected in the expected boxes, px."""
        tracks = self.tracks
        return expect_poses(
            tracks.keypoints,
            tracks.seen,
            tracks.last_boxes,
            tracks.usual_poses,
            self.predicted_boxes,
            self.unseen_s,
        )

    def pose_similarity(
        self, where: Bool[np.ndarray, 'track person']
    ) -> Float[np.ndarray, 'track person']:
        """Return the OKS of each track's expected pose and detected poses.

        Args:
            where: the pairs to compare; the others are NaN, as are those that cannot be judged.
        """
        tracks = self.tracks
        alike = np.full(where.shape, np.nan)
        comparable = where & (self.unseen_s <= _MAX_POSE_AGE_S)[:, None]
        row, person = np.nonzero(comparable)
        if len(row) == 0:
            return alike
        sigmas = similarity.sigmas_for(tracks.keypoints.shape[1])
        alike[row, person] = similarity.object_keypoint_similarity(
            self.expected_poses[row],
            tracks.seen[row],
            similarity.box_areas(self.predicted_boxes)[row],
            self.keypoints[person],
            self.visibility.seen[person],
            _POSE_SIGMA_SCALE * sigmas,
        )
        return alike
