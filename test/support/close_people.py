"""Rendered people at about 3 m, seen from head to foot."""

from __future__ import annotations

from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import make_scene


def close_scene() -> Scene:
    """Return four seconds of the scene `near`, ten frames per second."""
    return make_scene('near', duration_s=4.0, rate_hz=10.0)


def camera_model_of(scene: Scene) -> CameraModel:
    """Return the scene's camera."""
    fx, fy, cx, cy = scene.camera_intrinsics
    return CameraModel(scene.image_size, (fx, fy), (cx, cy))
