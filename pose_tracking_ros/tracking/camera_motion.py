"""How the camera moved between two images, seen from what stands still in them.

The result maps pixels of the previous image to pixels of the present one, so that the tracker's
memory can be moved along before it predicts (see `camera_warp`). Two methods, on a small grey
image:

- `flow`: corners followed by sparse optical flow, and the similarity (shift, turn, zoom) on which
  most of them agree (RANSAC).
- `ecc`: the affine map that makes the images correlate most (enhanced correlation coefficient,
  Evangelidis and Psarakis 2008), found from coarse to fine. Slower; does without corners and does
  not mind changes of brightness.

People move by themselves, so what they covered in the previous image is left out. An estimate that
cannot be trusted is not used: the map is then the identity, and says why. Nor is one that says no
more than that the camera stands still: its noise would add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.settings import CameraMotionSettings
from pose_tracking_ros.tracking.background_alignment import Verdict, ecc, flow, rescale

# People's boxes grown on each side by this share of their size: boxes are not exact.
_BOX_MARGIN = 0.1
# A background that moves less between two images stands still, px of the small image. Slower pans
# are left to the tracker's own motion filter.
_STILL_PX = 0.2
# No camera moves further between two images that still show the same place.
_MAX_SHIFT = 0.35
_MAX_ZOOM = 1.35
_MAX_TURN_RAD = math.radians(25.0)


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """From the previous image to the present one.

    Attributes:
        affine: maps positions in the previous image to positions in the present one, px of the
            full images; the identity unless it `MOVED`.
        verdict: whether the affine was measured, and why not.
        agreement: share of corners that agree (flow) or correlation (ECC), in [0, 1]; 0 where it
            did not come to that.
    """

    affine: Float[np.ndarray, '2 3']
    verdict: Verdict
    agreement: float = 0.0

    @property
    def is_trusted(self) -> bool:
        """Whether the camera's motion, or that it stands still, was measured."""
        return self.verdict in (Verdict.MOVED, Verdict.STILL)

    @property
    def problem(self) -> str:
        """Why the motion could not be found; empty when it was, or nothing was asked for."""
        is_fine = self.is_trusted or self.verdict in (Verdict.SWITCHED_OFF, Verdict.FIRST_IMAGE)
        return '' if is_fine else self.verdict.value

    @classmethod
    def none(cls, verdict: Verdict, agreement: float = 0.0) -> CameraMotion:
        """Return the identity, with the reason."""
        return cls(affine=np.eye(2, 3), verdict=verdict, agreement=agreement)


class CameraMotionEstimator:
    """Compares each image with the one before.

    Keeps one small grey image. Not safe for use from several threads at once.

    Args:
        settings: method and image size; the defaults if not given.
    """

    def __init__(self, settings: CameraMotionSettings | None = None) -> None:
        self._settings = settings or CameraMotionSettings()
        self._grey: UInt8[np.ndarray, 'row column'] | None = None
        self._full_size = (0, 0)
        self._stamp_s = 0.0

    def apply_settings(self, settings: CameraMotionSettings) -> None:
        """Use other settings from the next image on."""
        if settings != self._settings:
            self.reset()
        self._settings = settings

    def reset(self) -> None:
        """Forget the previous image."""
        self._grey = None

    def estimate(
        self,
        image: UInt8[np.ndarray, 'height width 3'],
        stamp_s: float,
        people_before: Float[np.ndarray, 'person 4'],
    ) -> CameraMotion:
        """Return the camera's motion since the image of the previous call.

        Needs nothing found in this image, so it may run beside the network.

        Args:
            image: RGB.
            stamp_s: time of the image, s.
            people_before: corner boxes of people in the previous image, px; what they cover is
                left out.
        """
        settings = self._settings
        if settings.camera_motion == 'none':
            self.reset()
            return CameraMotion.none(Verdict.SWITCHED_OFF)
        before, full_size, elapsed_s = self._grey, self._full_size, stamp_s - self._stamp_s
        now = shrink(image, settings.camera_motion_long_side_px)
        self._grey, self._stamp_s = now, stamp_s
        self._full_size = (image.shape[1], image.shape[0])
        if before is None:
            return CameraMotion.none(Verdict.FIRST_IMAGE)
        if full_size != self._full_size:
            return CameraMotion.none(Verdict.OTHER_SIZE)
        if not 0.0 <= elapsed_s <= settings.camera_motion_max_gap_s:
            return CameraMotion.none(Verdict.GAP)
        scale = np.array(full_size, dtype=np.float64) / np.array(now.shape[::-1])
        mask = background_mask(people_before, now.shape[:2], scale)
        method = flow if settings.camera_motion == 'flow' else ecc
        small, verdict, agreement = method(before, now, mask)
        if verdict is not Verdict.MOVED:
            return CameraMotion.none(verdict, agreement)
        if largest_shift_px(small, now.shape[::-1]) < _STILL_PX:
            return CameraMotion.none(Verdict.STILL, agreement)
        affine = rescale(small, scale)
        if not is_plausible(affine, full_size):
            return CameraMotion.none(Verdict.IMPLAUSIBLE, agreement)
        return CameraMotion(affine=affine, verdict=verdict, agreement=agreement)


def shrink(
    image: UInt8[np.ndarray, 'height width 3'], long_side_px: int
) -> UInt8[np.ndarray, 'row column']:
    """Return a grey image with the given longer side; smaller images are not enlarged."""
    height, width = image.shape[:2]
    factor = min(1.0, long_side_px / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    # Area averages: without them, fine texture flickers and corners lose their way. One channel
    # is averaged quicker than three.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small: UInt8[np.ndarray, 'row column'] = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return small


def background_mask(
    boxes: Float[np.ndarray, 'person 4'],
    shape: tuple[int, int],
    scale: Float[np.ndarray, '2'],
) -> UInt8[np.ndarray, 'row column']:
    """Return 255 where nobody is and 0 on people, with a margin around them.

    Args:
        boxes: corner boxes, px of the full image.
        shape: rows and columns of the small image.
        scale: full pixels per small pixel, x and y.
    """
    mask = np.full(shape, 255, dtype=np.uint8)
    corners = boxes.reshape(-1, 2, 2)
    margin = _BOX_MARGIN * (corners[:, 1] - corners[:, 0])
    low = np.floor((corners[:, 0] - margin) / scale).astype(int).clip(0)
    high = np.ceil((corners[:, 1] + margin) / scale).astype(int).clip(0)
    for (x1, y1), (x2, y2) in zip(low.tolist(), high.tolist(), strict=True):
        mask[y1:y2, x1:x2] = 0
    return mask


def largest_shift_px(affine: Float[np.ndarray, '2 3'], size: tuple[int, ...]) -> float:
    """Return how far the corner of the image that moves furthest moves, px.

    Args:
        affine: in pixels of an image of this size.
        size: width and height, px.
    """
    width, height = size
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    return float(np.linalg.norm(affine @ corners - corners[:2], axis=0).max())


def is_plausible(affine: Float[np.ndarray, '2 3'], size: tuple[int, int]) -> bool:
    """Return whether a camera may move like this between two images of the same place.

    Args:
        affine: in pixels of an image of this size.
        size: width and height, px.
    """
    if not np.isfinite(affine).all():
        return False
    linear = affine[:, :2]
    centre = 0.5 * np.array(size, dtype=np.float64)
    shift = float(np.abs(linear @ centre + affine[:, 2] - centre).max())
    turn = math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])
    stretch = np.linalg.svd(linear, compute_uv=False)
    return bool(
        shift <= _MAX_SHIFT * max(size)
        and abs(turn) <= _MAX_TURN_RAD
        and stretch.max() <= _MAX_ZOOM
        and stretch.min() >= 1.0 / _MAX_ZOOM
        and np.linalg.det(linear) > 0.0
    )
