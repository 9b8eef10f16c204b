"""PoseTrack's measures: average precision and tracking, joint by joint.

Two modes. `poseval-compatible` gives the figures of the official tool (github.com/
leonid-pishchulin/poseval at 4258a15 with motmetrics 1.4) including what it gets wrong;
`corrected` differs in this:

- Tracking counts every labelled frame. The tool leaves out each sequence's last.
- In a frame without found people every annotated joint is missed, and in one without annotated
  people every found joint is false. For either the tool counts one miss and one false positive of
  every joint, whoever is there.
- Labelled frames without people count. The tool skips frames without people, labelled or not.
- MOTP is one minus the mean distance of detections. The tool adds up a distance once as a possible
  pair and again as a detection, more often at changes of partner, and puts 0 where there is no
  detection.
- Found joints of equal score enter the precision curve together. In the tool their order decides,
  which also depends on how NumPy sorts on the machine at hand.
- Joints that are nowhere annotated have no average precision. In the tool it is 0 if they are not
  found either, which lowers the mean.

In both, a found joint whose person lacks that joint is false, joints count at any visibility, and
a joint that is not found at all has no precision and is left out of that mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.posetrack_files import Frame, Sequence
from pose_tracking_ros.evaluation.posetrack_matching import (
    FrameMatch,
    match_frame,
    without_ignored,
)
from pose_tracking_ros.evaluation.posetrack_mot import JointFollower, MotCounts
from pose_tracking_ros.skeleton import POSETRACK_15

CORRECTED, POSEVAL = 'corrected', 'poseval-compatible'
MODES = (CORRECTED, POSEVAL)
# What the tool puts for a frame in which one side has no people.
_PLACEHOLDER = (np.zeros(1, np.int64), np.zeros(1, np.int64), np.full((1, 1), np.nan))


@dataclass(frozen=True)
class JointFigures:
    """The figures of one joint, or their means over joints; NaN where undefined.

    Attributes:
        ap: average precision, percent.
        mota: 100 (1 - (misses + false positives + switches) / objects), percent.
        motp: closeness of detections, percent; 100 is exact, 50 half a head off.
        precision: share of found joints that are detections, percent.
        recall: share of annotated joints that are detected, percent.
        objects: annotated joints that tracking counted; sums in the total, as below.
        misses: of them, not detected.
        false_positives: found joints that are none of them.
        switches: changes of a person's track id.
    """

    ap: float
    mota: float
    motp: float
    precision: float
    recall: float
    objects: int
    misses: int
    false_positives: int
    switches: int


@dataclass(frozen=True)
class PoseTrackReport:
    """How well people's joints were found and followed.

    Attributes:
        mode: see the module.
        sequences: evaluated.
        frames: that the average precision counts.
        joints: by name.
        total: means over joints of the percentages, sums of the counts.
    """

    mode: str
    sequences: int
    frames: int
    joints: dict[str, JointFigures]
    total: JointFigures

    def as_json(self) -> dict[str, Any]:
        """Return plain values, null where a figure is undefined."""
        return {
            'mode': self.mode,
            'unit': 'percent',
            'sequences': self.sequences,
            'frames': self.frames,
            'total': _plain(self.total),
            'joints': {name: _plain(figures) for name, figures in self.joints.items()},
        }


def score_posetrack(sequences: Iterable[Sequence], mode: str = CORRECTED) -> PoseTrackReport:
    """Score results against ground truth.

    Raises:
        EvaluationError: there is no such mode, or no labelled frame.
    """
    if mode not in MODES:
        raise EvaluationError(f'mode: expected one of {", ".join(MODES)}; got {mode!r}')
    joints = len(POSETRACK_15)
    counts = [MotCounts() for _ in range(joints)]
    scores: list[list[np.ndarray]] = [[] for _ in range(joints)]
    labels: list[list[np.ndarray]] = [[] for _ in range(joints)]
    annotated = np.zeros(joints, dtype=np.int64)
    frame_count = sequence_count = 0
    for sequence in sequences:
        frames = [without_ignored(frame) for frame in sequence.frames if _counts(frame, mode)]
        matches = [match_frame(frame) for frame in frames]
        frame_count += len(frames)
        sequence_count += bool(frames)
        for frame, match in zip(frames, matches, strict=True):
            annotated += match.in_truth.sum(axis=0)
            is_right = _labels(match)
            for joint in range(joints):
                given = match.in_found[:, joint]
                scores[joint].append(frame.found.scores[given, joint])
                labels[joint].append(is_right[given, joint])
        _follow(frames, matches, counts, mode)
    if not frame_count:
        raise EvaluationError('expected at least one labelled frame in the ground truth, got none')
    precisions = [
        average_precision(
            np.concatenate(scores[j]), np.concatenate(labels[j]), int(annotated[j]), mode
        )
        for j in range(joints)
    ]
    figures = [_figures(ap, count, mode) for ap, count in zip(precisions, counts, strict=True)]
    return PoseTrackReport(
        mode=mode,
        sequences=sequence_count,
        frames=frame_count,
        joints=dict(zip(POSETRACK_15.joints, figures, strict=True)),
        total=_total(figures),
    )


def average_precision(
    scores: Float[np.ndarray, 'found'],
    labels: Bool[np.ndarray, 'found'],
    annotated: int,
    mode: str = CORRECTED,
) -> float:
    """Return the area under the precision-recall curve, percent (Pascal VOC since 2010).

    Precision at a recall is the best at this or any higher recall. Nothing found gives 0; nothing
    annotated NaN (in `poseval-compatible` mode 0 if nothing was found either).
    """
    if annotated == 0:
        return 0.0 if mode == POSEVAL and len(scores) == 0 else float('nan')
    # As in the tool, so that equal scores come in the same order under the same NumPy.
    order = np.argsort(scores)[::-1]
    right = np.cumsum(labels[order])
    precision, recall = right / np.arange(1, len(right) + 1), right / annotated
    if mode == CORRECTED:
        ranked = scores[order]
        is_last_of_equals = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
        precision, recall = precision[is_last_of_equals], recall[is_last_of_equals]
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return 100.0 * float((np.diff(recall, prepend=0.0) * best).sum())


def _counts(frame: Frame, mode: str) -> bool:
    return len(frame.truth) > 0 if mode == POSEVAL else frame.is_labelled


def _labels(match: FrameMatch) -> Bool[np.ndarray, 'found joint']:
    """Return which found joints hit the person whose pose they belong to."""
    people = match.truth_of_found
    is_hit = np.isfinite(match.distances)
    labels = np.zeros(match.in_found.shape, dtype=bool)
    poses = np.flatnonzero(people >= 0)
    labels[poses] = is_hit[people[poses], poses]
    return labels


def _follow(
    frames: list[Frame], matches: list[FrameMatch], counts: list[MotCounts], mode: str
) -> None:
    """Add the tracking counts of one sequence, joint by joint."""
    last = len(frames) - 1 if mode == POSEVAL else len(frames)
    for joint, count in enumerate(counts):
        follower = JointFollower(count)
        for frame, match in zip(frames[:last], matches[:last], strict=True):
            if mode == POSEVAL and not (len(frame.truth) and len(frame.found)):
                follower.add_frame(*_PLACEHOLDER)
                continue
            rows, columns = match.in_truth[:, joint], match.in_found[:, joint]
            follower.add_frame(
                frame.truth.ids[rows],
                frame.found.ids[columns],
                match.distances[rows][:, columns, joint],
            )


def _figures(ap: float, count: MotCounts, mode: str) -> JointFigures:
    errors = count.misses + count.false_positives + count.switches
    if mode == POSEVAL:
        distance, motp_of_none = count.repeated_distance_heads, 0.0
    else:
        distance, motp_of_none = count.distance_heads, float('nan')
    return JointFigures(
        ap=ap,
        mota=100.0 - _percent(errors, count.objects),
        motp=100.0 - _percent(distance, count.detections) if count.detections else motp_of_none,
        precision=_percent(count.detections, count.detections + count.false_positives),
        recall=_percent(count.detections, count.objects),
        objects=count.objects,
        misses=count.misses,
        false_positives=count.false_positives,
        switches=count.switches,
    )


def _total(figures: list[JointFigures]) -> JointFigures:
    values = {
        name: np.array([getattr(joint, name) for joint in figures])
        for name in JointFigures.__annotations__
    }
    return JointFigures(
        **{
            name: _mean(array) if array.dtype.kind == 'f' else int(array.sum())
            for name, array in values.items()
        }  # type: ignore[arg-type]
    )


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole else float('nan')


def _mean(values: Float[np.ndarray, 'joint']) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float('nan')


def _plain(figures: JointFigures) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in asdict(figures).items()}
