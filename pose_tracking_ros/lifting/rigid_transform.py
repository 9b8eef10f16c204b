"""From one frame to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_MAX_LENGTH_ERROR = 1e-2


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """A rotation followed by a shift.

    Attributes:
        rotation: 3 x 3, orthonormal.
        translation_m: of the source's origin in the target frame, m.
    """

    rotation: Float[np.ndarray, '3 3']
    translation_m: Float[np.ndarray, '3']

    @classmethod
    def from_quaternion(
        cls, quaternion_xyzw: tuple[float, ...], translation_m: tuple[float, ...]
    ) -> RigidTransform:
        """Return the transform of a `geometry_msgs/Transform`'s numbers.

        Raises:
            ValueError: the quaternion is not of unit length (tolerance 1e-2), or a number is not
                finite.
        """
        quaternion = np.array(quaternion_xyzw, dtype=np.float64)
        shift = np.array(translation_m, dtype=np.float64)
        length = float(np.linalg.norm(quaternion))
        # Written so that NaN fails.
        if not abs(length - 1) <= _MAX_LENGTH_ERROR or not np.isfinite(shift).all():
            raise ValueError(
                f'transform: expected finite numbers and a quaternion of length 1, got '
                f'{quaternion.tolist()} of length {length:g} and shift {shift.tolist()}'
            )
        x, y, z, w = quaternion / length
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return cls(rotation, shift)

    def points(self, points_m: Float[np.ndarray, '*batch 3']) -> Float[np.ndarray, '*batch 3']:
        """Return points in the target frame, m; NaN stays NaN."""
        return np.asarray(points_m @ self.rotation.T + self.translation_m)

    def covariances(
        self, covariances_m2: Float[np.ndarray, '*batch 3 3']
    ) -> Float[np.ndarray, '*batch 3 3']:
        """Return covariances in the target frame, m²."""
        return np.asarray(self.rotation @ covariances_m2 @ self.rotation.T)
