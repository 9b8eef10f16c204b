"""Draws textured planes of the world into an image, each in its own window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.simulation.camera import NEAR_M, Camera
from pose_tracking_ros.simulation.obstacles import SUBPIXEL_BITS, fixed_point

Image = UInt8[np.ndarray, 'height width 3']


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Return a picture in [0, 1] as 8 bit."""
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Plane:
    """An upright rectangle with a picture on it.

    Attributes:
        start: x and y of the foot of its left edge as seen from the front, m.
        end: x and y of the foot of its right edge, m.
        height_m: of the upper edge.
        picture: 3 channels, or 4 with alpha as the last; the first row is the upper edge.
        base_m: height of the lower edge.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    height_m: float
    picture: UInt8[np.ndarray, 'rows columns channel']
    base_m: float = 0.0

    @cached_property
    def corners(self) -> Float[np.ndarray, '4 3']:
        """Upper left, upper right, lower right, lower left, m."""
        (x1, y1), (x2, y2) = self.start, self.end
        top, low = self.height_m, self.base_m
        return np.array([[x1, y1, top], [x2, y2, top], [x2, y2, low], [x1, y1, low]])

    @cached_property
    def _levels(self) -> list[np.ndarray]:
        # Smaller copies for when it is far away: sampling the large one would flicker.
        levels = [self.picture]
        while min(levels[-1].shape[:2]) > 16:
            height, width = levels[-1].shape[:2]
            half = (max(width // 2, 1), max(height // 2, 1))
            levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
        return levels

    def faces(self, camera: Camera) -> bool:
        """Return whether its front is turned to the camera."""
        (x1, y1), (x2, y2) = self.start, self.end
        x, y = camera.position[:2]
        return bool((x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) < 0)

    def draw(self, camera: Camera, image: Image, haze: int | None = None) -> None:
        """Draw it over the image; nothing is drawn of a plane that reaches behind the camera.

        Args:
            camera: what sees it.
            image: changed in place.
            haze: grey that far things fade to, 0 to 255; None for clear air.
        """
        corners_px, depths = camera.project(self.corners)
        if (depths < NEAR_M).any():
            return
        height, width = image.shape[:2]
        low = np.clip(np.floor(corners_px.min(0)) - 1, 0, (width, height)).astype(int)
        high = np.clip(np.ceil(corners_px.max(0)) + 1, 0, (width, height)).astype(int)
        if (high <= low).any():
            return
        tall_px = np.linalg.norm(corners_px[0] - corners_px[3])
        wide_px = np.linalg.norm(corners_px[1] - corners_px[0])
        rows, columns = self.picture.shape[:2]
        shrink = max(min(rows / max(tall_px, 1), columns / max(wide_px, 1)), 1)
        picture = self._levels[min(int(np.log2(shrink) + 0.4), len(self._levels) - 1)]
        rows, columns = picture.shape[:2]
        up = self.corners[3] - self.corners[0]
        right = self.corners[1] - self.corners[0]
        # OpenCV's pixel centres are whole numbers, ours lie at 0.5.
        origin = self.corners[0] + 0.5 / rows * up + 0.5 / columns * right
        texel_to_px = camera.plane_homography(origin, right / columns, up / rows)
        shift = np.array([[1, 0, -low[0] - 0.5], [0, 1, -low[1] - 0.5], [0, 0, 1]])
        window = (int(high[0] - low[0]), int(high[1] - low[1]))
        warped = cv2.warpPerspective(
            picture, shift @ texel_to_px, window, borderMode=cv2.BORDER_REPLICATE
        )
        mask: np.ndarray = np.zeros((window[1], window[0]), dtype=np.uint8)
        cv2.fillConvexPoly(mask, fixed_point(corners_px - low), 255, cv2.LINE_AA, SUBPIXEL_BITS)
        if warped.shape[2] == 4:
            mask = cv2.multiply(mask, warped[..., 3], scale=1 / 255)
            warped = warped[..., :3]
        if haze is not None:
            share = 1 - float(np.exp(-depths.mean() / 110))
            warped = cv2.convertScaleAbs(warped, alpha=1 - share, beta=share * haze)
        blend_into(image[low[1] : high[1], low[0] : high[0]], warped, mask)


def blend_into(target: Image, source: Image, alpha: UInt8[np.ndarray, 'height width']) -> None:
    """Lay a picture over another where alpha (0 to 255) says so; `target` is changed in place."""
    weight = cv2.merge([alpha, alpha, alpha])
    kept = cv2.multiply(target, cv2.bitwise_not(weight), scale=1 / 255)
    target[...] = cv2.add(kept, cv2.multiply(source, weight, scale=1 / 255))


def blend_premultiplied(target: Image, source: UInt8[np.ndarray, 'height width 4']) -> None:
    """Lay a picture whose colours are already multiplied by its alpha over another, in place."""
    inverse = cv2.bitwise_not(source[..., 3])
    kept = cv2.multiply(target, cv2.merge([inverse] * 3), scale=1 / 255)
    target[...] = cv2.add(kept, np.ascontiguousarray(source[..., :3]))
