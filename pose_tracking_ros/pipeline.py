"""One image in, tracked people out: the whole flow, without ROS.

The node, the demo and bag replay all run this same object.
"""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.settings import PoseNmsSettings
from pose_tracking_ros.tracking.pose_nms import suppress_duplicates
from pose_tracking_ros.tracking.tracker import Tracker


class Pipeline:
    """Network and tracker in sequence.

    Args:
        engine: finds the people of one image.
        tracker: links them over time.
        pose_nms: how people found twice are told; the defaults if not given.
    """

    def __init__(
        self, engine: Engine, tracker: Tracker, pose_nms: PoseNmsSettings | None = None
    ) -> None:
        self.engine = engine
        self.tracker = tracker
        self.pose_nms = pose_nms or PoseNmsSettings()

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
        tracks = self.tracker.update(people, stamp_s)
        tracked = time.perf_counter()
        return FrameResult(
            people=people,
            tracks=tracks,
            events=self.tracker.take_events(),
            session_id=self.tracker.session_id,
            timings_s={'infer': inferred - started, 'track': tracked - inferred},
        )
