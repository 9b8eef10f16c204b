"""The figures of a replay: what the tracks tell by themselves, and how they fit the truth.

Accuracy is that of the images that were processed and have a truth. Where images were dropped,
`mot_with_dropped` counts them too, as images in which nobody was found: that is what a subscriber
who expects every image gets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.evaluation.keypoints import (
    average_precisions,
    results_from_people,
    score,
)
from pose_tracking_ros.evaluation.mot_files import PEDESTRIAN, MotBoxes
from pose_tracking_ros.evaluation.mot_metrics import score_sequences
from pose_tracking_ros.evaluation.posetrack_files import Frame, PosedPeople
from pose_tracking_ros.evaluation.posetrack_files import Sequence as PosedSequence
from pose_tracking_ros.evaluation.posetrack_metrics import CORRECTED, score_posetrack
from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.evaluation.replay.timing import spread_ms
from pose_tracking_ros.evaluation.replay.truth import TruthFrame, TruthMatch
from pose_tracking_ros.people import EventKind, People, Track, TrackState
from pose_tracking_ros.recordings.recording import SHOWN_STATES, FrameRecord, Recording
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

# MOTChallenge's class of people who count neither for nor against.
_DISTRACTOR: Final = 8
# COCO measures joints against the area of a person's outline, of which only the box is known
# here; CrowdPose takes this share of the box for it.
_OUTLINE_SHARE: Final = 0.53
# PoseTrack measures joints against 0.6 of the diagonal of the head's box, which nobody labels
# here. A head is about 1/7.5 of the height, and 0.7 of that wide.
_HEAD_SHARE: Final = 0.6 * float(np.hypot(1.0, 0.7)) / 7.5
_CATEGORY: Final = 1

# An image's number and its result (None if it was dropped), with its truth.
_Scored = tuple[int, FrameRecord | None, TruthFrame]


def score_recording(result: ReplayResult) -> dict[str, Any]:
    """Return all figures as plain values.

    `mot`, `average_precision` and `posetrack` are None without truth, or where it has nothing to
    compare with: no people, no labelled joints.

    Args:
        result: of a replay; its own `figures` are not looked at.
    """
    recording = result.recording
    figures: dict[str, Any] = {
        'bag': result.bag.name,
        'topic': result.topic,
        'configuration': result.configuration,
        'settings': dict(result.settings),
        'model_id': recording.frames[-1].model_id if recording.frames else None,
        'images': {
            'readable': len(recording.source_stamps_ns),
            'processed': len(recording.frames),
            'dropped': len(result.dropped_ns),
        },
        **track_figures(recording),
    }
    if result.is_realistic:
        latencies = [f.latency_s for f in recording.frames if f.latency_s is not None]
        figures['latency_ms'] = spread_ms(latencies)
    figures['truth'] = None
    if result.truth is not None:
        figures |= truth_figures(recording, result.truth)
    return figures | {'is_complete': result.is_complete, 'problems': list(result.problems)}


def track_figures(recording: Recording) -> dict[str, Any]:
    """Return what needs no truth: people, tracks, events, times; times in s, of all tracks.

    `tracked_s`: confirmed and found; `occluded_s`: found, or expected, behind somebody;
    `predicted_s`: not found, yet not lost; `lost_s`: lost and searched for. A state lasts until
    the next image of the same session.
    """
    counts = [len(frame.shown) for frame in recording.frames]
    lives_s = recording.lives_s()
    return {
        'people': {
            'seen': sum(counts),
            'mean_per_image': round(float(np.mean(counts)), 4) if counts else None,
            'max_per_image': max(counts, default=None),
        },
        'tracks': {
            'count': len(lives_s),
            'life_s_median': round(float(np.median(lives_s)), 3) if lives_s else None,
            'life_s_mean': round(float(np.mean(lives_s)), 3) if lives_s else None,
            'life_s_max': round(max(lives_s), 3) if lives_s else None,
            **_times_s(recording.frames),
        },
        'sessions': len({frame.session_id for frame in recording.frames}),
        'events': {kind.name.lower(): recording.events[kind] for kind in EventKind},
    }


def _times_s(frames: Sequence[FrameRecord]) -> dict[str, float]:
    times = Counter[str](tracked_s=0, occluded_s=0, predicted_s=0, lost_s=0)
    for frame, following in pairwise(frames):
        if frame.session_id != following.session_id:
            continue
        lasted_ns = following.stamp_ns - frame.stamp_ns
        for track in frame.tracks:
            if track.state == TrackState.OCCLUDED:
                times['occluded_s'] += lasted_ns
            if track.state == TrackState.LOST:
                times['lost_s'] += lasted_ns
            elif track.state in SHOWN_STATES:
                times['tracked_s' if track.is_matched else 'predicted_s'] += lasted_ns
    return {name: round(spent_ns * 1e-9, 3) for name, spent_ns in times.items()}


def truth_figures(recording: Recording, match: TruthMatch) -> dict[str, Any]:
    """Return how the tracks compare with the truth.

    Args:
        recording: what was found.
        match: the truth of each of its images.
    """
    scored = list(_scored_images(recording, match))
    processed = [one for one in scored if one[1] is not None]
    figures: dict[str, Any] = {
        'truth': {
            'name': match.truth.name,
            'has_keypoints': match.truth.has_keypoints,
            'images': len(processed),
            'images_without_truth': len(match.missing_ns),
            'truth_without_image': len(match.extra_ns),
        },
        'mot': mot_figures(recording, processed),
        'average_precision': average_precision_figures(processed, match.truth.has_keypoints),
        'posetrack': None,
    }
    if match.truth.has_keypoints:
        figures['posetrack'] = posetrack_figures(recording, processed)
    if len(scored) > len(processed):
        figures['mot_with_dropped'] = mot_figures(recording, scored)
    return figures


def _scored_images(recording: Recording, match: TruthMatch) -> Iterator[_Scored]:
    frames = dict(recording.numbered())
    for number, truth in enumerate(match.frames, start=1):
        if truth is not None:
            yield number, frames.get(number), truth


def mot_figures(recording: Recording, images: Sequence[_Scored]) -> dict[str, Any] | None:
    """Return HOTA, IDF1, MOTA and so on in percent; None if nobody is in the truth.

    Counted are confirmed people found in the image, as in the MOT text.
    """
    truths, results = _BoxRows(), _BoxRows()
    for place, (_, frame, truth) in enumerate(images, start=1):
        for row, box in enumerate(truth.boxes):
            is_ignored = bool(truth.is_ignored[row])
            kind = _DISTRACTOR if is_ignored else PEDESTRIAN
            truths.add(place, int(truth.person_ids[row]), box, float(not is_ignored), kind)
        if frame is None:
            continue
        for track in frame.shown:
            number = recording.unique_id(frame, track)
            results.add(place, number, track.box, track.score, PEDESTRIAN)
    if not any(kind == PEDESTRIAN for kind in truths.classes):
        return None
    report = score_sequences({'bag': truths.boxes()}, {'bag': results.boxes()})
    return asdict(report.combined) | {'frames': len(images)}


class _BoxRows:
    """Collects boxes; those without extent, at the image's border, are left out."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, np.ndarray, float, int]] = []

    @property
    def classes(self) -> list[int]:
        return [row[4] for row in self._rows]

    def add(self, frame: int, number: int, box: np.ndarray, score: float, kind: int) -> None:
        if (box[2:] > box[:2]).all():
            self._rows.append((frame, number, box, score, kind))

    def boxes(self) -> MotBoxes:
        if not self._rows:
            return MotBoxes.none()
        frames, ids, boxes, scores, classes = zip(*self._rows, strict=True)
        return MotBoxes(
            frames=np.array(frames, np.int64),
            ids=np.array(ids, np.int64),
            boxes=np.array(boxes, np.float64),
            scores=np.array(scores, np.float64),
            classes=np.array(classes, np.int64),
        )


def average_precision_figures(
    images: Sequence[_Scored], has_keypoints: bool
) -> dict[str, float] | None:
    """Return average precision of boxes and poses in [0, 1]; None if nobody is in the truth.

    Counted is everybody who was found, tentative tracks too. Joints outside of the image are not
    asked for.
    """
    truth = _coco_truth(images)
    if all(one['iscrowd'] for one in truth['annotations']):
        return None
    results = [
        result
        for number, frame, _ in images
        if frame is not None
        for result in results_from_people(_found_people(frame), number, _CATEGORY)
    ]
    if not has_keypoints:
        boxes = average_precisions(truth, results, 'bbox', 'score')
        return {f'box_{name}': value for name, value in boxes.items()}
    report = asdict(score(truth, results, ''))
    return {name: value for name, value in report.items() if '_ap' in name}


def _found_people(frame: FrameRecord) -> People:
    found = [track for track in frame.tracks if track.is_matched]
    if not found:
        return People.none(frame.image_size, len(COCO_17))
    return People(
        boxes=np.array([track.box for track in found]),
        scores=np.array([track.score for track in found]),
        keypoints=np.array([track.keypoints for track in found]),
        keypoint_scores=np.array([track.keypoint_scores for track in found]),
        embeddings=np.zeros((len(found), 0)),
        image_size=frame.image_size,
    )


def _coco_truth(images: Sequence[_Scored]) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    sizes = {number: _size_of(frame, truth) for number, frame, truth in images}
    for number, _, truth in images:
        labelled = _labelled_inside(truth, sizes[number])
        for row, box in enumerate(truth.boxes.astype(np.float64)):
            x1, y1, x2, y2 = box.tolist()
            flags = np.where(labelled[row], np.where(truth.keypoint_visible[row], 2, 1), 0)
            points = np.where(labelled[row][:, None], truth.keypoints[row], 0.0)
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number,
                    'category_id': _CATEGORY,
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    'area': _OUTLINE_SHARE * (x2 - x1) * (y2 - y1),
                    'iscrowd': int(truth.is_ignored[row]),
                    'keypoints': np.concatenate([points, flags[:, None]], 1).ravel().tolist(),
                    'num_keypoints': int(labelled[row].sum()),
                }
            )
    return {
        'images': [
            {'id': number, 'width': size[0], 'height': size[1], 'file_name': str(number)}
            for number, size in sizes.items()
        ],
        'annotations': annotations,
        'categories': [{'id': _CATEGORY, 'name': 'person', 'keypoints': list(COCO_17.joints)}],
    }


def _size_of(frame: FrameRecord | None, truth: TruthFrame) -> tuple[int, int]:
    if frame is not None:
        return frame.image_size
    extent = truth.boxes[:, 2:].max(axis=0, initial=1.0).tolist()
    return int(extent[0]), int(extent[1])


def _labelled_inside(truth: TruthFrame, image_size: tuple[int, int]) -> np.ndarray:
    """Return which joints are labelled and lie in the image, person x joint."""
    points = truth.keypoints
    with np.errstate(invalid='ignore'):
        inside = ((points >= 0) & (points <= np.array(image_size))).all(axis=2)
    return np.asarray(np.isfinite(points).all(axis=2) & inside)


def posetrack_figures(recording: Recording, images: Sequence[_Scored]) -> dict[str, Any] | None:
    """Return PoseTrack's figures, percent, `corrected` mode; None without images.

    The head's size, their unit of length, is taken from the height of the person's box. Two
    joints, the ends of the head, are in neither truth nor tracks.
    """
    if not images:
        return None
    order = POSETRACK_15.order_from(COCO_17.joints)
    frames = []
    for number, frame, truth in images:
        labelled = _labelled_inside(truth, _size_of(frame, truth))
        kept = ~truth.is_ignored & ((truth.boxes[:, 3] - truth.boxes[:, 1]) > 0)
        heights = (truth.boxes[:, 3] - truth.boxes[:, 1])[kept].astype(np.float64)
        people = PosedPeople(
            joints=_reordered(np.where(labelled[..., None], truth.keypoints, np.nan)[kept], order),
            scores=np.zeros((int(kept.sum()), len(order))),
            ids=truth.person_ids[kept].astype(np.int64),
            head_sizes_px=_HEAD_SHARE * heights,
        )
        frames.append(
            Frame(
                image_id=number,
                is_labelled=True,
                truth=people,
                found=_posed_tracks(recording, frame, order),
                ignored=tuple(_corners(box) for box in truth.boxes[truth.is_ignored]),
            )
        )
    return score_posetrack([PosedSequence('bag', tuple(frames))], CORRECTED).as_json()


def _reordered(points: np.ndarray, order: np.ndarray) -> Float[np.ndarray, 'person joint 2']:
    joints: Float[np.ndarray, 'person joint 2'] = np.where(
        (order >= 0)[None, :, None], points.astype(np.float64)[:, order], np.nan
    )
    return joints


def _posed_tracks(
    recording: Recording, frame: FrameRecord | None, order: np.ndarray
) -> PosedPeople:
    tracks: list[Track] = [] if frame is None else frame.shown
    points = np.array([t.keypoints for t in tracks]).reshape(-1, len(COCO_17), 2)
    scores = np.array([t.keypoint_scores for t in tracks], np.float64).reshape(-1, len(COCO_17))
    joints = _reordered(points, order)
    is_known = np.isfinite(joints).all(axis=2)
    return PosedPeople(
        joints=joints,
        scores=np.where(is_known, scores[:, order], 0.0),
        ids=np.array([recording.unique_id(frame, t) for t in tracks if frame], np.int64),
        head_sizes_px=np.full(len(tracks), np.nan),
    )


def _corners(box: np.ndarray) -> Float[np.ndarray, 'corner 2']:
    x1, y1, x2, y2 = box.tolist()
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
