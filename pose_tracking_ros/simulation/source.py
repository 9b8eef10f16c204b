"""A simulated scene as a source of images, like a video file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.simulation.depth import as_sensed
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import make_scene


class SimulationSource:
    """Images of a scene, stamped with its time. It has the interface of `VideoSource`.

    Args:
        scene: what to show.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.name = f'simulation:{scene.name}'
        self.rate_hz = scene.rate_hz
        self.image_size = scene.image_size
        self.frame_count: int | None = scene.frame_count

    @classmethod
    def of(
        cls,
        name: str,
        seed: int = 0,
        image_size: tuple[int, int] = (640, 480),
        rate_hz: float = 15.0,
    ) -> SimulationSource:
        """Return the source of a scene by its name.

        Raises:
            ValueError: the name is unknown, or size or rate are not positive.
        """
        return cls(make_scene(name, seed=seed, image_size=image_size, rate_hz=rate_hz))

    @property
    def intrinsics(self) -> tuple[float, float, float, float] | None:
        """Focal lengths and principal point fx, fy, cx, cy in px."""
        return self.scene.camera_intrinsics

    def __iter__(self) -> Iterator[tuple[float, UInt8[np.ndarray, 'height width 3']]]:
        """Yield stamps (s) and images from the scene's beginning."""
        for index in range(self.scene.frame_count):
            yield self.scene.stamp_s(index), self.scene.render(index)

    def depth(self, index: int, *, is_exact: bool) -> Float[np.ndarray, 'height width']:
        """Return the depth image that belongs to an image, m; NaN where unknown.

        Args:
            index: of the image, from 0.
            is_exact: without the noise and the holes of a depth camera.

        Raises:
            IndexError: there is no such image.
        """
        exact = self.scene.render_depth(index)
        if is_exact:
            return exact
        rng = np.random.default_rng([self.scene.seed, index])
        return as_sensed(exact, self.scene.camera_intrinsics[0], rng)

    def close(self) -> None:
        """Do nothing: the simulation holds nothing open."""
