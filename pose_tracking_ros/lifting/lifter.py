"""Tracks in an image become people in space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_tracking_ros.lifting.body_motion import BodyMotion
from pose_tracking_ros.lifting.body_orientation import (
    quaternions_from_rotations,
    torso_rotations,
)
from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.lifting.depth_image import DepthImage
from pose_tracking_ros.lifting.joints import lift_joints
from pose_tracking_ros.lifting.rigid_transform import RigidTransform
from pose_tracking_ros.people import KeypointState, PoseInSpace, Track, TrackState
from pose_tracking_ros.skeleton import Skeleton


class Lifter:
    """Gives tracks their pose in space, image by image.

    Args:
        skeleton: of the tracks' keypoints.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._motion = BodyMotion(skeleton)
        self._session_id = 0

    def __len__(self) -> int:
        """Return the number of tracks whose motion is remembered."""
        return len(self._motion)

    def lift(
        self,
        tracks: Sequence[Track],
        depth: DepthImage | None,
        camera: CameraModel | None,
        *,
        stamp_s: float,
        session_id: int,
        to_target: RigidTransform | None = None,
    ) -> None:
        """Set `in_space` of every track.

        Only joints that this image shows are lifted; others, and everything when there is no depth
        or no camera, are NaN.

        Args:
            tracks: of one image; changed in place.
            depth: aligned with the image; None when there is none for it.
            camera: of the image; None when it is not known.
            stamp_s: time of the image, s.
            session_id: of the tracker; with another one, all motion is forgotten.
            to_target: from the camera's optical frame to that in which poses are wanted.

        Raises:
            DepthImageError: depth and image show another view; all poses are NaN.
        """
        if session_id != self._session_id:
            self._session_id = session_id
            self._motion.reset()
        self._motion.keep(t.track_id for t in tracks if t.state != TrackState.REMOVED)
        count = len(self._skeleton)
        for track in tracks:
            track.in_space = _unknown(count)
        matched = [track for track in tracks if track.is_matched]
        if depth is None or camera is None or not matched:
            return
        keypoints = np.array([track.keypoints for track in matched], dtype=np.float64)
        states = np.array([track.keypoint_states for track in matched])
        lifted = lift_joints(
            depth,
            camera,
            keypoints,
            states == KeypointState.VISIBLE,
            np.array([track.box for track in matched], dtype=np.float64),
            self._skeleton,
        )
        joints, covariances = lifted.joints_m, lifted.covariances_m2
        # What is hidden has no depth, but a line of sight.
        is_found = np.isin(states, (KeypointState.VISIBLE, KeypointState.OCCLUDED))
        rays = camera.rays_from_pixels(np.where(is_found[..., None], keypoints, np.nan))
        rotations = torso_rotations(joints, rays, self._skeleton)
        if to_target is not None:
            joints, covariances = to_target.points(joints), to_target.covariances(covariances)
            rotations = to_target.rotation @ rotations
        turns = quaternions_from_rotations(rotations)
        for track, points, spread, turn in zip(matched, joints, covariances, turns, strict=True):
            position, velocity = self._motion.update(track.track_id, stamp_s, points, spread)
            track.in_space = PoseInSpace(points, spread, position, velocity, turn)


def _unknown(joints: int) -> PoseInSpace:
    return PoseInSpace(
        np.full((joints, 3), np.nan),
        np.full((joints, 3, 3), np.nan),
        np.full(3, np.nan),
        np.full(3, np.nan),
    )
