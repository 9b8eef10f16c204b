"""One image in, tracked people out: the whole flow, without ROS.

The node, the demo and bag replay all run this same object.
"""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.tracking.tracker import Tracker


class Pipeline:
    """Network and tracker in sequence.

    Args:
        engine: finds the people of one image.
        tracker: links them over time.
    """

    def __init__(self, engine: Engine, tracker: Tracker) -> None:
        self.engine = engine
        self.tracker = tracker

    def process(self, image: UInt8[np.ndarray, 'height width 3'], stamp_s: float) -> FrameResult:
        """Find and track the people of one RGB image.

        Args:
            image: the image, uint8 RGB.
            stamp_s: when it was taken, s. A stamp before the previous one starts a new session.

        Raises:
            ValueError: the image or the stamp is unusable; the tracks are as before.
        """
        started = time.perf_counter()
        people = self.engine.infer(image)
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
