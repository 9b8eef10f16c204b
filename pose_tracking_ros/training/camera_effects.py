"""What a robot's camera does to a picture: blur, little light, noise, compression.

All of it leaves everything where it is, so labels stay as they are.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

# Of the sRGB curve, roughly: what the sensor counts over what the file holds.
_GAMMA = 2.2
# A sensor's shot noise: this share of the full scale has a deviation of its square root.
_SHOT_SCALE = 0.004


@dataclass(frozen=True)
class CameraEffects:
    """How often each effect comes, as a share of canvases, and how strong it gets.

    Attributes:
        defocus_share: out of focus: blur by a disc.
        max_defocus_px: largest radius of the disc.
        motion_share: moving camera: blur along a line.
        max_motion_px: longest line.
        low_light_share: dark, with the noise of a sensor that counts few photons.
        min_light: smallest share of the light that is left, in (0, 1].
        gamma_share: another tone curve.
        max_gamma: strongest exponent; the weakest is one over it. At least 1.
        noise_share: white noise.
        max_noise: largest standard deviation, grey levels of 255.
        jpeg_share: JPEG compression.
        min_jpeg_quality: worst quality, 1 to 100.
    """

    defocus_share: float = 0.0
    max_defocus_px: float = 3.0
    motion_share: float = 0.0
    max_motion_px: float = 12.0
    low_light_share: float = 0.0
    min_light: float = 0.1
    gamma_share: float = 0.0
    max_gamma: float = 1.8
    noise_share: float = 0.0
    max_noise: float = 15.0
    jpeg_share: float = 0.0
    min_jpeg_quality: int = 25

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: a number is outside of its range.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name.endswith('_share') and not 0 <= value <= 1:
                raise ValueError(f'{field.name}: expected 0 to 1, got {value}')
            if field.name.startswith('max_') and value < 0:
                raise ValueError(f'{field.name}: expected at least 0, got {value}')
        if not 0 < self.min_light <= 1:
            raise ValueError(f'min_light: expected above 0 to 1, got {self.min_light}')
        if self.max_gamma < 1:
            raise ValueError(f'max_gamma: expected at least 1, got {self.max_gamma}')
        if not 1 <= self.min_jpeg_quality <= 100:
            raise ValueError(f'min_jpeg_quality: expected 1 to 100, got {self.min_jpeg_quality}')


def seen_by_camera(
    image: UInt8[np.ndarray, 'height width 3'], effects: CameraEffects, rng: np.random.Generator
) -> UInt8[np.ndarray, 'height width 3']:
    """Return the image with random effects, in the order in which they arise: optics to file.

    An effect whose share is 0 draws no random number: canvases of configurations without it stay
    what they were.

    Args:
        image: RGB; not changed.
        effects: how often and how strong.
        rng: of this canvas.
    """

    def comes(share: float) -> bool:
        return share > 0 and rng.random() < share

    if comes(effects.defocus_share):
        image = _filtered(image, disc(rng.uniform(0.6, max(effects.max_defocus_px, 0.6))))
    if comes(effects.motion_share):
        length = rng.uniform(2.0, max(effects.max_motion_px, 2.0))
        image = _filtered(image, line(length, rng.uniform(0, np.pi)))
    if comes(effects.low_light_share):
        # Even on a logarithmic scale, as apertures are.
        image = darkened(image, float(np.exp(rng.uniform(np.log(effects.min_light), 0))), rng)
    if comes(effects.gamma_share):
        exponent = effects.max_gamma ** rng.uniform(-1, 1)
        curve = 255 * (np.arange(256) / 255) ** exponent
        image = np.asarray(cv2.LUT(image, np.rint(curve).astype(np.uint8)), np.uint8)
    if comes(effects.noise_share):
        noise = rng.normal(0, rng.uniform(0, effects.max_noise), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if comes(effects.jpeg_share):
        quality = int(rng.integers(effects.min_jpeg_quality, 101))
        done, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        # The order of the channels is the same both ways.
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def disc(radius_px: float) -> Float[np.ndarray, 'side side']:
    """Return the blur of a lens out of focus: a disc with soft edge, sum 1."""
    reach = int(np.ceil(radius_px + 0.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    weight = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1)
    kernel: Float[np.ndarray, 'side side'] = weight / weight.sum()
    return kernel


def line(length_px: float, angle_rad: float) -> Float[np.ndarray, 'side side']:
    """Return the blur of an even motion: a line about the middle, sum 1."""
    reach = int(np.ceil(length_px / 2 + 0.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    along = x * np.cos(angle_rad) + y * np.sin(angle_rad)
    across = y * np.cos(angle_rad) - x * np.sin(angle_rad)
    weight = np.clip(length_px / 2 + 0.5 - np.abs(along), 0, 1)
    weight *= np.clip(1 - np.abs(across), 0, 1)
    kernel: Float[np.ndarray, 'side side'] = weight / weight.sum()
    return kernel


def darkened(
    image: UInt8[np.ndarray, 'height width 3'], light: float, rng: np.random.Generator
) -> UInt8[np.ndarray, 'height width 3']:
    """Return the image with a share of its light, exposed half way back.

    The camera's gain lifts the picture to the square root of the light, and the shot noise of the
    few photons with it.

    Args:
        image: RGB.
        light: share that reaches the sensor, in (0, 1].
        rng: of the noise.
    """
    photons = (image / 255.0) ** _GAMMA * light
    noise = rng.normal(size=image.shape) * np.sqrt(photons * _SHOT_SCALE)
    exposed = np.clip((photons + noise) / np.sqrt(light), 0, 1)
    seen: UInt8[np.ndarray, 'height width 3'] = np.rint(255 * exposed ** (1 / _GAMMA)).astype(
        np.uint8
    )
    return seen


def _filtered(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)
