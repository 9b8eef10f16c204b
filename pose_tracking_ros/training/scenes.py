"""Which pictures make up which canvas: everything follows from (seed, canvas number)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch.utils.data import Dataset

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.camera_effects import CameraEffects, seen_by_camera
from pose_tracking_ros.training.canvas import FILL, Canvas, change_colours, joined, place
from pose_tracking_ros.training.copy_paste import can_be_cut_out, paste_person
from pose_tracking_ros.training.partial_views import Window, cropped, hide_patch, random_part
from pose_tracking_ros.training.pictures import DataError, Labels, PictureSet
from pose_tracking_ros.training.scale_ranges import PyramidSettings

# Corners x1, y1, x2, y2 on the canvas, px.
Cell = tuple[int, int, int, int]
# Of canvases with large people, those that show four of them.
_FOUR_SHARE = 0.6


@dataclass(frozen=True)
class CanvasSettings:
    """How canvases are composed.

    Attributes:
        size_px: side of the square canvas, a multiple of 32.
        mosaic_share: share of canvases made of four pictures.
        close_up_share: share of canvases tiled with six or twelve people, each cut out of a
            picture with what is around them. Most poses per pixel computed.
        large_share: share of canvases with close-ups that show two or four people instead, as
            large as people get in images.
        min_close_up_joints: close-ups are of people with at least so many labelled joints, hidden
            or unsure ones counted by half.
        cut_share: share of close-ups that show a part of the person only, as an image's border or
            a table would.
        hidden_share: share of close-ups of which a patch is hidden.
        min_scale: smallest scale of a picture relative to filling its cell.
        max_scale: largest.
        max_rotation_deg: pictures turn by up to so much.
        source_weights: how often pictures of a source are drawn, 1 if not named.
        sampling: `composed` (the above), or `sifp`: crops from the pyramid of one picture, to
            which of the above only `size_px` and `source_weights` apply.
        paste_share: share of canvases onto which somebody of another picture is pasted, before or
            beside somebody.
        effects: of a robot's camera, none by default.
        pyramid: of `sifp`.
    """

    size_px: int
    mosaic_share: float
    close_up_share: float
    cut_share: float
    hidden_share: float
    min_scale: float
    max_scale: float
    max_rotation_deg: float
    source_weights: dict[str, float]
    sampling: Literal['composed', 'sifp'] = 'composed'
    large_share: float = 0.0
    min_close_up_joints: float = 6.0
    paste_share: float = 0.0
    effects: CameraEffects = field(default_factory=CameraEffects)
    pyramid: PyramidSettings = field(default_factory=PyramidSettings)


class CanvasSource(Protocol):
    """Composes canvases."""

    def compose(self, rng: np.random.Generator) -> Canvas:
        """Return a canvas; everything about it follows from the generator."""


class DetectionCanvases:
    """Canvases of one dataset's pictures, with what of boxes, poses and identities it labels."""

    def __init__(self, pictures: PictureSet, settings: CanvasSettings) -> None:
        self._pictures = pictures
        self._settings = settings
        weights = np.array([settings.source_weights.get(s, 1.0) for s in pictures.sources])
        self._shares = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> int:
        """Return a random picture's number, by source weight."""
        return min(int(np.searchsorted(self._shares, rng.random())), len(self._shares) - 1)

    def compose(self, rng: np.random.Generator) -> Canvas:
        """Return a canvas: close-ups, four pictures, or one."""
        settings = self._settings
        side = settings.size_px
        canvas = np.empty((side, side, 3), np.uint8)
        canvas[:] = FILL
        is_close_up = rng.random() < settings.close_up_share
        if is_close_up and self._pictures.kinds.joints:
            cells = _tiles(side, rng, settings.large_share)
            parts = [self._close_up(canvas, cell, rng) for cell in cells]
        else:
            cells = [(0, 0, side, side)]
            if rng.random() < settings.mosaic_share:
                x, y = rng.integers(int(side * 0.35), int(side * 0.65), 2)
                cells = [(0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)]
            parts = [self._picture(canvas, cell, rng) for cell in cells]
        return self._finished(canvas, joined(parts), rng)

    def _finished(self, canvas: np.ndarray, labels: Labels, rng: np.random.Generator) -> Canvas:
        settings = self._settings
        # A share of 0 draws nothing, so that canvases stay what they were before it existed.
        if settings.paste_share and rng.random() < settings.paste_share:
            donor = self.draw(rng)
            if len(can_be_cut_out(self._pictures.labels(donor))):
                image, donors = self._pictures.image(donor), self._pictures.labels(donor)
                labels = paste_person(canvas, labels, image, donors, rng)
        seen = seen_by_camera(change_colours(canvas, rng), settings.effects, rng)
        return Canvas(seen, labels, self._pictures.kinds.boxes)

    def _picture(self, canvas: np.ndarray, cell: Cell, rng: np.random.Generator) -> Labels:
        settings = self._settings
        index = self.draw(rng)
        image, labels = self._pictures.image(index), self._pictures.labels(index)
        fill = min((cell[2] - cell[0]) / image.shape[1], (cell[3] - cell[1]) / image.shape[0])
        low, high = np.log(settings.min_scale), np.log(settings.max_scale)
        scale = float(fill * np.exp(rng.uniform(low, high)))
        return place(canvas, cell, image, labels, rng, scale, settings.max_rotation_deg)

    def _close_up(self, canvas: np.ndarray, cell: Cell, rng: np.random.Generator) -> Labels:
        index = self.draw(rng)
        labels = self._pictures.labels(index)
        joints = labels.keypoints[..., 2].sum(1)
        shown = np.flatnonzero(joints >= self._settings.min_close_up_joints)
        if not len(shown):
            return self._picture(canvas, cell, rng)
        person = int(rng.choice(shown))
        cell_size = np.array([cell[2] - cell[0], cell[3] - cell[1]])
        window = Window.whole(labels.boxes[person])
        if rng.random() < self._settings.cut_share:
            window = random_part(labels.boxes[person], labels.keypoints[person], rng)
        scale = float((cell_size / window.size).min() * rng.uniform(0.65, 1.0))
        image = self._pictures.image(index)
        # What of the picture fills the cell, about the person.
        low, high = window.grown(cell_size / scale, (image.shape[1], image.shape[0]))
        cut = image[low[1] : high[1], low[0] : high[0]]
        labels = place(
            canvas,
            cell,
            cut,
            cropped(labels, low, high),
            rng,
            scale,
            self._settings.max_rotation_deg,
        )
        if rng.random() < self._settings.hidden_share:
            labels = hide_patch(canvas, cell, labels, rng)
        return labels


def _tiles(side: int, rng: np.random.Generator, large_share: float) -> list[Cell]:
    """Return a grid of twelve cells, seldom six, or by that share four or two; mostly upright."""
    shapes = ((4, 3), (3, 4), (3, 2), (2, 3))
    columns, rows = shapes[int(rng.choice(4, p=(0.58, 0.17, 0.17, 0.08)))]
    # A share of 0 draws nothing, so that canvases stay what they were before it existed.
    if large_share and rng.random() < large_share:
        columns, rows = (2, 2) if rng.random() < _FOUR_SHARE else (2, 1)
    xs = [round(side * i / columns) for i in range(columns + 1)]
    ys = [round(side * i / rows) for i in range(rows + 1)]
    return [(xs[i], ys[j], xs[i + 1], ys[j + 1]) for j in range(rows) for i in range(columns)]


class IdentityCanvases:
    """Canvases of person crops with known identities, pasted on a background picture.

    The crops' people have no joints, and the background's are not boxed: only the Re-ID loss
    counts.

    Args:
        crops: pictures of one person each, with classes.
        backgrounds: where backgrounds come from.
        size_px: side of the canvas.
    """

    def __init__(self, crops: list[PictureSet], backgrounds: CanvasSource, size_px: int) -> None:
        self._backgrounds = backgrounds
        self._size_px = size_px
        self._crops = [(pictures, index) for pictures in crops for index in range(len(pictures))]

    def compose(self, rng: np.random.Generator) -> Canvas:
        """Return a canvas with a grid of crops."""
        side = self._size_px
        canvas = self._backgrounds.compose(rng).image.copy()
        columns, rows = (7, 4) if rng.random() < 0.5 else (5, 3)
        boxes, identities = [], []
        for row in range(rows):
            for column in range(columns):
                pictures, index = self._crops[int(rng.integers(len(self._crops)))]
                identity = int(pictures.labels(index).identities[0])
                crop = self._changed(pictures.image(index), rng)
                cell_w, cell_h = side / columns, side / rows
                height = min(cell_h, cell_w * 2) * rng.uniform(0.75, 1.0)
                width = min(height * rng.uniform(0.42, 0.56), cell_w)
                w, h = int(width), int(height)
                x = int(column * cell_w + rng.uniform(0, max(cell_w - w, 0)))
                y = int(row * cell_h + rng.uniform(0, max(cell_h - h, 0)))
                canvas[y : y + h, x : x + w] = cv2.resize(
                    crop, (w, h), interpolation=cv2.INTER_AREA
                )[: side - y, : side - x]
                boxes.append([x, y, min(x + w, side), min(y + h, side)])
                identities.append(identity)
        count = len(boxes)
        labels = Labels(
            boxes=np.array(boxes, np.float32),
            keypoints=np.zeros((count, len(COCO_17), 3), np.float32),
            ignored=np.zeros((0, 4), np.float32),
            identities=np.array(identities, np.int64),
        )
        return Canvas(canvas, labels, has_boxes=False)

    @staticmethod
    def _changed(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        crop = change_colours(np.ascontiguousarray(crop), rng)
        if rng.random() < 0.4:
            # Random erasing (arXiv 1708.04896): stand-in for what hides people from each other.
            h, w = crop.shape[:2]
            eh, ew = int(h * rng.uniform(0.15, 0.45)), int(w * rng.uniform(0.3, 1.0))
            y, x = int(rng.integers(0, h - eh + 1)), int(rng.integers(0, w - ew + 1))
            crop[y : y + eh, x : x + ew] = rng.integers(0, 255, 3)
        return crop


class Batch:
    """Canvases of one training step.

    Not a dataclass: Lightning Fabric would walk into it and change its arrays' types.

    Attributes:
        images: image x 3 x height x width, uint8, channels last.
        canvases: in the same order.
    """

    def __init__(self, canvases: list[Canvas]) -> None:
        stacked = torch.from_numpy(np.stack([canvas.image for canvas in canvases]))
        self.images: UInt8[torch.Tensor, 'image 3 height width'] = stacked.permute(0, 3, 1, 2)
        self.canvases = canvases


class CanvasBatches(Dataset[Batch]):
    """Batch number N is always the same, so that a resumed run sees what it would have seen.

    Args:
        detection: makes canvases with boxes and poses.
        identity: makes canvases with identities; None for none.
        detection_count: detection canvases per batch.
        identity_count: identity canvases per batch.
        batches: how many batches there are.
        seed: of the whole run.
    """

    def __init__(
        self,
        detection: CanvasSource,
        identity: IdentityCanvases | None,
        detection_count: int,
        identity_count: int,
        batches: int,
        seed: int,
    ) -> None:
        self.parts = (detection, identity, detection_count, identity_count)
        self._detection = detection
        self._identity = identity
        self._counts = (detection_count, identity_count if identity else 0)
        self._batches = batches
        self._seed = seed

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._batches

    def __getitem__(self, number: int) -> Batch:
        """Return a batch."""
        cv2.setNumThreads(0)
        rng = np.random.default_rng([self._seed, number])
        batch = [self._detection.compose(rng) for _ in range(self._counts[0])]
        if self._identity:
            batch += [self._identity.compose(rng) for _ in range(self._counts[1])]
        return Batch(batch)


class BatchesOrErrors(Dataset[Batch | DataError]):
    """The same batches; one that cannot be made is the error, as a value.

    An exception would leave a data worker as text with a traceback, whatever its message says.

    Args:
        batches: made on demand.
    """

    def __init__(self, batches: CanvasBatches) -> None:
        self._batches = batches

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def __getitem__(self, number: int) -> Batch | DataError:
        """Return a batch, or why there is none."""
        try:
            return self._batches[number]
        except DataError as error:
            return error
