"""Which images are looked at, and which part of them: a limit of the rate, a region of interest.

Without ROS, so that replays of bags select as the node does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.people import People
from pose_tracking_ros.settings import ImageInputSettings


@dataclass(frozen=True)
class Region:
    """A part of an image: `left <= x < right`, `top <= y < bottom`, in px of the whole image.

    Attributes:
        left: first column.
        top: first row.
        right: column after the last; never beyond the image.
        bottom: row after the last; never beyond the image.
        problem: why it is not what was asked for; empty when it is.
    """

    left: int
    top: int
    right: int
    bottom: int
    problem: str = ''

    @classmethod
    def of(cls, settings: ImageInputSettings, image_size: tuple[int, int]) -> Region:
        """Return the region that the settings ask for, cut at the edges of an image.

        Args:
            settings: origin and size; a size of 0 reaches to the edge.
            image_size: width and height, px.

        Returns:
            An empty region where nothing of it lies inside the image.
        """
        width, height = image_size
        x, y = settings.roi_x_px, settings.roi_y_px
        wanted_right = x + settings.roi_width_px if settings.roi_width_px else max(width, x)
        wanted_bottom = y + settings.roi_height_px if settings.roi_height_px else max(height, y)
        problem = ''
        asked = (
            f'the region of interest, x {x} to {wanted_right} px and y {y} to {wanted_bottom} px, '
        )
        if x >= width or y >= height:
            problem = (
                f'{asked}lies outside of the image of {width}x{height} px: nobody is looked for. '
                'Set roi_x_px, roi_y_px, roi_width_px and roi_height_px; all 0 is the whole image'
            )
        elif wanted_right > width or wanted_bottom > height:
            problem = (
                f'{asked}reaches beyond the image of {width}x{height} px and is cut at its edge. '
                'Set roi_width_px and roi_height_px to fit; 0 reaches to the edge'
            )
        return cls(
            left=min(x, width),
            top=min(y, height),
            right=min(wanted_right, width),
            bottom=min(wanted_bottom, height),
            problem=problem,
        )

    @property
    def is_empty(self) -> bool:
        """Whether it has no pixel."""
        return self.left >= self.right or self.top >= self.bottom

    def of_image(
        self, image: UInt8[np.ndarray, 'height width 3']
    ) -> UInt8[np.ndarray, 'region_height region_width 3']:
        """Return this part of an image, C-contiguous: the image itself where it is all of it."""
        return np.ascontiguousarray(image[self.top : self.bottom, self.left : self.right])

    def to_image(self, people: People, image_size: tuple[int, int]) -> People:
        """Return people found in this part in pixels of the whole image.

        Args:
            people: in pixels of this part.
            image_size: width and height of the whole image, px.
        """
        if people.image_size == image_size:
            return people
        origin = np.array([self.left, self.top], dtype=people.boxes.dtype)
        return replace(
            people,
            boxes=people.boxes + np.tile(origin, 2),
            keypoints=people.keypoints + origin,
            image_size=image_size,
        )


class StampRateLimit:
    """Lets so many images per second pass, by their stamps.

    Args:
        now_s: monotonic clock for images without a stamp, s.
    """

    # A camera's intervals differ by a few milliseconds; an image that is early by less than this
    # share of the period passes, and the next one is due as if it had been on time.
    _EARLY = 0.25

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._last_s = -math.inf
        # When the last image that passed was due.
        self._passed_s = -math.inf

    def allows(self, stamp_s: float, max_rate_hz: float) -> bool:
        """Return whether an image passes, and count from it if so.

        Args:
            stamp_s: of the image, s; 0 for none, which is taken as "now". One before the previous
                image's begins anew.
            max_rate_hz: 0 lets everything pass.
        """
        if max_rate_hz <= 0:
            self._passed_s = -math.inf
            return True
        stamp_s = stamp_s or self._now_s()
        if stamp_s < self._last_s:
            self._passed_s = -math.inf
        self._last_s = stamp_s
        period_s = 1 / max_rate_hz
        due_s = self._passed_s + period_s
        if stamp_s < due_s - self._EARLY * period_s:
            return False
        self._passed_s = due_s if stamp_s - due_s < period_s else stamp_s
        return True
