"""Compose training canvases: pictures scaled, cropped, flipped and tiled on a fixed size."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.pictures import Labels

# Colour of what no picture covers: the ImageNet mean, zero after normalisation.
FILL = (124, 116, 104)
# A person of whom less than this share of the box is left becomes an ignored region.
_MIN_LEFT_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Canvas:
    """One training image with its labels, in its own pixels.

    Attributes:
        image: RGB.
        labels: see `Labels`; keypoints outside of the canvas have weight 0.
        has_boxes: whether every person is labelled or ignored, so that box losses mean something.
        out_of_range: people of a size that is not trained here (SIFP), corners; neither person
            nor background.
    """

    image: UInt8[np.ndarray, 'height width 3']
    labels: Labels
    has_boxes: bool = True
    out_of_range: Float[np.ndarray, 'outsider 4'] = field(
        default_factory=lambda: np.zeros((0, 4), np.float32)
    )


def place(
    canvas: np.ndarray,
    cell: tuple[int, int, int, int],
    image: np.ndarray,
    labels: Labels,
    rng: np.random.Generator,
    scale: float,
    max_rotation_deg: float,
) -> Labels:
    """Draw a picture into a cell of the canvas, about a random person or point of it.

    Args:
        canvas: drawn on, in place.
        cell: x1, y1, x2, y2 on the canvas.
        image: the picture.
        labels: of the picture.
        rng: of this canvas.
        scale: canvas px per picture px.
        max_rotation_deg: the picture turns by up to so much either way.

    Returns:
        The labels that are left, on the canvas.
    """
    x1, y1, x2, y2 = cell
    size = np.array([x2 - x1, y2 - y1], np.float64)
    shape = np.array([image.shape[1], image.shape[0]], np.float64)
    # Where the picture is larger than the cell choose the part shown; else where it lies.
    free = size - shape * scale
    shift = rng.uniform(np.minimum(free, 0), np.maximum(free, 0))
    angle = np.deg2rad(rng.uniform(-max_rotation_deg, max_rotation_deg))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = shape / 2
    offset = shift + middle * scale - turn @ middle
    if rng.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0])
        offset = offset + turn @ np.array([-shape[0], 0.0])
        flip = True
    else:
        flip = False
    return draw_picture(canvas, cell, image, labels, np.column_stack([turn, offset]), flip)


def draw_picture(
    canvas: np.ndarray,
    cell: tuple[int, int, int, int],
    image: np.ndarray,
    labels: Labels,
    matrix: Float[np.ndarray, '2 3'],
    flip: bool,
) -> Labels:
    """Draw a picture into a cell of the canvas.

    Args:
        canvas: drawn on, in place.
        cell: x1, y1, x2, y2 on the canvas.
        image: the picture.
        labels: of the picture.
        matrix: from px of the picture to px of the cell; edges, not middles, are whole numbers.
        flip: whether the matrix mirrors, so that left and right joints trade names.

    Returns:
        The labels that are left, on the canvas.
    """
    x1, y1, x2, y2 = cell
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    # warpAffine speaks of pixel centres as integers, we of half integers.
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    canvas[y1:y2, x1:x2] = cv2.warpAffine(
        image,
        centred,
        (x2 - x1, y2 - y1),
        flags=cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR,
        borderValue=FILL,
    )
    return _moved(labels, matrix, flip, cell)


def _moved(
    labels: Labels, matrix: np.ndarray, flip: bool, cell: tuple[int, int, int, int]
) -> Labels:
    low, high = np.array(cell[:2], np.float32), np.array(cell[2:], np.float32)
    boxes, left = moved_boxes(labels.boxes, matrix, low, high)
    keypoints = labels.keypoints.copy()
    keypoints[..., :2] = keypoints[..., :2] @ matrix[:, :2].T + matrix[:, 2] + low
    if flip:
        keypoints = keypoints[:, COCO_17.flip_order]
    outside = ((keypoints[..., :2] < low) | (keypoints[..., :2] >= high)).any(-1)
    keypoints[..., 2][outside] = 0
    kept = left >= _MIN_LEFT_SHARE
    gone = (left > 0) & ~kept
    ignored, ignored_left = moved_boxes(labels.ignored, matrix, low, high)
    return Labels(
        boxes=boxes[kept],
        keypoints=keypoints[kept],
        ignored=np.concatenate([ignored[ignored_left > 0], boxes[gone]]),
        identities=labels.identities[kept],
    )


def moved_boxes(
    boxes: Float[np.ndarray, 'box 4'],
    matrix: Float[np.ndarray, '2 3'],
    low: Float[np.ndarray, '2'],
    high: Float[np.ndarray, '2'],
) -> tuple[Float[np.ndarray, 'box 4'], Float[np.ndarray, 'box']]:
    """Return the boxes of a picture on the canvas, clipped, and the share of each that is left.

    Args:
        boxes: corners, px of the picture.
        matrix: from px of the picture to px of the cell.
        low: left upper corner of the cell.
        high: right lower one.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2] + low
    # For the small turns used, a person's box hardly grows: keep its size, times the scale.
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    full = np.concatenate([centre - half, centre + half], 1).astype(np.float32)
    clipped = np.concatenate([np.clip(full[:, :2], low, high), np.clip(full[:, 2:], low, high)], 1)
    area = (full[:, 2:] - full[:, :2]).prod(1)
    left = (clipped[:, 2:] - clipped[:, :2]).prod(1) / np.maximum(area, 1e-6)
    return clipped, left


def joined(parts: list[Labels]) -> Labels:
    """Return the labels of all parts of one canvas."""
    return Labels(
        boxes=np.concatenate([p.boxes for p in parts]),
        keypoints=np.concatenate([p.keypoints for p in parts]),
        ignored=np.concatenate([p.ignored for p in parts]),
        identities=np.concatenate([p.identities for p in parts]),
    )


def change_colours(
    image: UInt8[np.ndarray, 'height width 3'], rng: np.random.Generator
) -> UInt8[np.ndarray, 'height width 3']:
    """Return the image with random brightness, contrast, tint, blur, noise or in grey."""
    x = np.asarray(image, np.float64)
    gain = rng.uniform(0.6, 1.35) * rng.uniform(0.9, 1.1, 3)
    x = (x - 128) * gain + 128 + rng.uniform(-28, 28)
    if rng.random() < 0.08:
        x = np.repeat(x @ np.array([[0.299], [0.587], [0.114]]), 3, axis=2)
    if rng.random() < 0.15:
        x += rng.normal(0, rng.uniform(2, 10), x.shape[:2])[..., None]
    out = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        return np.asarray(cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 1.4)), np.uint8)
    return out
