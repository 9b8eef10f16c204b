"""Canvases from a scale-normalised image pyramid (SIFP, FastPose §3.2).

A canvas shows one picture at one level of the pyramid. Enlarged levels are cut into crops of the
canvas's size, so many that everybody who trains at the level is whole in at least one; the small
ones are padded. People of other sizes are neither positives nor background. The network is
tested at a single scale: feature pyramid and range of sizes make up for it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, UInt8

from pose_tracking_ros.training.canvas import FILL, Canvas, draw_picture, moved_boxes
from pose_tracking_ros.training.pictures import Labels, PictureSet
from pose_tracking_ros.training.scale_ranges import (
    Level,
    groups_for_crops,
    is_trained,
    levels_of,
    random_corner,
)
from pose_tracking_ros.training.scenes import CanvasSettings, DetectionCanvases


def detection_canvases(pictures: PictureSet, settings: CanvasSettings) -> DetectionCanvases:
    """Return the canvases of the configured sampling."""
    if settings.sampling == 'sifp':
        return PyramidCanvases(pictures, settings)
    return DetectionCanvases(pictures, settings)


class PyramidCanvases(DetectionCanvases):
    """Canvases that show one picture at one level of its pyramid.

    Pictures are not turned: the corner of a crop would lose people.

    Args:
        pictures: with boxes and poses.
        settings: size of the canvas and pyramid.
    """

    def __init__(self, pictures: PictureSet, settings: CanvasSettings) -> None:
        super().__init__(pictures, settings)
        self._levels = levels_of(settings.pyramid)

    def compose(self, rng: np.random.Generator) -> Canvas:
        """Return a random picture's random level, and of that a random crop.

        Levels at which nobody of the picture trains are passed over, unless all are such.
        """
        index = self.draw(rng)
        image, labels = self._pictures.image(index), self._pictures.labels(index)
        fill = self._settings.size_px / max(image.shape[:2])
        used = [level for level in self._levels if self._trained(labels, level, fill).any()]
        choices = used or list(self._levels)
        level = choices[int(rng.integers(len(choices)))]
        trained = self._trained(labels, level, fill)
        scale = fill * level.factor
        picture_px = np.array([image.shape[1], image.shape[0]]) * scale
        # Labels may reach a little over the border.
        whole = np.clip(labels.boxes[trained] * scale, 0, np.tile(picture_px, 2))
        corner = self._corner(whole, picture_px, rng)
        return self._crop(image, labels, trained, scale, corner, rng)

    def _trained(self, labels: Labels, level: Level, fill: float) -> Bool[np.ndarray, 'person']:
        boxes = labels.boxes * (fill * level.factor)
        return is_trained(boxes, level, self._settings.size_px)

    def _corner(
        self,
        boxes: Float[np.ndarray, 'person 4'],
        picture_px: Float[np.ndarray, '2'],
        rng: np.random.Generator,
    ) -> Float[np.ndarray, '2']:
        """Return the corner of a random crop about a random group of people, or anywhere."""
        side = self._settings.size_px
        hull = np.tile(rng.uniform(0, picture_px), 2)
        groups = groups_for_crops(boxes, side)
        if groups:
            group = boxes[groups[int(rng.integers(len(groups)))]]
            hull = np.concatenate([group[:, :2].min(0), group[:, 2:].max(0)])
        return random_corner(hull, picture_px, side, rng)

    def _crop(
        self,
        image: UInt8[np.ndarray, 'height width 3'],
        labels: Labels,
        trained: Bool[np.ndarray, 'person'],
        scale: float,
        corner: Float[np.ndarray, '2'],
        rng: np.random.Generator,
    ) -> Canvas:
        side = self._settings.size_px
        flip = bool(rng.random() < 0.5)
        matrix = np.array([[scale, 0.0, -corner[0]], [0.0, scale, -corner[1]]])
        if flip:
            matrix[0] = [-scale, 0.0, side + corner[0]]
        canvas = np.empty((side, side, 3), np.uint8)
        canvas[:] = FILL
        shown = draw_picture(
            canvas, (0, 0, side, side), image, _chosen(labels, trained), matrix, flip
        )
        low, high = np.zeros(2, np.float32), np.full(2, side, np.float32)
        outsiders, left = moved_boxes(labels.boxes[~trained], matrix, low, high)
        canvas_of_trained = self._finished(canvas, shown, rng)
        return dataclasses.replace(canvas_of_trained, out_of_range=outsiders[left > 0])


def _chosen(labels: Labels, mask: Bool[np.ndarray, 'person']) -> Labels:
    return Labels(
        labels.boxes[mask], labels.keypoints[mask], labels.ignored, labels.identities[mask]
    )
