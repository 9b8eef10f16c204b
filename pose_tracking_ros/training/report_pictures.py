"""Pictures of labelled people with what the network found of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.evaluation.judged_people import JudgedPerson
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.pictures import DataError

_TRUTH, _FOUND, _DARK = (255, 255, 255), (255, 150, 30), (20, 20, 20)
_SURROUNDINGS = 1.3
_SIDE_PX = 300


def picture_of(
    person: JudgedPerson, path: Path, side_px: int = _SIDE_PX
) -> UInt8[np.ndarray, 'side side 3']:
    """Return a square around a person, RGB: labels white, what was found orange.

    Lines are drawn between labelled joints, and between found joints whose labels exist.

    Raises:
        DataError: the picture is missing or unreadable.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f'{path}: missing or not a picture')
    centre = (person.box[:2] + person.box[2:]) / 2
    side = max(float((person.box[2:] - person.box[:2]).max()) * _SURROUNDINGS, 32.0)
    scale = side_px / side
    # Pixel centres lie at 0.5 for us, at whole numbers for OpenCV.
    move = np.array([[scale, 0, 0], [0, scale, 0]], np.float64)
    move[:, 2] = side_px / 2 - centre * scale
    shifted = move.copy()
    shifted[:, 2] += 0.5 * scale - 0.5
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    cut = cv2.warpAffine(image, shifted, (side_px, side_px), flags=how, borderValue=(60, 60, 60))
    picture = np.asarray(cv2.cvtColor(cut, cv2.COLOR_BGR2RGB), np.uint8)
    _draw(picture, person.truth * scale + move[:, 2], _TRUTH)
    if person.found is not None:
        shown = np.where(person.has_joint[:, None], person.found, np.nan)
        _draw(picture, shown * scale + move[:, 2], _FOUND)
    return picture


def _draw(
    picture: np.ndarray, points: Float[np.ndarray, 'joint 2'], colour: tuple[int, int, int]
) -> None:
    is_there = np.isfinite(points).all(1)
    # Far ones would overflow OpenCV's integers.
    corners = np.clip(np.nan_to_num(points), -9999, 9999).round().astype(int).tolist()
    for edge, width in ((_DARK, 3), (colour, 1)):
        for first, last in COCO_17.limb_indices.tolist():
            if is_there[first] and is_there[last]:
                cv2.line(picture, corners[first], corners[last], edge, width, cv2.LINE_AA)
    for point, there in zip(corners, is_there.tolist(), strict=True):
        if there:
            cv2.circle(picture, point, 4, _DARK, -1, cv2.LINE_AA)
            cv2.circle(picture, point, 3, colour, -1, cv2.LINE_AA)
