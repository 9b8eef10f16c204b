"""Pictures with a known number of people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.benchmark.contestants import BenchmarkError
from pose_tracking_ros.simulation.camera import CameraMotion
from pose_tracking_ros.simulation.paths import walk
from pose_tracking_ros.simulation.scene import Actor, Scene
from pose_tracking_ros.simulation.wardrobe import distinct_looks

_ROW_LENGTH = 8
_FIRST_ROW_M = 5.5
_ROW_STEP_M = 2.6
# People stand within this share of what the camera sees to each side.
_SPREAD = 0.8
_CAMERA = CameraMotion(start=(0.0, 0.0, 2.4), pitch_rad=-0.2)


def group_scene(count: int, image_size: tuple[int, int], seed: int = 0) -> Scene:
    """Return a scene of one frame in which so many people stand in rows, all of them in view.

    Args:
        count: people, at least 1.
        image_size: width and height, px.
        seed: of looks and scenery.

    Raises:
        ValueError: there is to be nobody, or the image is too small.
    """
    if count < 1:
        raise ValueError(f'people: expected at least 1 person, got {count}')
    rng = np.random.default_rng([seed, count])
    stamps_s = np.zeros(1)
    cast = []
    for number, look in enumerate(distinct_looks(rng, count)):
        row, place = divmod(number, _ROW_LENGTH)
        in_row = min(_ROW_LENGTH, count - row * _ROW_LENGTH)
        depth_m = _FIRST_ROW_M + row * _ROW_STEP_M
        half_width_m = depth_m * 0.5 / _CAMERA.focal
        # Odd rows look through the gaps of those in front.
        shift = 0.25 if row % 2 else -0.25
        side = ((place + 0.5 + shift * (in_row > 1)) / in_row * 2 - 1) * _SPREAD
        way = walk([[(0.0, side * half_width_m, depth_m)]], stamps_s, look.height_m, np.pi)
        cast.append(Actor(look, way))
    return Scene(f'group of {count}', seed, image_size, 30.0, 1, cast, [], _CAMERA)


def people_in_view(scene: Scene) -> int:
    """Return how many people the first picture of a scene shows."""
    return len(scene.truth(0).boxes)


def clip_pictures(path: Path, count: int) -> list[UInt8[np.ndarray, 'height width 3']]:
    """Return so many pictures of a clip, RGB, evenly spread over it.

    Raises:
        BenchmarkError: the clip cannot be read.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        wanted = set(np.linspace(0, max(total - 1, 0), count).round().astype(int).tolist())
        pictures = []
        for index in range(total):
            if not capture.grab():
                break
            if index in wanted:
                ok, picture = capture.retrieve()
                if ok:
                    pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    if not pictures:
        raise BenchmarkError(
            f'clip: {path}: expected a video that OpenCV reads, got no picture; convert it '
            '(ffmpeg -i IN OUT.mp4), or leave --clip out for rendered people'
        )
    return pictures
