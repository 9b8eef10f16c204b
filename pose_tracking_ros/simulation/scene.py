"""A simulated scene: who walks where, what stands in the way, how the camera moves.

Truth and pictures come from the same posed bodies. Both are functions of the frame's index alone,
so frames may be asked for in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.simulation.camera import Camera, CameraMotion
from pose_tracking_ros.simulation.depth import render_depth
from pose_tracking_ros.simulation.figures import figures_of
from pose_tracking_ros.simulation.gait import Bodies, Posture, pose_bodies
from pose_tracking_ros.simulation.obstacles import Obstacle
from pose_tracking_ros.simulation.paths import Walk
from pose_tracking_ros.simulation.rendering import Renderer
from pose_tracking_ros.simulation.truth import FrameTruth, truth_of
from pose_tracking_ros.simulation.wardrobe import APPEARANCE_DIM, Look, appearance_of


@dataclass(frozen=True, eq=False)
class Actor:
    """One member of the cast.

    Attributes:
        look: build and clothes.
        walk: position, heading and gait per frame.
        waves_s: from when to when the right arm waves, or None.
        phones: whether the left hand holds a phone.
        glance: how far the head turns to and fro, rad.
    """

    look: Look
    walk: Walk
    waves_s: tuple[float, float] | None = None
    phones: bool = False
    glance: float = 0.25


class Scene:
    """A scene of fixed length, seen by one camera.

    Args:
        name: of the scene.
        seed: sets the looks of things that the cast does not.
        image_size: width and height, px.
        rate_hz: frames per second.
        frame_count: number of frames.
        cast: people, whose walks have `frame_count` entries; identities count from 1.
        obstacles: what may hide people.
        motion: of the camera.
        is_street: takes place on a street, instead of on a square.

    Raises:
        ValueError: the image is smaller than 32 px, or a walk has another length.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        image_size: tuple[int, int],
        rate_hz: float,
        frame_count: int,
        cast: Sequence[Actor],
        obstacles: Sequence[Obstacle],
        motion: CameraMotion,
        is_street: bool = False,
    ) -> None:
        if min(image_size) < 32:
            raise ValueError(
                f'image_size: expected at least 32 x 32 px, got {image_size[0]} x {image_size[1]}'
            )
        for i, actor in enumerate(cast):
            if len(actor.walk.position) != frame_count:
                raise ValueError(
                    f'cast: expected {frame_count} frames for person {i + 1}, '
                    f'got {len(actor.walk.position)}'
                )
        self.name = name
        self.seed = seed
        self.image_size = image_size
        self.rate_hz = rate_hz
        self.frame_count = frame_count
        self.cast = tuple(cast)
        self.obstacles = tuple(obstacles)
        self.motion = motion
        self.is_street = is_street
        self._looks = [actor.look for actor in cast]
        vectors = [appearance_of(look) for look in self._looks]
        self._appearance = np.array(vectors).reshape(-1, APPEARANCE_DIM)

    @property
    def identity_count(self) -> int:
        """Number of different people, whether or not they are in the image at some time."""
        return len(self.cast)

    @property
    def camera_intrinsics(self) -> tuple[float, float, float, float]:
        """Focal lengths and principal point fx, fy, cx, cy in px; they do not change.

        The centre of the top left pixel is (0.5, 0.5).
        """
        return self.camera(0).intrinsics

    def stamp_s(self, index: int) -> float:
        """Return the time of a frame since the scene began, s.

        Raises:
            IndexError: there is no such frame.
        """
        if not 0 <= index < self.frame_count:
            raise IndexError(
                f'frame index: expected 0 to {self.frame_count - 1} in scene {self.name!r}, '
                f'got {index}'
            )
        return index / self.rate_hz

    def camera(self, index: int) -> Camera:
        """Return the camera of a frame.

        Raises:
            IndexError: there is no such frame.
        """
        return self.motion.camera(self.stamp_s(index), self.image_size)

    def bodies(self, index: int) -> Bodies:
        """Return the whole cast's posed skeletons in a frame, also those out of sight.

        Raises:
            IndexError: there is no such frame.
        """
        stamp_s = self.stamp_s(index)
        walks = [actor.walk for actor in self.cast]
        number = np.arange(len(walks))
        # Everyone has a rhythm of their own.
        clock = stamp_s + 1.7 * number
        glance = np.array([actor.glance for actor in self.cast])
        spans = [actor.waves_s or (-9.0, -8.0) for actor in self.cast]
        wave = [
            np.clip(min(stamp_s - start, end - stamp_s) / 0.5, 0, 1) if actor.waves_s else 0.0
            for actor, (start, end) in zip(self.cast, spans, strict=True)
        ]
        return pose_bodies(
            Posture(
                position=np.array([walk.position[index] for walk in walks]).reshape(-1, 2),
                heading_rad=np.array([walk.heading_rad[index] for walk in walks]),
                phase_rad=np.array([walk.phase_rad[index] for walk in walks]),
                speed_m_s=np.array([walk.speed_m_s[index] for walk in walks]),
                height_m=np.array([look.height_m for look in self._looks]),
                head_turn_rad=glance * np.sin(0.9 * clock + 2.1 * number),
                wave=np.array(wave, dtype=np.float64),
                phone=np.array([float(actor.phones) for actor in self.cast]),
                clock_s=clock,
            )
        )

    @cached_property
    def _renderer(self) -> Renderer:
        # Pictures of houses and ground take a moment to make; truth does not need them.
        return Renderer(
            (self.seed, *self.name.encode()),
            self.image_size,
            self._looks,
            self.obstacles,
            is_street=self.is_street,
        )

    def truth(self, index: int) -> FrameTruth:
        """Return the ground truth of a frame, without rendering it.

        Raises:
            IndexError: there is no such frame.
        """
        camera = self.camera(index)
        figures = figures_of(self.bodies(index), self._looks, camera)
        return truth_of(figures, self.obstacles, self._appearance, camera, self.stamp_s(index))

    def render(self, index: int) -> UInt8[np.ndarray, 'height width 3']:
        """Return the picture of a frame, RGB; the same one whenever it is asked for.

        Raises:
            IndexError: there is no such frame.
        """
        camera = self.camera(index)
        bodies = self.bodies(index)
        figures = figures_of(bodies, self._looks, camera)
        return self._renderer.render(index, camera, bodies, figures)

    def render_depth(self, index: int) -> Float[np.ndarray, 'height width']:
        """Return the exact distance along the optical axis at each pixel's middle, m, float32.

        NaN where nothing solid is seen: sky, and trees, which are pictures of leaves and air.

        Raises:
            IndexError: there is no such frame.
        """
        camera = self.camera(index)
        figures = figures_of(self.bodies(index), self._looks, camera)
        return render_depth(camera, figures, self.obstacles, self._renderer.walls)
