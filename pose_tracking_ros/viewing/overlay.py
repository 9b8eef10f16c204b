"""Draws tracked people over their image: skeletons, boxes, ids, trails."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.skeleton import COCO_17, Skeleton
from pose_tracking_ros.viewing.trails import Trails

Colour = tuple[int, int, int]

_GOLDEN_RATIO = (5**0.5 - 1) / 2
_BITS = 4
_DARK = (20, 20, 20)
_STATE_WORDS = {
    TrackState.TENTATIVE: ' new',
    TrackState.CONFIRMED: '',
    TrackState.OCCLUDED: ' hidden',
    TrackState.LOST: ' lost',
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def colour_of(track_id: int) -> Colour:
    """Return the RGB colour of a track; ids that follow each other get hues far apart."""
    hue = (0.11 + track_id * _GOLDEN_RATIO) % 1.0
    # Three rounds of the colour circle differ in tone, so that near hues do not look the same.
    saturation, value = ((0.85, 1.0), (0.55, 1.0), (0.95, 0.80))[track_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def line_width_of(image_size: tuple[int, int]) -> int:
    """Return the line width that reads well in an image of this size, px."""
    return max(1, round(min(image_size) / 280))


def _fixed(point: Float[np.ndarray, '2']) -> tuple[int, int]:
    # OpenCV's pixel centres are whole numbers, ours lie at 0.5. Far points are pulled in, along
    # with the line they end: OpenCV's integers would overflow. Plain numbers: NumPy takes many
    # times as long for two, and a picture has hundreds of points.
    x, y = (min(max((float(v) - 0.5) * 2**_BITS, -(2**18)), 2**18) for v in point)
    return round(x), round(y)


def _line(
    image: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: int
) -> None:
    cv2.line(image, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _BITS)


def _dashed_line(
    image: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: int
) -> None:
    length = float(np.hypot(*(end - start)))
    # A line that leaves the image far behind needs no more dashes than fit the image.
    dashes = int(np.clip(length / (6 * width + 4), 1, 200))
    for i in range(dashes):
        a, b = i / dashes, (i + 0.55) / dashes
        _line(image, start + a * (end - start), start + b * (end - start), colour, width)


def _draw_box(image: np.ndarray, track: Track, colour: Colour, width: int) -> None:
    x1, y1, x2, y2 = np.asarray(track.box, dtype=np.float64)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    solid = track.state in (TrackState.CONFIRMED, TrackState.TENTATIVE) and track.is_matched
    draw = _line if solid else _dashed_line
    for i in range(4):
        draw(image, corners[i], corners[(i + 1) % 4], colour, width)


def _draw_skeleton(
    image: np.ndarray, track: Track, colour: Colour, width: int, skeleton: Skeleton
) -> None:
    # Thin lines on small people, or their joints would cover them.
    tall_px = float(track.box[3] - track.box[1])
    width = int(np.clip(round(tall_px / 75), 1, width))
    states = np.asarray(track.keypoint_states)
    known = np.isfinite(track.keypoints).all(-1)
    known &= ~np.isin(states, (KeypointState.NOT_ESTIMATED, KeypointState.OUT_OF_FRAME))
    seen = known & (states == KeypointState.VISIBLE)
    for a, b in skeleton.limb_indices:
        if not (known[a] and known[b]):
            continue
        start, end = track.keypoints[a], track.keypoints[b]
        if seen[a] and seen[b]:
            # A dark edge keeps the line apart from clothes of the same colour.
            _line(image, start, end, _DARK, width + 2)
            _line(image, start, end, colour, width)
        else:
            _dashed_line(image, start, end, colour, max(width - 1, 1))
    radius = round((0.8 * width + min(tall_px / 110, 1.2)) * 2**_BITS)
    for joint in np.nonzero(known)[0]:
        at = _fixed(track.keypoints[joint])
        if seen[joint]:
            cv2.circle(image, at, radius, (255, 255, 255), -1, cv2.LINE_AA, _BITS)
            cv2.circle(
                image, at, max(radius - (1 << _BITS), radius // 2), colour, -1, cv2.LINE_AA, _BITS
            )
        else:
            cv2.circle(image, at, radius, _DARK, -1, cv2.LINE_AA, _BITS)
            cv2.circle(image, at, radius, colour, 1, cv2.LINE_AA, _BITS)


def _draw_label(image: np.ndarray, track: Track, colour: Colour, width: int) -> None:
    height_px, width_px = image.shape[:2]
    text = f'{track.person_id or track.track_id}{_STATE_WORDS[track.state]}'
    scale = max(0.35, 0.0009 * min(width_px, height_px))
    thickness = max(1, round(1.6 * scale))
    (wide, tall), below = cv2.getTextSize(text, _FONT, scale, thickness)
    margin = 2 + width
    x1, y1 = float(track.box[0]), float(track.box[1])
    # Kept inside the image, so that people at its border keep a readable id.
    left = int(np.clip(x1, 0, max(width_px - wide - 2 * margin, 0)))
    foot = int(np.clip(y1, tall + below + 2 * margin, height_px - 1))
    top = foot - tall - below - 2 * margin
    cv2.rectangle(image, (left, top), (left + wide + 2 * margin, foot), colour, -1)
    is_light = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 140
    ink = (0, 0, 0) if is_light else (255, 255, 255)
    at = (left + margin, foot - margin - below)
    cv2.putText(image, text, at, _FONT, scale, ink, thickness, cv2.LINE_AA)


def _draw_trail(
    image: np.ndarray, points: Float[np.ndarray, 'point 2'], colour: Colour, width: int
) -> None:
    # Older pieces fade towards black.
    for i in range(1, len(points)):
        strength = 0.35 + 0.65 * (i + 1) / len(points)
        faded = (
            round(strength * colour[0]), round(strength * colour[1]), round(strength * colour[2]),
        )  # fmt: skip
        _line(image, points[i - 1], points[i], faded, width)


def draw_tracks(
    image: UInt8[np.ndarray, 'height width 3'],
    tracks: Sequence[Track],
    trails: Trails | None = None,
    skeleton: Skeleton = COCO_17,
) -> UInt8[np.ndarray, 'height width 3']:
    """Return a copy of an RGB image with tracks drawn over it.

    Solid is what this image shows: a dashed box stands for a track without a detection, dashed
    limbs and rings for joints that are hidden or predicted. Removed tracks are left out,
    lost ones get a box and an id only.

    Args:
        image: RGB, 8 bit.
        tracks: as of this image.
        trails: where the tracks came from; None draws no trails.
        skeleton: of the tracks' joints.

    Raises:
        ValueError: the image is not RGB with 8 bit, or a track has other joints.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'image: expected height x width x 3 of uint8, got {image.shape} of {image.dtype}'
        )
    drawn = image.copy()
    width = line_width_of((image.shape[1], image.shape[0]))
    alive = [track for track in tracks if track.state != TrackState.REMOVED]
    for track in alive:
        if len(track.keypoints) != len(skeleton):
            raise ValueError(
                f'track {track.track_id}: expected {len(skeleton)} joints of {skeleton.name}, '
                f'got {len(track.keypoints)}'
            )
    if trails is not None:
        for track in alive:
            points = trails.points(track.track_id)
            _draw_trail(drawn, points, colour_of(track.track_id), width)
    # Lower on the image is nearer to the camera: nearer people are drawn later.
    for track in sorted(alive, key=lambda one: float(one.box[3])):
        colour = colour_of(track.track_id)
        _draw_box(drawn, track, colour, width)
        if track.state != TrackState.LOST:
            _draw_skeleton(drawn, track, colour, width, skeleton)
    for track in alive:
        _draw_label(drawn, track, colour_of(track.track_id), width)
    return drawn
