"""The pictures of a report: parts of images with tracks and truth drawn in, as data addresses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.evaluation.replay.truth import TruthFrame
from pose_tracking_ros.image_decoding import ImageError, rgb_from_message
from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.pose_messages import nanoseconds
from pose_tracking_ros.recordings.recording import FrameRecord
from pose_tracking_ros.viewing.overlay import draw_tracks

Image = UInt8[np.ndarray, 'height width 3']
Images = Callable[[Collection[int]], Iterable[tuple[int, Image]]]
"""Fetches images: called with stamps (ns), it yields stamp and RGB image of each, in any order."""

_RED, _WHITE, _DARK = (255, 45, 60), (255, 255, 255), (20, 20, 20)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# How much of the surroundings is shown, relative to the person's box.
_SURROUNDINGS = 2.2
_GAP_PX = 6


@dataclass(frozen=True, eq=False)
class Shot:
    """An order for one picture.

    Attributes:
        stamp_ns: of the image, ns.
        size: most width and height, px.
        focus: whom to show, corners x1, y1, x2, y2, px; None shows the whole image.
        track_ids: tracks to show even when they are lost.
    """

    stamp_ns: int
    size: tuple[int, int]
    focus: Float[np.ndarray, '4'] | None = None
    track_ids: tuple[int, ...] = ()


def images_of_bag(bag: Path, topic: str) -> Images:
    """Return a function that fetches images of a bag, in one pass over it.

    Only what is asked for is decoded, and nothing is read behind the last of it. As in the replay,
    an image without a stamp has the time of its recording, and one that cannot be decoded is
    passed over.
    """

    def fetch(stamps_ns: Collection[int]) -> Iterable[tuple[int, Image]]:
        left = set(stamps_ns)
        with BagReader(bag) as reader:
            for received_ns, message in reader.messages(topic):
                stamp_ns = nanoseconds(message.header.stamp) or received_ns
                if stamp_ns not in left:
                    continue
                try:
                    image = rgb_from_message(message)
                except ImageError:
                    continue
                left.remove(stamp_ns)
                yield stamp_ns, image
                if not left:
                    return

    return fetch


def take(shots: Sequence[Shot], result: ReplayResult, images: Images) -> list[Image | None]:
    """Return the picture of each shot; None where its image is no longer to be had.

    No more than one image is held at a time.
    """
    wanted: dict[int, list[int]] = {}
    for index, shot in enumerate(shots):
        wanted.setdefault(shot.stamp_ns, []).append(index)
    pictures: list[Image | None] = [None] * len(shots)
    if not wanted:
        return pictures
    seen: dict[int, tuple[FrameRecord, TruthFrame | None]] = {}
    for number, frame in result.recording.numbered():
        truth = result.truth.frames[number - 1] if result.truth else None
        # Of images with the same stamp the first one is fetched.
        seen.setdefault(frame.stamp_ns, (frame, truth))
    for stamp_ns, image in images(wanted.keys()):
        frame, truth = seen[stamp_ns]
        tracks = [
            replace(track, track_id=result.recording.unique_id(frame, track))
            for track in frame.tracks
        ]
        for index in wanted[stamp_ns]:
            pictures[index] = _draw(shots[index], image, frame, tracks, truth)
    return pictures


def side_by_side(pictures: Sequence[Image]) -> Image:
    """Return pictures in a row, with a white gap, as tall as the tallest."""
    height = max(picture.shape[0] for picture in pictures)
    parts: list[np.ndarray] = []
    for picture in pictures:
        below = np.full((height - picture.shape[0], picture.shape[1], 3), 255, np.uint8)
        gap = np.full((height, _GAP_PX, 3), 255, np.uint8)
        parts += [np.concatenate([picture, below]), gap]
    return np.concatenate(parts[:-1], axis=1)


def _draw(
    shot: Shot, image: Image, frame: FrameRecord, tracks: list[Track], truth: TruthFrame | None
) -> Image:
    x1, y1, x2, y2 = _window(shot, frame.image_size)
    scale = min(shot.size[0] / (x2 - x1), shot.size[1] / (y2 - y1))
    size = (max(round((x2 - x1) * scale), 1), max(round((y2 - y1) * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    # Lines are drawn on the scaled part, so that they are as wide in every picture.
    picture = np.asarray(cv2.resize(image[y1:y2, x1:x2], size, interpolation=how), np.uint8)
    corner = np.array([x1, y1], np.float32)
    corners = np.tile(corner, 2)
    window = np.array([x1, y1, x2, y2], np.float32)
    moved = [
        replace(
            track, box=(track.box - corners) * scale, keypoints=(track.keypoints - corner) * scale
        )
        for track in tracks
        # Where lost tracks are thought to be would cover those that are there.
        if _is_inside(track.box, window)
        and (track.state is not TrackState.LOST or track.track_id in shot.track_ids)
    ]
    drawn = draw_tracks(picture, moved)
    if truth is not None:
        for identity, box, is_ignored in zip(
            truth.person_ids.tolist(), truth.boxes, truth.is_ignored.tolist(), strict=True
        ):
            if _is_inside(box, window) and not is_ignored:
                _draw_truth(drawn, (box - corners) * scale, f'person {identity}')
    if shot.focus is not None:
        _draw_focus(drawn, (shot.focus - corners) * scale)
    return drawn


def _window(shot: Shot, image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of the image to show, px; around the focus, as far as the image goes."""
    width, height = image_size
    if shot.focus is None:
        return 0, 0, width, height
    x1, y1, x2, y2 = shot.focus.tolist()
    ratio = shot.size[0] / shot.size[1]
    tall = max(_SURROUNDINGS * (y2 - y1), _SURROUNDINGS * (x2 - x1) / ratio, 48.0)
    wide = round(min(tall * ratio, width))
    high = round(min(tall, height))
    left = int(np.clip(round((x1 + x2 - wide) / 2), 0, width - wide))
    top = int(np.clip(round((y1 + y2 - high) / 2), 0, height - high))
    return left, top, left + wide, top + high


def _is_inside(box: Float[np.ndarray, '4'], window: Float[np.ndarray, '4']) -> bool:
    """Return whether a box reaches into the window."""
    return bool((box[:2] < window[2:]).all() and (box[2:] > window[:2]).all())


def _draw_truth(picture: Image, box: Float[np.ndarray, '4'], label: str) -> None:
    """Mark the corners of a person of the truth, and name them below."""
    x1, y1, x2, y2 = (int(v) for v in np.round(box))
    arm = max(min(x2 - x1, y2 - y1) // 4, 4)
    for colour, width in ((_DARK, 4), (_WHITE, 2)):
        for x, y, dx, dy in ((x1, y1, 1, 1), (x2, y1, -1, 1), (x1, y2, 1, -1), (x2, y2, -1, -1)):
            cv2.line(picture, (x, y), (x + dx * arm, y), colour, width, cv2.LINE_AA)
            cv2.line(picture, (x, y), (x, y + dy * arm), colour, width, cv2.LINE_AA)
    (wide, tall), _ = cv2.getTextSize(label, _FONT, 0.42, 1)
    left = int(np.clip(x1, 0, max(picture.shape[1] - wide, 0)))
    foot = int(np.clip(y2 + tall + 6, tall, picture.shape[0] - 4))
    for colour, width in ((_DARK, 3), (_WHITE, 1)):
        cv2.putText(picture, label, (left, foot), _FONT, 0.42, colour, width, cv2.LINE_AA)


def _draw_focus(picture: Image, box: Float[np.ndarray, '4']) -> None:
    x1, y1, x2, y2 = (int(v) for v in np.round(box))
    margin = 5
    corners = ((x1 - margin, y1 - margin), (x2 + margin, y2 + margin))
    cv2.rectangle(picture, *corners, _RED, 2, cv2.LINE_AA)
