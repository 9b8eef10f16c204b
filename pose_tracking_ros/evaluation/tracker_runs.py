"""Our tracker on stored detections: boxes and scores, without poses or looks."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.evaluation.mot_files import NO_CLASS, MotBoxes
from pose_tracking_ros.people import People, Track, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.tracker import Tracker

# As many as the peers get.
_REPEATS = 3


@dataclass(frozen=True, eq=False)
class DetectedSequence:
    """One sequence's detections, as every tracker gets them.

    Attributes:
        boxes: the detections.
        frames: length of the sequence; images without detections count too.
        rate_hz: images per second.
        image_size: width and height, px.
    """

    boxes: MotBoxes
    frames: int
    rate_hz: float
    image_size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class TrackerRun:
    """What one tracker made of all sequences.

    Attributes:
        is_online: whether each image's result was final when the image had been processed.
        results: by sequence.
        update_s: time each image's update took, s; the fastest of three runs, because other
            programs can only make it slower.
    """

    is_online: bool
    results: dict[str, MotBoxes]
    update_s: Float[np.ndarray, 'image']

    @property
    def ms_per_frame(self) -> float:
        """Median time of an update, ms."""
        return 1e3 * float(np.median(self.update_s))


def extent_of(boxes: MotBoxes) -> tuple[int, int]:
    """Return the smallest image that holds all boxes, width and height, px; at least 1 x 1.

    Stands in for an image size that nobody tells. The tracker only uses it to see who is cut off
    by a border.
    """
    if len(boxes) == 0:
        return 1, 1
    width, height = boxes.boxes[:, 2:].max(axis=0).tolist()
    return max(math.ceil(width), 1), max(math.ceil(height), 1)


def run_ours(
    sequences: dict[str, DetectedSequence], settings: TrackerSettings | None = None
) -> dict[str, TrackerRun]:
    """Run our tracker and return three readings of what it said.

    - `ours`: every track that a detection of the image supports, as the node publishes them,
      tentative ones included.
    - `ours_confirmed`: the same without tentative tracks. A new person is reported
      `confirm_after_s` late.
    - `ours_completed`: confirmed tracks and, looking back, their tentative beginnings: possible
      only once the sequence is over.

    Args:
        sequences: by name; a tracker of its own for each.
        settings: the same for all; the defaults if not given.
    """
    rows = {name: _run_repeatedly(sequence, settings) for name, sequence in sequences.items()}
    update_s = np.concatenate([spent for _, spent in rows.values()])

    def reading(which: str, is_online: bool) -> TrackerRun:
        results = {name: getattr(one, which) for name, (one, _) in rows.items()}
        return TrackerRun(is_online=is_online, results=results, update_s=update_s)

    return {
        'ours': reading('published', True),
        'ours_confirmed': reading('confirmed', True),
        'ours_completed': reading('completed', False),
    }


@dataclass(frozen=True, eq=False)
class _Published:
    boxes: MotBoxes
    is_tentative: Bool[np.ndarray, 'box']

    @property
    def published(self) -> MotBoxes:
        return self.boxes

    @property
    def confirmed(self) -> MotBoxes:
        return self.boxes.select(~self.is_tentative)

    @property
    def completed(self) -> MotBoxes:
        ids = self.boxes.ids
        return self.boxes.select(np.isin(ids, ids[~self.is_tentative]))


def _run_repeatedly(
    sequence: DetectedSequence, settings: TrackerSettings | None
) -> tuple[_Published, Float[np.ndarray, 'image']]:
    """Return what came out, always the same, and each image's fastest update, s."""
    runs = [_run(sequence, settings) for _ in range(_REPEATS)]
    return runs[0][0], np.min([update_s for _, update_s in runs], axis=0)


def _run(
    sequence: DetectedSequence, settings: TrackerSettings | None
) -> tuple[_Published, Float[np.ndarray, 'image']]:
    tracker = Tracker(settings)
    people = [
        _people(sequence.boxes.select(part), sequence.image_size)
        for part in sequence.boxes.slices(sequence.frames)
    ]
    update_s = np.zeros(sequence.frames)
    frames: list[int] = []
    tracks: list[Track] = []
    for index, detected in enumerate(people):
        stamp_s = index / sequence.rate_hz
        started = time.perf_counter()
        updated = tracker.update(detected, stamp_s)
        update_s[index] = time.perf_counter() - started
        supported = [track for track in updated if track.is_matched]
        frames += [index + 1] * len(supported)
        tracks += supported
    boxes = MotBoxes(
        frames=np.array(frames, np.int64),
        ids=np.array([track.track_id for track in tracks], np.int64),
        boxes=np.array([track.box for track in tracks], np.float64).reshape(-1, 4),
        scores=np.array([track.score for track in tracks], np.float64),
        classes=np.full(len(tracks), NO_CLASS),
    )
    is_tentative = np.array([track.state == TrackState.TENTATIVE for track in tracks], np.bool_)
    return _Published(boxes, is_tentative), update_s


def _people(found: MotBoxes, image_size: tuple[int, int]) -> People:
    count = len(found)
    return People(
        boxes=found.boxes,
        scores=found.scores,
        keypoints=np.zeros((count, 0, 2)),
        keypoint_scores=np.zeros((count, 0)),
        embeddings=np.zeros((count, 0)),
        image_size=image_size,
    )
