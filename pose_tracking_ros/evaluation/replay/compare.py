"""Two results of the same images beside each other, image by image: live or offline alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.scoring import truth_figures
from pose_tracking_ros.evaluation.replay.truth import GroundTruth
from pose_tracking_ros.evaluation.replay.truth_matching import match_truth
from pose_tracking_ros.people import Track
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.message_types import POSES_TYPE
from pose_tracking_ros.recordings.pose_messages import frame_from_message
from pose_tracking_ros.recordings.recording import FrameRecord, Recording
from pose_tracking_ros.tracking.similarity import pairwise_iou

# Tracks with less overlap are not the same person's.
_MIN_IOU: Final = 0.5
# A box goes through the message as centre and size, float32.
_SAME_PX: Final = 1e-3


@dataclass(frozen=True, eq=False)
class TrackPair:
    """The same person in the same image of both results.

    Attributes:
        a_id: track id in the first result, unique in it.
        b_id: track id in the second result, unique in it.
        a: the track in the first result.
        b: the track in the second result.
    """

    a_id: int
    b_id: int
    a: Track
    b: Track


def load_results(path: Path, topic: str | None = None) -> list[FrameRecord]:
    """Return the results in a bag.

    Args:
        path: a bag with `TrackedPoseArray`, or the folder of a replay, whose bag is taken.
        topic: of the poses; None for the only one there is.

    Raises:
        EvaluationError: there is no such topic, not exactly one, or nothing in it.
        BagError: there is no readable bag.
    """
    inner = path / 'bag'
    with BagReader(inner if inner.is_dir() else path) as reader:
        of_poses = [one.name for one in reader.topics.values() if one.type == POSES_TYPE]
        listed = ', '.join(sorted(of_poses)) or 'none'
        if topic is None:
            if len(of_poses) != 1:
                raise EvaluationError(
                    f'{reader.path}: expected one topic of {POSES_TYPE}, or --topic; there are: '
                    f'{listed}'
                )
            topic = of_poses[0]
        if topic not in of_poses:
            raise EvaluationError(
                f'{reader.path}: there is no topic {topic} of {POSES_TYPE}; there are: {listed}'
            )
        frames = [frame_from_message(message) for _, message in reader.messages(topic)]
        if not frames:
            problems = ' '.join(reader.problems)
            raise EvaluationError(
                f'{reader.path}: expected results on {topic}, got none. {problems}'
            )
    return frames


def compare_results(
    a: Sequence[FrameRecord], b: Sequence[FrameRecord], truth: GroundTruth | None = None
) -> dict[str, Any]:
    """Return how two results differ, as plain values.

    Images are the same when their stamps are; where a stamp repeats, in order. Of a pair of ids
    seen together most often, the other pairings are counted as `other_ids`.

    Args:
        a: one result, in order.
        b: the other one.
        truth: adds the figures of accuracy of both, over the images that either processed.
    """
    stamps_ns = _all_stamps(a, b)
    of_a, of_b = _recording(a, stamps_ns), _recording(b, stamps_ns)
    frames_b = dict(of_b.numbered())
    common = [(one, frames_b[n]) for n, one in of_a.numbered() if n in frames_b]
    pairs = [pair for one, other in common for pair in _pairs(of_a, one, of_b, other)]
    partners = Counter((pair.a_id, pair.b_id) for pair in pairs)
    usual = _usual_partners(partners)
    report: dict[str, Any] = {
        'images': {
            'a': len(a),
            'b': len(b),
            'in_common': len(common),
            'only_in_a': len(a) - len(common),
            'only_in_b': len(b) - len(common),
        },
        'tracks': {
            'a': sum(len(one.tracks) for one, _ in common),
            'b': sum(len(other.tracks) for _, other in common),
            'matched': len(pairs),
            'same_box': sum(_box_distance(pair) <= _SAME_PX for pair in pairs),
            'same_state': sum(pair.a.state == pair.b.state for pair in pairs),
            'same_id': sum(pair.a_id == pair.b_id for pair in pairs),
            'other_ids': sum(n for pair, n in partners.items() if usual[pair[0]] != pair[1]),
        },
        'box_px': _spread([_box_distance(pair) for pair in pairs]),
        'keypoint_px': _spread([d for pair in pairs for d in _keypoint_distances(pair)]),
        'ids': {
            'a': len({of_a.unique_id(f, t) for f in a for t in f.tracks}),
            'b': len({of_b.unique_id(f, t) for f in b for t in f.tracks}),
            'one_to_one': _one_to_one(partners),
        },
    }
    if truth is not None:
        match = match_truth(truth, stamps_ns)
        report['accuracy'] = {
            'a': truth_figures(of_a, match),
            'b': truth_figures(of_b, match),
        }
    return report


def _all_stamps(a: Sequence[FrameRecord], b: Sequence[FrameRecord]) -> list[int]:
    """Return the stamps of all images, each as often as it occurs in a result.

    The order is that of the longer result, followed by what only the other one has.
    """
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    stamps_ns = [frame.stamp_ns for frame in longer]
    left = Counter(frame.stamp_ns for frame in shorter) - Counter(stamps_ns)
    if not left:
        return stamps_ns
    extra = sorted(left.elements())
    is_sorted = all(x <= y for x, y in pairwise(stamps_ns))
    return sorted([*stamps_ns, *extra]) if is_sorted else [*stamps_ns, *extra]


def _recording(frames: Sequence[FrameRecord], stamps_ns: Sequence[int]) -> Recording:
    """Return frames as results of images with these stamps."""
    recording = Recording()
    places: dict[int, list[int]] = defaultdict(list)
    for number, stamp_ns in enumerate(stamps_ns, start=1):
        recording.note_source(stamp_ns)
        places[stamp_ns].append(number)
    for frame in frames:
        number = places[frame.stamp_ns].pop(0)
        values = {**vars(frame), 'source_number': number}
        recording.add(FrameRecord(**values))
    return recording


def _pairs(
    of_a: Recording, a: FrameRecord, of_b: Recording, b: FrameRecord
) -> Iterator[TrackPair]:
    """Yield the tracks that are the same person's, by overlap of their boxes, one to one."""
    boxes_a = np.array([track.box for track in a.tracks], np.float64).reshape(-1, 4)
    boxes_b = np.array([track.box for track in b.tracks], np.float64).reshape(-1, 4)
    overlap = pairwise_iou(boxes_a, boxes_b)
    weight = np.where(overlap >= _MIN_IOU, overlap, 0.0)
    for row, column in zip(*linear_sum_assignment(weight, maximize=True), strict=True):
        if weight[row, column] > 0:
            one, other = a.tracks[row], b.tracks[column]
            yield TrackPair(of_a.unique_id(a, one), of_b.unique_id(b, other), one, other)


def _usual_partners(partners: Counter[tuple[int, int]]) -> dict[int, int]:
    """Return for each id of the first result that of the second seen with it most often."""
    usual: dict[int, int] = {}
    for (one, other), _ in sorted(partners.items(), key=lambda entry: (-entry[1], entry[0])):
        usual.setdefault(one, other)
    return usual


def _one_to_one(partners: Counter[tuple[int, int]]) -> bool:
    """Return whether each id has one partner only, so that results differ in names at most."""
    ids_a, ids_b = {one for one, _ in partners}, {other for _, other in partners}
    return len(partners) == len(ids_a) == len(ids_b)


def _box_distance(pair: TrackPair) -> float:
    """Return how far apart the sides of the boxes are at most, px."""
    return float(np.abs(pair.a.box - pair.b.box).max())


def _keypoint_distances(pair: TrackPair) -> list[float]:
    """Return the distances of joints that both have, px."""
    distances = np.linalg.norm(pair.a.keypoints - pair.b.keypoints, axis=1)
    known: list[float] = distances[np.isfinite(distances)].tolist()
    return known


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {'mean': None, 'p95': None, 'max': None}
    array = np.asarray(values)
    return {
        'mean': float(array.mean()),
        'p95': float(np.percentile(array, 95)),
        'max': float(array.max()),
    }
