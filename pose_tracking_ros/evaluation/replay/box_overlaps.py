"""How far the boxes of tracks and of true people overlap, image by image.

Compared are confirmed people found in the image, as in the figures of a replay. Left out are boxes
without extent, and everybody who is to be ignored, together with their tracks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.evaluation.mot_metrics import matches_distractor
from pose_tracking_ros.evaluation.replay.truth import TruthFrame, TruthMatch
from pose_tracking_ros.people import Track
from pose_tracking_ros.recordings.recording import FrameRecord, Recording
from pose_tracking_ros.tracking.similarity import pairwise_iou


@dataclass(frozen=True, eq=False)
class ImageOverlaps:
    """The tracks of an image beside its truth.

    Attributes:
        frame: the result; None for an image that was dropped, which has no tracks.
        truth: people who count.
        tracks: those that count.
        track_ids: theirs, unique in the recording.
        ious: overlap of their boxes, [0, 1].
    """

    frame: FrameRecord | None
    truth: TruthFrame
    tracks: Sequence[Track]
    track_ids: Int[np.ndarray, 'track']
    ious: Float[np.ndarray, 'person track']


def image_overlaps(recording: Recording, match: TruthMatch) -> Iterator[ImageOverlaps]:
    """Yield every image for which there is truth, dropped ones included, in order."""
    frames = dict(recording.numbered())
    for number, truth in enumerate(match.frames, start=1):
        if truth is not None:
            yield _overlaps(recording, frames.get(number), truth)


def _overlaps(recording: Recording, frame: FrameRecord | None, truth: TruthFrame) -> ImageOverlaps:
    truth = _select(truth, _has_extent(truth.boxes))
    shown = frame.shown if frame else []
    tracks = [track for track in shown if _has_extent(track.box)]
    boxes = np.array([track.box for track in tracks], np.float64).reshape(-1, 4)
    ious = pairwise_iou(truth.boxes.astype(np.float64), boxes)
    counts = ~truth.is_ignored
    kept = np.flatnonzero(~matches_distractor(ious, truth.is_ignored))
    tracks = [tracks[place] for place in kept.tolist()]
    ids = [recording.unique_id(frame, track) for track in tracks] if frame else []
    return ImageOverlaps(
        frame,
        _select(truth, counts),
        tracks,
        np.array(ids, np.int64),
        ious[np.ix_(np.flatnonzero(counts), kept)],
    )


def _has_extent(boxes: Float[np.ndarray, '*place 4']) -> Bool[np.ndarray, '*place']:
    return np.asarray((boxes[..., 2:] > boxes[..., :2]).all(axis=-1))


def _select(truth: TruthFrame, which: Bool[np.ndarray, 'person']) -> TruthFrame:
    return TruthFrame(
        stamp_ns=truth.stamp_ns,
        person_ids=truth.person_ids[which],
        boxes=truth.boxes[which],
        keypoints=truth.keypoints[which],
        keypoint_visible=truth.keypoint_visible[which],
        is_ignored=truth.is_ignored[which],
    )
