"""What may be wrong with images that do arrive: their stamps, sizes and calibration."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from pose_tracking_ros.ros.health import Health

# An image of another size is a problem for so long; a camera that changes once is fine after.
_SIZE_MEMORY_S = 5.0


class ImageChecks:
    """Looks at one image after the other; used by the worker thread alone.

    Args:
        health: takes complaints of the kinds `image_size`, `stamp_offset` and `camera_info`.
        now_s: monotonic clock, s.
    """

    def __init__(self, health: Health, now_s: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._now_s = now_s
        self._image_size: tuple[int, int] | None = None
        self._size_changed_s = -math.inf

    def check_size(self, image_size: tuple[int, int]) -> None:
        """Complain when the size differs from the previous image's.

        Args:
            image_size: width and height, px.
        """
        before, self._image_size = self._image_size, image_size
        if before is not None and before != image_size:
            self._size_changed_s = self._now_s()
            self._health.begin(
                'image_size',
                f'the size of the images changed from {before[0]}x{before[1]} to '
                f'{image_size[0]}x{image_size[1]}: people are followed in pixels, and may lose '
                'their numbers. Do two cameras publish on one topic, or does the driver change '
                'its mode?',
            )
        elif self._now_s() - self._size_changed_s >= _SIZE_MEMORY_S:
            self._health.resolve('image_size')

    def check_stamp(self, stamp_s: float, clock_s: float, max_offset_s: float) -> None:
        """Complain of a stamp that is far from now.

        Args:
            stamp_s: of the image, s.
            clock_s: the node's clock, s; 0 is simulated time that nobody publishes.
            max_offset_s: what is still fine, s; 0: everything.
        """
        offset_s = stamp_s - clock_s
        if not max_offset_s or not clock_s or abs(offset_s) <= max_offset_s:
            self._health.resolve('stamp_offset')
            return
        self._health.begin(
            'stamp_offset',
            f'the stamps of the images lie {abs(offset_s):.1f} s '
            f"{'after' if offset_s > 0 else 'before'} this node's clock, so that transforms and "
            'other sensors do not fit them. For a recording, play it with --clock and set '
            'use_sim_time (a video_source that loops: stamp:=now); otherwise synchronise the '
            'clocks of camera and computer (chrony, PTP). max_stamp_offset_s sets the limit',
        )

    def usable_camera_info(self, info: Any | None, image_size: tuple[int, int]) -> Any | None:
        """Return the calibration if it can be used with an image, else None and complain.

        Args:
            info: the latest `sensor_msgs/CameraInfo`; None when there is none.
            image_size: width and height of the image, px.
        """
        problem = '' if info is None else camera_info_problem(info, image_size)
        if problem:
            self._health.begin('camera_info', problem)
            return None
        self._health.resolve('camera_info')
        return info


def camera_info_problem(info: Any, image_size: tuple[int, int]) -> str:
    """Return why a `sensor_msgs/CameraInfo` cannot be used with an image; empty if it can.

    Args:
        info: the calibration. One without a size (0x0) fits every image.
        image_size: width and height of the image, px.
    """
    problem = intrinsics_problem(info)
    if problem:
        return problem
    size = _image_size_of(info)
    if 0 not in size and size != image_size:
        return (
            f'camera_info is not used: it describes images of {size[0]}x{size[1]} px, these have '
            f'{image_size[0]}x{image_size[1]}. Remap camera_info to the topic that belongs to the '
            'image, or let the driver load the calibration for this resolution'
        )
    return ''


def intrinsics_problem(info: Any) -> str:
    """Return why no image can use a `sensor_msgs/CameraInfo`; empty if some can."""
    focal, centre = (info.k[0], info.k[4]), (info.k[2], info.k[5])
    remedy = 'Calibrate the camera, or correct the calibration file that its driver loads'
    if not all(map(math.isfinite, (*focal, *centre))):
        return (
            'camera_info is not used: expected finite intrinsics, got '
            f'fx {focal[0]}, fy {focal[1]}, cx {centre[0]}, cy {centre[1]}. {remedy}'
        )
    if min(focal) <= 0:
        return (
            'camera_info is not used: expected focal lengths above 0, got '
            f'fx {focal[0]}, fy {focal[1]}, which means "not calibrated". {remedy}'
        )
    return ''


def _image_size_of(info: Any) -> tuple[int, int]:
    """Return width and height of the images that a calibration describes, px."""
    width, height = info.width, info.height
    if info.roi.width and info.roi.height:
        width, height = info.roi.width, info.roi.height
    return width // max(info.binning_x, 1), height // max(info.binning_y, 1)
