"""Fit an image into the network's input, and its results back into the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8

# Close to the ImageNet mean, so that padding is near zero after normalisation.
PADDING_RGB = (124, 116, 104)


@dataclass(frozen=True)
class Letterbox:
    """A scaled image in the top left corner of a padded one.

    Attributes:
        scale_x: network px per image px, horizontally.
        scale_y: vertically; differs from `scale_x` by rounding to whole pixels only.
        size: width and height of the scaled image, px.
        padded_size: width and height of the network's input, px.
    """

    scale_x: float
    scale_y: float
    size: tuple[int, int]
    padded_size: tuple[int, int]

    @classmethod
    def fit(cls, image_size: tuple[int, int], long_side_px: int, step_px: int) -> Letterbox:
        """Return the letterbox for an image.

        Args:
            image_size: width and height, px.
            long_side_px: longer side of the scaled image.
            step_px: both padded sides are multiples of it.
        """
        width, height = image_size
        scale = long_side_px / max(width, height)
        scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
        padded = (-(-scaled[0] // step_px) * step_px, -(-scaled[1] // step_px) * step_px)
        return cls(scaled[0] / width, scaled[1] / height, scaled, padded)

    def apply(
        self, image: UInt8[np.ndarray, 'height width 3']
    ) -> UInt8[np.ndarray, 'padded_height padded_width 3']:
        """Return the scaled and padded image."""
        padded = np.empty((self.padded_size[1], self.padded_size[0], 3), np.uint8)
        width, height = self.size
        padded[:height, :width] = _scaled(image, self.size)
        padded[height:, :] = PADDING_RGB
        padded[:height, width:] = PADDING_RGB
        return padded

    def to_image(self, points: Float[np.ndarray, '*batch 2']) -> Float[np.ndarray, '*batch 2']:
        """Return network input points in image px."""
        return points / np.array([self.scale_x, self.scale_y], np.float32)


def _scaled(
    image: UInt8[np.ndarray, 'height width 3'], size: tuple[int, int]
) -> UInt8[np.ndarray, 'new_height new_width 3']:
    """Return the image in another size, width and height.

    Thin limbs must not fall between samples: where the image shrinks, every pixel counts. Halving
    by OpenCV's linear filter averages four pixels and is by far the quickest; torch's filter does
    the rest. From 720p both together take a quarter of what OpenCV's filter for areas takes.
    """
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    if size[0] >= image.shape[1] and size[1] >= image.shape[0]:
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    # Images of messages may be read-only, which torch does not know.
    writable = image if image.flags.writeable else image.copy()
    pixels = torch.from_numpy(writable).permute(2, 0, 1)[None]
    scaled = F.interpolate(pixels, (size[1], size[0]), mode='bilinear', antialias=True)
    return np.asarray(scaled[0].permute(1, 2, 0).numpy(), np.uint8)
