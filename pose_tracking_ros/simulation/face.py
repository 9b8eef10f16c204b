"""Painted features of a face: eyes, brows and mouth, as flat patches on the head."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.simulation.gait import FRAMES, POINTS, REFERENCE_HEIGHT_M, Bodies
from pose_tracking_ros.simulation.wardrobe import Colour, Look

CORNERS = 8
"""Corners of each patch."""

# Centre to the left and up of the head's middle, and half sizes, m; depth from the head's shape.
_EYE = (0.033, 0.016, 0.0135, 0.0075)
_IRIS = (0.033, 0.016, 0.0065, 0.0070)
_BROW = (0.034, 0.036, 0.0180, 0.0035)
_MOUTH = (0.0, -0.062, 0.0220, 0.0055)
_HALF_WIDTH, _HALF_DEPTH = 0.077, 0.094


def _patches(look: Look) -> list[tuple[tuple[float, float, float, float], Colour]]:
    skin = np.array(look.skin)
    lips = tuple(float(c) for c in skin * (0.78, 0.55, 0.55))
    hair = look.hair if look.hair_style not in ('bald', 'cap') else (0.2, 0.15, 0.12)
    brow = tuple(float(c) for c in 0.6 * np.array(hair) + 0.15 * skin)
    patches: list[tuple[tuple[float, float, float, float], Colour]] = []
    for sign in (1, -1):
        for (aside, up, width, height), colour in (
            (_EYE, (0.80, 0.78, 0.75)),
            (_IRIS, (0.10, 0.07, 0.05)),
            (_BROW, (brow[0], brow[1], brow[2])),
        ):
            patches.append(((sign * aside, up, width, height), colour))
    patches.append((_MOUTH, (lips[0], lips[1], lips[2])))
    return patches


def face_patches(
    bodies: Bodies, person: int, look: Look
) -> tuple[
    Float[np.ndarray, 'patch corner 3'], Float[np.ndarray, 'patch 3'], Float[np.ndarray, 'patch 3']
]:
    """Return corners (m, world), outward normals and colours of one person's patches.

    Later patches lie over earlier ones.
    """
    scale = bodies.height_m[person] / REFERENCE_HEIGHT_M
    left, ahead, up = bodies.frames[person, FRAMES.index('head')]
    head = bodies.points[person, POINTS.index('head')]
    angle = np.arange(CORNERS) * (2 * np.pi / CORNERS)
    corners, normals, colours = [], [], []
    for (aside, high, width, height), colour in _patches(look):
        x = aside + width * np.cos(angle)
        z = high + height * np.sin(angle)
        # The patch follows the round of the face.
        y = _HALF_DEPTH * np.sqrt(np.clip(1 - (x / _HALF_WIDTH) ** 2, 0, 1)) - 0.002
        y = y + 0.10 * np.minimum(z, 0)
        corners.append(head + scale * (np.outer(x, left) + np.outer(y, ahead) + np.outer(z, up)))
        tilt = aside / _HALF_WIDTH
        normals.append(tilt * left + np.sqrt(1 - tilt**2) * ahead)
        colours.append(colour)
    return np.array(corners), np.array(normals), np.array(colours)
