"""How the background of two small grey images is brought to coincide, by flow or by correlation.

See `camera_motion` for what it is good for.
"""

from __future__ import annotations

import math
from enum import Enum

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

# Flow. At most so many corners, at least so far apart, px of the small image. People that were not
# found have the strongest corners; a low threshold lets the background outnumber them.
_MAX_CORNERS = 300
_CORNER_DISTANCE_PX = 10
_CORNER_QUALITY = 0.003
_WINDOW_PX = 15
_PYRAMID_LEVELS = 3
# Whether the background moves as a whole is judged with a wide tolerance, how it does with a
# narrow one: between two images people walk less than the wide one. Both grow with the motion.
_AGREEMENT_PX = 1.0
_PRECISION_PX = 0.2
_TOLERANCE_GROWTH = 0.05
_MIN_CORNERS = 12
_MIN_AGREEMENT = 0.5
# Standing still is as good an explanation when so large a share of the corners that fit the motion
# found fits it, too; or when the motion found leaves so large a share of the difference between
# the images as it is.
_STILL_SHARE = 0.9
# Corners in one spot tell a shift, but neither turn nor zoom: their root mean square distance from
# the centre of them all must be this share of the longer side.
_MIN_SPREAD = 0.08
# ECC. Coarser levels than this are not worth it; the shorter side, px.
_COARSEST_SIDE_PX = 40
_ECC_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 1e-3)
_ECC_BLUR_PX = 5
_MIN_CORRELATION = 0.8
# An image whose grey values vary less than this standard deviation shows nothing to hold on to.
_MIN_CONTRAST = 2.0
# What is left of the image when people are masked out must be at least this share.
_MIN_BACKGROUND = 0.1


class Verdict(Enum):
    """Whether an estimate is used, and why not."""

    MOVED = 'the background moved as a whole'
    STILL = 'the background stands still'
    SWITCHED_OFF = 'camera motion compensation is switched off'
    FIRST_IMAGE = 'there is no image to compare with'
    OTHER_SIZE = 'the image has another size than the one before'
    GAP = 'too much time lies between the images, or time went back'
    NO_TEXTURE = 'too little of the background has texture'
    LOST_SIGHT = 'too few points of the background were found again'
    NO_AGREEMENT = 'the background does not move as a whole'
    NOT_SETTLED = 'the search for the best fit did not converge'
    IMPLAUSIBLE = 'no camera moves that far between two images'


def rescale(
    affine: Float[np.ndarray, '2 3'], scale: Float[np.ndarray, '2']
) -> Float[np.ndarray, '2 3']:
    """Return an affine of OpenCV's small pixels as one of the product's full pixels.

    OpenCV puts the centre of the top left pixel at (0, 0), the product at (0.5, 0.5).

    Args:
        affine: maps small pixels to small pixels.
        scale: full pixels per small pixel, x and y.
    """
    linear, shift = affine[:, :2], affine[:, 2]
    centred = shift + 0.5 - linear @ np.full(2, 0.5)
    return np.column_stack([linear * scale[:, None] / scale, scale * centred])


def flow(
    before: UInt8[np.ndarray, 'row column'],
    now: UInt8[np.ndarray, 'row column'],
    mask: UInt8[np.ndarray, 'row column'],
) -> tuple[Float[np.ndarray, '2 3'], Verdict, float]:
    """Return the similarity by which most corners of the background moved.

    Args:
        before: previous image.
        now: present image.
        mask: 0 where the previous image is not background.

    Returns:
        The map in OpenCV's pixels of these images, whether to trust it, and the share of corners
        that agree with it.
    """
    identity = np.eye(2, 3)
    corners = cv2.goodFeaturesToTrack(
        before, _MAX_CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE_PX, mask=mask
    )
    if corners is None or len(corners) < _MIN_CORNERS:
        return identity, Verdict.NO_TEXTURE, 0.0
    window = (_WINDOW_PX, _WINDOW_PX)
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before, now, corners, corners.copy(), winSize=window, maxLevel=_PYRAMID_LEVELS
    )
    limit = np.array(now.shape[::-1], dtype=np.float32) - 1.0
    is_found = (status[:, 0] == 1) & ((found[:, 0] >= 0.0) & (found[:, 0] <= limit)).all(axis=1)
    if is_found.sum() < _MIN_CORNERS:
        return identity, Verdict.LOST_SIGHT, 0.0
    source, target = corners[is_found], found[is_found]
    shift_px = np.linalg.norm(target - source, axis=-1)[:, 0]
    slack_px = _TOLERANCE_GROWTH * float(np.median(shift_px))
    agreement = float(_agreeing(source, target, _AGREEMENT_PX + slack_px)[1].mean())
    if agreement < _MIN_AGREEMENT:
        return identity, Verdict.NO_AGREEMENT, agreement
    affine, is_exact = _agreeing(source, target, _PRECISION_PX + slack_px)
    if is_exact.sum() < _MIN_CORNERS:
        return identity, Verdict.NO_AGREEMENT, agreement
    if (shift_px <= _PRECISION_PX).sum() >= _STILL_SHARE * is_exact.sum():
        return identity, Verdict.STILL, agreement
    spread = math.sqrt(float(source[is_exact, 0].var(axis=0).sum()))
    if spread < _MIN_SPREAD * max(before.shape):
        return identity, Verdict.NO_TEXTURE, agreement
    return affine, Verdict.MOVED, agreement


def _agreeing(
    source: Float[np.ndarray, 'corner 1 2'],
    target: Float[np.ndarray, 'corner 1 2'],
    tolerance_px: float,
) -> tuple[Float[np.ndarray, '2 3'], Bool[np.ndarray, 'corner']]:
    """Return the similarity on which most corners agree, and which do; none if there is none."""
    affine, agrees = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=tolerance_px
    )
    if affine is None:
        return np.eye(2, 3), np.zeros(len(source), dtype=np.bool_)
    return affine, agrees[:, 0] == 1


def ecc(
    before: UInt8[np.ndarray, 'row column'],
    now: UInt8[np.ndarray, 'row column'],
    mask: UInt8[np.ndarray, 'row column'],
) -> tuple[Float[np.ndarray, '2 3'], Verdict, float]:
    """Return the affine map under which the background correlates most.

    Args:
        before: previous image.
        now: present image.
        mask: 0 where the previous image is not background.

    Returns:
        The map in OpenCV's pixels of these images, whether to trust it, and the correlation.
    """
    identity = np.eye(2, 3)
    background = before[mask > 0]
    if len(background) < _MIN_BACKGROUND * mask.size or background.std() < _MIN_CONTRAST:
        return identity, Verdict.NO_TEXTURE, 0.0
    try:
        affine = _align(before, now, mask)
    except cv2.error as error:
        if error.code != cv2.Error.StsNoConv:
            raise
        return identity, Verdict.NOT_SETTLED, 0.0
    # OpenCV's own figure does not regard the mask, and says nothing about standing still.
    correlation = _correlation(before, now, mask, affine)
    if correlation < _MIN_CORRELATION:
        return identity, Verdict.NO_AGREEMENT, correlation
    unexplained = 1.0 - _correlation(before, now, mask, identity)
    if 1.0 - correlation > _STILL_SHARE * unexplained:
        return identity, Verdict.STILL, correlation
    return affine, Verdict.MOVED, correlation


def _align(
    before: UInt8[np.ndarray, 'row column'],
    now: UInt8[np.ndarray, 'row column'],
    mask: UInt8[np.ndarray, 'row column'],
) -> Float[np.ndarray, '2 3']:
    """Return the affine that makes the images correlate most, sought from coarse to fine.

    Raises:
        cv2.error: with the code `StsNoConv`, the search did not converge.
    """
    levels = [(before, now, mask)]
    while min(levels[-1][0].shape) >= 2 * _COARSEST_SIDE_PX:
        size = levels[-1][0].shape[1] // 2, levels[-1][0].shape[0] // 2
        coarse_before, coarse_now, coarse_mask = (
            cv2.resize(grey, size, interpolation=cv2.INTER_AREA) for grey in levels[-1]
        )
        # A pixel of which a part is a person is not background.
        is_clear = np.where(coarse_mask == 255, np.uint8(255), np.uint8(0))
        levels.append((coarse_before, coarse_now, is_clear))
    # OpenCV masks the image that is warped: the previous one. So the map found leads back.
    backward, shape = np.eye(2, 3), levels[-1][0].shape
    # The coarsest level is too small for more than shift and turn.
    model = cv2.MOTION_EUCLIDEAN
    for level_before, level_now, level_mask in reversed(levels):
        scale = np.array(level_before.shape[::-1]) / np.array(shape[::-1])
        start = _between_levels(backward, scale).astype(np.float32)
        _, warp = cv2.findTransformECC(
            level_now, level_before, start, model, _ECC_CRITERIA, level_mask, _ECC_BLUR_PX
        )
        backward, shape, model = warp.astype(np.float64), level_before.shape, cv2.MOTION_AFFINE
    forward: Float[np.ndarray, '2 3'] = cv2.invertAffineTransform(backward)
    return forward


def _correlation(
    before: UInt8[np.ndarray, 'row column'],
    now: UInt8[np.ndarray, 'row column'],
    mask: UInt8[np.ndarray, 'row column'],
    affine: Float[np.ndarray, '2 3'],
) -> float:
    """Return how well the moved background fits the present image, [0, 1]."""
    blur, size = (_ECC_BLUR_PX, _ECC_BLUR_PX), (before.shape[1], before.shape[0])
    moved = cv2.warpAffine(cv2.GaussianBlur(before, blur, 0), affine, size)
    is_background = cv2.warpAffine(mask, affine, size) == 255
    a = moved[is_background].astype(np.float64)
    b = cv2.GaussianBlur(now, blur, 0)[is_background].astype(np.float64)
    if len(a) < _MIN_BACKGROUND * mask.size or a.std() == 0.0 or b.std() == 0.0:
        return 0.0
    return max(0.0, float(np.corrcoef(a, b)[0, 1]))


def _between_levels(
    affine: Float[np.ndarray, '2 3'], scale: Float[np.ndarray, '2']
) -> Float[np.ndarray, '2 3']:
    """Return an affine of OpenCV's pixels in OpenCV's pixels of an image `scale` times larger."""
    product = rescale(affine, scale)
    linear = product[:, :2]
    return np.column_stack([linear, product[:, 2] - 0.5 + linear @ np.full(2, 0.5)])
