"""Draws what is labelled in a picture, as a reader understood it."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.datasets.records import Record
from pose_tracking_ros.viewing.overlay import colour_of

_BITS = 4
_WHITE = (255, 255, 255)
_DARK = (20, 20, 20)
_GREY = (150, 150, 150)
_PAPER = 235
_LINE_PX = 2
_SEEN = 2


def draw_record(
    image: UInt8[np.ndarray, 'height width 3'], record: Record, field_px: tuple[int, int]
) -> UInt8[np.ndarray, 'field_height field_width 3']:
    """Return a picture with its labels, in the middle of a field.

    People have a colour each, and their identity beside the box if it is known. Seen joints are
    white points, hidden or unsure ones dark; joints that are not labelled are not drawn. Ignored
    regions are grey and crossed out.

    Args:
        image: RGB, of any size; scaled to fill the field.
        record: of the picture.
        field_px: width and height.
    """
    ratio = min(field_px[0] / image.shape[1], field_px[1] / image.shape[0])
    size = (max(round(image.shape[1] * ratio), 1), max(round(image.shape[0] * ratio), 1))
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    # Lines are drawn after scaling: all pictures have them of the same width.
    drawn = cv2.resize(image, size, interpolation=how)
    _draw_labels(drawn, _scaled(record, ratio))
    field = np.full((field_px[1], field_px[0], 3), _PAPER, np.uint8)
    left, top = (field_px[0] - size[0]) // 2, (field_px[1] - size[1]) // 2
    field[top : top + size[1], left : left + size[0]] = drawn
    return field


def _scaled(record: Record, ratio: float) -> Record:
    return dataclasses.replace(
        record,
        boxes=record.boxes * ratio,
        joints=record.joints * ratio,
        ignored=record.ignored * ratio,
    )


def _draw_labels(drawn: np.ndarray, record: Record) -> None:
    width = _LINE_PX
    for region in record.ignored:
        low, high = _corners(region)
        cv2.rectangle(drawn, low, high, _GREY, width, cv2.LINE_AA, _BITS)
        for start, end in ((low, high), ((low[0], high[1]), (high[0], low[1]))):
            cv2.line(drawn, start, end, _GREY, width, cv2.LINE_AA, _BITS)
    for number, box in enumerate(record.boxes):
        colour = colour_of(number)
        low, high = _corners(box)
        cv2.rectangle(drawn, low, high, colour, width, cv2.LINE_AA, _BITS)
        _draw_pose(drawn, record.joints[number], record.visibility[number], colour, width)
        if record.identities[number] >= 0:
            at = (int(box[0]) + 2 * width, int(box[1]) + 14 * width)
            text = str(record.identities[number])
            for ink, thickness in ((_DARK, 3 * width), (colour, width)):
                cv2.putText(
                    drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * width, ink, thickness,
                    cv2.LINE_AA,
                )  # fmt: skip


def _draw_pose(
    image: np.ndarray,
    joints: Float[np.ndarray, 'joint 2'],
    visibility: UInt8[np.ndarray, 'joint'],
    colour: tuple[int, int, int],
    width: int,
) -> None:
    points = [_fixed(joint) for joint in joints]
    for start, end in COCO_17.limb_indices:
        if visibility[start] and visibility[end]:
            cv2.line(image, points[start], points[end], colour, width, cv2.LINE_AA, _BITS)
    radius = round(1.2 * width * 2**_BITS)
    for joint in np.flatnonzero(visibility):
        fill = _WHITE if visibility[joint] == _SEEN else _DARK
        cv2.circle(image, points[joint], radius, fill, -1, cv2.LINE_AA, _BITS)
        cv2.circle(image, points[joint], radius, colour, 1, cv2.LINE_AA, _BITS)


def _corners(box: Float[np.ndarray, '4']) -> tuple[tuple[int, int], tuple[int, int]]:
    return _fixed(box[:2]), _fixed(box[:2] + box[2:])


def _fixed(point: Float[np.ndarray, '2']) -> tuple[int, int]:
    # OpenCV's pixel centres are whole numbers, ours lie at 0.5.
    x, y = (round((float(value) - 0.5) * 2**_BITS) for value in point)
    return x, y
