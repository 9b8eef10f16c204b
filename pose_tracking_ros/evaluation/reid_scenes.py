"""Re-identification through the whole network: crops pasted into scenes, found, and compared."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.inference import Engine
from pose_tracking_ros.simulation.textures import asphalt, facade
from pose_tracking_ros.tracking.similarity import pairwise_iou

PEOPLE_PER_SCENE = 5
_SIZE = (640, 400)
"""Width and height of a scene, px."""
_HEIGHT_PX = (140, 260)
_MIN_IOU = 0.5
_PIXELS_PER_M = 40
# The crops' borders show their own background: blended into ours over this share of the width.
_SOFT = 0.06
_ASPHALT = 0.38


class Scenes:
    """Pastes crops in front of house fronts, a few in a row, and looks for them.

    A crop's vector is that of the detection that overlaps it most. It is zero when none overlaps
    it by an IoU of 0.5 or more: the person was not found.

    Args:
        engine: finds people.
        seed: of heights, places and backgrounds.
    """

    def __init__(self, engine: Engine, seed: int = 0) -> None:
        self._engine = engine
        self._rng = np.random.default_rng(seed)
        self._fronts = [self._front() for _ in range(8)]
        self.pasted = 0
        self.found = 0

    def embed(
        self, crops: Sequence[UInt8[np.ndarray, 'height width 3']]
    ) -> Float[np.ndarray, 'crop dim']:
        """Return a vector per crop: of unit length, or zero for people who are not found."""
        vectors = np.zeros((len(crops), self._engine.embedding_dim), np.float32)
        for first in range(0, len(crops), PEOPLE_PER_SCENE):
            part = crops[first : first + PEOPLE_PER_SCENE]
            scene, boxes = self.compose(part)
            people = self._engine.infer(scene)
            self.pasted += len(part)
            if len(people) == 0:
                continue
            overlaps = pairwise_iou(boxes, people.boxes)
            for number, row in enumerate(overlaps):
                best = int(row.argmax())
                # Whoever overlaps a neighbour more is that neighbour.
                if row[best] >= _MIN_IOU and overlaps[:, best].argmax() == number:
                    vectors[first + number] = people.embeddings[best]
                    self.found += 1
        return vectors

    def compose(
        self, crops: Sequence[UInt8[np.ndarray, 'height width 3']]
    ) -> tuple[UInt8[np.ndarray, 'height width 3'], Float[np.ndarray, 'crop 4']]:
        """Return a scene, RGB, and where the crops are, corners in px."""
        rng, (width, height) = self._rng, _SIZE
        scene = self._fronts[int(rng.integers(len(self._fronts)))].copy()
        share = width / len(crops)
        boxes = []
        for number, crop in enumerate(crops):
            tall = int(rng.integers(_HEIGHT_PX[0], _HEIGHT_PX[1] + 1))
            wide = max(1, round(tall * crop.shape[1] / crop.shape[0]))
            left = int(number * share + rng.uniform(0, max(share - wide, 0)))
            top = int(rng.integers(height // 8, height - tall))
            left = min(left, width - wide)
            picture = cv2.resize(crop, (wide, tall), interpolation=cv2.INTER_CUBIC)
            place = scene[top : top + tall, left : left + wide]
            weight = _soft_edges(wide, tall)[..., None]
            place[:] = (weight * picture + (1 - weight) * place).round().astype(np.uint8)
            boxes.append([left, top, left + wide, top + tall])
        return scene, np.array(boxes, np.float32)

    def _front(self) -> UInt8[np.ndarray, 'height width 3']:
        width, height = _SIZE
        rng = self._rng
        wall = facade(rng, width / _PIXELS_PER_M, height / _PIXELS_PER_M, _PIXELS_PER_M)
        picture = cv2.resize(wall, (width, height))
        # The lowest fifth is street.
        street = height // 5
        picture[-street:] = _ASPHALT * asphalt(rng, width)[:street, :, None]
        return np.asarray((picture * 255).round().clip(0, 255), np.uint8)


def _soft_edges(width: int, height: int) -> Float[np.ndarray, 'height width']:
    """Return weights that rise from the border inwards, in [0, 1]."""
    reach = max(_SOFT * width, 1.0)
    across = np.minimum(np.arange(width) + 0.5, width - 0.5 - np.arange(width)) / reach
    along = np.minimum(np.arange(height) + 0.5, height - 0.5 - np.arange(height)) / reach
    weights: Float[np.ndarray, 'height width'] = np.minimum(across[None], along[:, None]).clip(
        0, 1
    )
    return weights
