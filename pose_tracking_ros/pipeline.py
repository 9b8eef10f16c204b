"""One image in, tracked people out: the whole flow, without ROS.

The node, the demo and bag replay all run this same object.
"""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.settings import CameraMotionSettings, PoseNmsSettings
from pose_tracking_ros.tracking.background_alignment import Verdict
from pose_tracking_ros.tracking.camera_motion import CameraMotionEstimator
from pose_tracking_ros.tracking.pose_nms import suppress_duplicates
from pose_tracking_ros.tracking.tracker import Tracker


class Pipeline:
    """Network and tracker in sequence.

    Args:
        engine: finds the people of one image.
        tracker: links them over time.
        pose_nms: how people found twice are told; the defaults if not given.
        camera_motion: how the camera's own motion is found; the defaults if not given.
    """

    def __init__(
        self,
        engine: Engine,
        tracker: Tracker,
        pose_nms: PoseNmsSettings | None = None,
        camera_motion: CameraMotionSettings | None = None,
    ) -> None:
        self.engine = engine
        self.tracker = tracker
        self.pose_nms = pose_nms or PoseNmsSettings()
        self.camera_motion = CameraMotionEstimator(camera_motion)
        self._boxes_before: Float[np.ndarray, 'person 4'] = np.zeros((0, 4), np.float32)

    def process(self, image: UInt8[np.ndarray, 'height width 3'], stamp_s: float) -> FrameResult:
        """Find and track the people of one RGB image.

        Args:
            image: the image, uint8 RGB.
            stamp_s: when it was taken, s. A stamp before the previous one starts a new session.

        Raises:
            ValueError: the image or the stamp is unusable; the tracks are as before.
        """
        started = time.perf_counter()
        people = suppress_duplicates(self.engine.infer(image), self.pose_nms)
        inferred = time.perf_counter()
        camera = self.camera_motion.estimate(image, stamp_s, self._boxes_before)
        self._boxes_before = people.boxes
        steadied = time.perf_counter()
        affine = camera.affine if camera.verdict is Verdict.MOVED else None
        tracks = self.tracker.update(people, stamp_s, affine)
        tracked = time.perf_counter()
        return FrameResult(
            people=people,
            tracks=tracks,
            events=self.tracker.take_events(),
            session_id=self.tracker.session_id,
            timings_s={
                'infer': inferred - started,
                'camera_motion': steadied - inferred,
                'track': tracked - steadied,
            },
        )
