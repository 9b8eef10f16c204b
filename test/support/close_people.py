"""Rendered people at about 3 m, seen from head to foot, for tests and figures of depth."""

from __future__ import annotations

import numpy as np

from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.simulation.camera import CameraMotion
from pose_tracking_ros.simulation.paths import walk
from pose_tracking_ros.simulation.scene import Actor, Scene
from pose_tracking_ros.simulation.wardrobe import distinct_looks

RATE_HZ = 10.0


def close_scene(seed: int = 0, frame_count: int = 40, people: int = 3) -> Scene:
    """Return a scene in which people walk to and fro between 2.4 and 3.6 m from the camera."""
    stamps_s = np.arange(frame_count) / RATE_HZ
    end_s = stamps_s[-1] + 1
    ways = (
        [(0.0, -1.3, 2.6), (end_s, -0.3, 3.5)],
        [(0.0, 1.3, 3.0), (end_s, 0.4, 3.4)],
        [(0.0, 0.1, 3.6), (end_s / 2, 0.5, 3.0), (end_s, -0.9, 2.6)],
    )
    looks = distinct_looks(np.random.default_rng(seed), people)
    cast = [
        Actor(look, walk([way], stamps_s, look.height_m))
        for look, way in zip(looks, ways, strict=False)
    ]
    # Lower than eyes, so that feet are in the picture.
    camera = CameraMotion(start=(0.0, 0.0, 1.2), pitch_rad=-0.08)
    return Scene('close', seed, (640, 480), RATE_HZ, frame_count, cast, [], camera)


def camera_model_of(scene: Scene) -> CameraModel:
    """Return the scene's camera."""
    fx, fy, cx, cy = scene.camera_intrinsics
    return CameraModel(scene.image_size, (fx, fy), (cx, cy))
