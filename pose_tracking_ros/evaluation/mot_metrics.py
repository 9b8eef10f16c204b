"""HOTA, IDF1, MOTA and identity switches of tracked boxes, by trackeval.

Boxes match from IoU 0.5 on (HOTA: 0.05 to 0.95). As MOTChallenge prescribes, ground truth flagged
0 is left out, and where the ground truth has classes, results that match a distractor (a
reflection, somebody in a vehicle) count neither for nor against.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import NO_CLASS, PEDESTRIAN, MotBoxes, read_boxes
from pose_tracking_ros.evaluation.mot_sequences import (
    find_sequences,
    pair_sequences,
    read_sequence_info,
)
from pose_tracking_ros.tracking.similarity import pairwise_iou

# MOTChallenge: person on a vehicle, static person, distractor, reflection. MOT20 adds 6, vehicles
# without a motor, of which earlier benchmarks have none in the way of results.
DISTRACTORS = (2, 7, 8, 12)
_MIN_IOU = 0.5
_EPSILON = float(np.finfo('float').eps)


@dataclass(frozen=True)
class MotReport:
    """How well people were found and kept apart. Shares are in percent.

    Attributes:
        hota: geometric mean of detection and association, mean over IoU 0.05 to 0.95.
        deta: detection part of HOTA.
        assa: association part of HOTA.
        idf1: share of boxes with the right identity (F1).
        mota: 100 minus misses, false boxes and switches per box of the ground truth; below 0
            when these are many.
        idsw: identity switches.
        fn: boxes of the ground truth that were missed.
        fp: boxes that are nobody's.
        boxes: in the ground truth.
        people: identities in the ground truth.
        frames: evaluated.
    """

    hota: float
    deta: float
    assa: float
    idf1: float
    mota: float
    idsw: int
    fn: int
    fp: int
    boxes: int
    people: int
    frames: int


@dataclass(frozen=True)
class MotReports:
    """The figures of several sequences.

    Attributes:
        combined: of all boxes together, not the mean of the sequences.
        sequences: of each by itself.
    """

    combined: MotReport
    sequences: dict[str, MotReport]


def score_folders(truth_folder: Path, result_folder: Path) -> MotReports:
    """Score tracking results against ground truth, all sequences of the latter.

    Raises:
        EvaluationError: a file is missing or malformed, or trackeval is not installed.
    """
    truth_files = find_sequences(truth_folder, 'gt')
    result_files = find_sequences(result_folder, 'results')
    names = pair_sequences(truth_files, result_files, truth_folder, result_folder)
    truths, results = {}, {}
    for name in names:
        truths[name] = read_boxes(truth_files[name])
        results[name] = read_boxes(result_files[name])
        length = read_sequence_info(truth_files[name]).frames
        if length is not None and results[name].last_frame > length:
            raise EvaluationError(
                f'{result_files[name]}: frame {results[name].last_frame} is beyond the end of '
                f'{name}, which has {length} frames'
            )
    return score_sequences(truths, results)


def score_sequences(truths: dict[str, MotBoxes], results: dict[str, MotBoxes]) -> MotReports:
    """Score tracking results in memory; both have the same sequences.

    Raises:
        EvaluationError: trackeval is not installed, or there is nothing in the ground truth.
        ValueError: the sequences differ.
    """
    if truths.keys() != results.keys():
        raise ValueError(
            f'results: expected the sequences {", ".join(truths)}; got {", ".join(results)}'
        )
    metrics = _metrics()
    prepared = {name: _prepare(truths[name], results[name]) for name in truths}
    if not any(data['num_gt_dets'] for data in prepared.values()):
        raise EvaluationError('the ground truth holds no box to evaluate')
    figures = {
        name: {kind: metric.eval_sequence(data) for kind, metric in metrics.items()}
        for name, data in prepared.items()
    }
    combined = {
        kind: metric.combine_sequences({name: figures[name][kind] for name in figures})
        for kind, metric in metrics.items()
    }
    return MotReports(
        combined=_report(combined, list(prepared.values())),
        sequences={name: _report(figures[name], [prepared[name]]) for name in prepared},
    )


def _metrics() -> dict[str, Any]:
    # On import it tells which of its parts lack a package, none of which is used here.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            from trackeval.metrics import CLEAR, HOTA, Identity
        except ModuleNotFoundError as error:
            raise EvaluationError(
                f'trackeval cannot be imported ({error}); install it without its dependencies, '
                'which would replace OpenCV: make setup, or pip install --no-deps '
                'trackeval==1.3.0'
            ) from error
    quiet = {'THRESHOLD': _MIN_IOU, 'PRINT_CONFIG': False}
    return {'hota': HOTA(), 'clear': CLEAR(quiet), 'identity': Identity(quiet)}


def _prepare(truth: MotBoxes, result: MotBoxes) -> dict[str, Any]:
    """Return a sequence in the form that trackeval's metrics read."""
    frames = max(truth.last_frame, result.last_frame)
    wanted = _is_wanted(truth)
    truth_of_frame, result_of_frame, ious = [], [], []
    slices = zip(truth.slices(frames), result.slices(frames), strict=True)
    for there, found in slices:
        iou = pairwise_iou(truth.boxes[there], result.boxes[found])
        kept = ~matches_distractor(iou, np.isin(truth.classes[there], DISTRACTORS))
        truth_of_frame.append(truth.ids[there][wanted[there]])
        result_of_frame.append(result.ids[found][kept])
        ious.append(iou[np.ix_(wanted[there], kept)])
    truth_of_frame, truth_count = _numbered_anew(truth_of_frame)
    result_of_frame, result_count = _numbered_anew(result_of_frame)
    return {
        'num_timesteps': frames,
        'num_gt_ids': truth_count,
        'num_tracker_ids': result_count,
        'num_gt_dets': sum(map(len, truth_of_frame)),
        'num_tracker_dets': sum(map(len, result_of_frame)),
        'gt_ids': truth_of_frame,
        'tracker_ids': result_of_frame,
        'similarity_scores': ious,
    }


def _is_wanted(truth: MotBoxes) -> Bool[np.ndarray, 'box']:
    is_person = np.isin(truth.classes, (NO_CLASS, PEDESTRIAN))
    wanted: Bool[np.ndarray, 'box'] = is_person & (truth.scores != 0)
    return wanted


def matches_distractor(
    iou: Float[np.ndarray, 'box result'], is_distractor: Bool[np.ndarray, 'box']
) -> Bool[np.ndarray, 'result']:
    """Return which results match a box that counts neither for nor against, IoU 0.5 or more."""
    matched = np.zeros(iou.shape[1], dtype=np.bool_)
    if is_distractor.any():
        # People take part, so that nobody who stands beside a distractor is removed with it.
        weight = np.where(iou >= _MIN_IOU - _EPSILON, iou, 0.0)
        rows, columns = linear_sum_assignment(weight, maximize=True)
        matched[columns[is_distractor[rows] & (weight[rows, columns] > 0)]] = True
    return matched


def _numbered_anew(
    ids_of_frame: list[Int[np.ndarray, 'box']],
) -> tuple[list[Int[np.ndarray, 'box']], int]:
    """Return identities as numbers from 0 without gaps, and how many there are."""
    left = np.unique(np.concatenate([np.zeros(0, np.int64), *ids_of_frame]))
    return [np.searchsorted(left, ids) for ids in ids_of_frame], len(left)


def _report(figures: dict[str, dict[str, Any]], prepared: list[dict[str, Any]]) -> MotReport:
    hota, clear = figures['hota'], figures['clear']
    return MotReport(
        hota=100.0 * float(np.mean(hota['HOTA'])),
        deta=100.0 * float(np.mean(hota['DetA'])),
        assa=100.0 * float(np.mean(hota['AssA'])),
        idf1=100.0 * float(figures['identity']['IDF1']),
        mota=100.0 * float(clear['MOTA']),
        idsw=int(clear['IDSW']),
        fn=int(clear['CLR_FN']),
        fp=int(clear['CLR_FP']),
        boxes=sum(data['num_gt_dets'] for data in prepared),
        people=sum(data['num_gt_ids'] for data in prepared),
        frames=sum(data['num_timesteps'] for data in prepared),
    )
