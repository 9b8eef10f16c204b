"""Turns a scene's figures, scenery and light into camera pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

from pose_tracking_ros.simulation.camera import Camera
from pose_tracking_ros.simulation.dressing import dress
from pose_tracking_ros.simulation.face import face_patches
from pose_tracking_ros.simulation.figures import Figure
from pose_tracking_ros.simulation.gait import Bodies
from pose_tracking_ros.simulation.ground import Ground
from pose_tracking_ros.simulation.obstacles import SUBPIXEL_BITS, Obstacle, fixed_point
from pose_tracking_ros.simulation.planes import Image, Plane, blend_premultiplied
from pose_tracking_ros.simulation.scenery import HAZE, Scenery
from pose_tracking_ros.simulation.wardrobe import Look

_GAMMA = 2.2
_SUN_COLOUR = np.array([1.0, 0.95, 0.86])
_SKY_COLOUR = np.array([0.86, 0.93, 1.0])
_GROUND_COLOUR = np.array([0.55, 0.52, 0.47])


class Renderer:
    """Draws frames of one scene.

    Args:
        seed: draws scenery, light and noise; one number or several.
        image_size: width and height, px.
        looks: of the cast.
        obstacles: solid things among the people.
        is_street: a street, instead of a square.
    """

    def __init__(
        self,
        seed: Sequence[int],
        image_size: tuple[int, int],
        looks: Sequence[Look],
        obstacles: Sequence[Obstacle],
        is_street: bool,
    ) -> None:
        rng = np.random.default_rng([*seed, 77])
        side = rng.uniform(0.5, 1.0) * (1 if rng.random() < 0.5 else -1)
        sun = np.array([side, -rng.uniform(0.2, 0.7), rng.uniform(1.0, 1.5)])
        self._sun: np.ndarray = sun / np.linalg.norm(sun)
        self._sunshine = float(rng.uniform(0.45, 0.95))
        self._seed = tuple(seed)
        self._looks = tuple(looks)
        self._obstacles = list(obstacles)
        self._ground = Ground(rng, is_street, self._sun)
        self._scenery = Scenery(rng, is_street, obstacles, self._sun)
        width, height = image_size
        grain: np.ndarray = rng.normal(0, 1, (height + 64, width + 64, 3)).astype(np.float32)
        # Demosaicing spreads the noise of single pixels over their neighbours.
        grain = cv2.GaussianBlur(grain, (0, 0), 0.55)
        grain = 0.75 * grain + 0.5 * grain.mean(-1, keepdims=True)
        self._grain = np.round(3.2 * grain / grain.std()).astype(np.int16)
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        shade = 255 * (1 - 0.10 * (x**2 + y**2))
        self._vignette = cv2.merge([shade.astype(np.uint8)] * 3)

    @property
    def walls(self) -> list[Plane]:
        """The fronts of the buildings."""
        return self._scenery.walls

    def render(
        self, index: int, camera: Camera, bodies: Bodies, figures: Sequence[Figure]
    ) -> Image:
        """Return one frame, RGB.

        Args:
            index: of the frame; sets the noise.
            camera: what sees it.
            bodies: the whole cast, for shadows.
            figures: the people in the image.
        """
        width, height = camera.image_size
        image = np.empty((height, width, 3), dtype=np.uint8)
        self._ground.draw(camera, image, HAZE)
        self._ground.shade(camera, image, bodies, self._obstacles, 0.25 + 0.3 * self._sunshine)
        self._scenery.draw_far(camera, image)
        things: list[tuple[float, Figure | int]] = [(f.depth_m, f) for f in figures]
        things += [(box.depth_in(camera), i) for i, box in enumerate(self._obstacles)]
        for _, thing in sorted(things, key=lambda entry: -entry[0]):
            if isinstance(thing, Figure):
                self._paint(thing, bodies, camera, image)
            else:
                self._scenery.draw_obstacle(thing, camera, image)
        return self._expose(index, image)

    def _lit(
        self, figure: Figure, colours: np.ndarray, normals: np.ndarray
    ) -> Float[np.ndarray, 'quad 3']:
        """Return reflectances as seen in this light, sRGB in [0, 255]."""
        up = normals[:, 2:]
        sky = (0.55 + 0.45 * up) * _SKY_COLOUR
        bounce = (0.5 - 0.5 * up) * _GROUND_COLOUR * 0.6
        sun = np.maximum(normals @ self._sun, 0)[:, None] * _SUN_COLOUR
        light = (1.1 - 0.4 * self._sunshine) * (sky + bounce) + 1.1 * self._sunshine * sun
        lit = np.clip(colours**_GAMMA * light, 0, 1) ** (1 / _GAMMA)
        # Flare and a camera's tone curve keep colours from being as pure as pigments.
        grey = lit @ np.array([[0.3], [0.59], [0.11]])
        lit = 0.03 + 0.95 * (0.86 * lit + 0.14 * grey)
        share = 1 - np.exp(-figure.depth_m / 160)
        seen: np.ndarray = 255 * lit * (1 - share) + HAZE * share
        return seen

    def _paint(self, figure: Figure, bodies: Bodies, camera: Camera, image: Image) -> None:
        height, width = image.shape[:2]
        low = np.clip(np.floor(figure.box[:2]) - 1, 0, (width, height)).astype(int)
        high = np.clip(np.ceil(figure.box[2:]) + 1, 0, (width, height)).astype(int)
        if (high <= low).any():
            return
        tall_px = figure.box[3] - figure.box[1]
        fine = 2 if tall_px > 110 else 3 if tall_px > 55 else 4
        columns, rows = (high - low).tolist()
        canvas = np.zeros((rows * fine, columns * fine, 4), dtype=np.uint8)
        corners = fixed_point((figure.quads_px - low) * fine)
        outfit = dress(self._looks[figure.person], figure.sector_count)
        colours = self._lit(figure, outfit.colours[figure.bands, figure.sectors], figure.normals)
        colours = np.column_stack([colours, np.full(len(corners), 255.0)])
        for quad, colour in zip(corners, colours.tolist(), strict=True):
            cv2.fillConvexPoly(canvas, quad, colour, cv2.LINE_8, SUBPIXEL_BITS)
        if tall_px > 70:
            self._paint_face(figure, bodies, camera, canvas, (low, fine))
        small = cv2.resize(canvas, (columns, rows), interpolation=cv2.INTER_AREA)
        blend_premultiplied(image[low[1] : high[1], low[0] : high[0]], small)

    def _paint_face(
        self,
        figure: Figure,
        bodies: Bodies,
        camera: Camera,
        canvas: np.ndarray,
        window: tuple[np.ndarray, int],
    ) -> None:
        """Paint the features of a face that looks at the camera onto the person's canvas."""
        look = self._looks[figure.person]
        corners, normals, colours = face_patches(bodies, figure.person, look)
        sight = corners[:, 0] - camera.position
        sight /= np.linalg.norm(sight, axis=-1, keepdims=True)
        seen = (sight * normals).sum(-1) < -0.12
        if not seen.any():
            return
        low, fine = window
        facing = np.tile([0.0, 0.0, 0.3], (int(seen.sum()), 1))
        shades = self._lit(figure, colours[seen], facing)
        patches = fixed_point((camera.project(corners[seen])[0] - low) * fine)
        for patch, shade in zip(patches, shades.tolist(), strict=True):
            cv2.fillConvexPoly(canvas, patch, [*shade, 255], cv2.LINE_8, SUBPIXEL_BITS)

    def _expose(self, index: int, image: Image) -> Image:
        """Return the image as lens and sensor give it."""
        height, width = image.shape[:2]
        image = cv2.GaussianBlur(image, (3, 3), 0.62)
        image = cv2.multiply(image, self._vignette, scale=1 / 255)
        rng = np.random.default_rng([*self._seed, index])
        x, y = rng.integers(0, 64, 2)
        grain = self._grain[y : y + height, x : x + width]
        noisy: Image = cv2.add(image, grain, dtype=cv2.CV_8U)
        return noisy
