"""Trackers side by side on identical detections."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import MotBoxes, read_boxes
from pose_tracking_ros.evaluation.mot_metrics import score_sequences
from pose_tracking_ros.evaluation.mot_sequences import (
    find_sequences,
    pair_sequences,
    read_sequence_info,
)
from pose_tracking_ros.evaluation.peer_environment import run_peers
from pose_tracking_ros.evaluation.tracker_runs import (
    DetectedSequence,
    TrackerRun,
    extent_of,
    run_ours,
)

DEFAULT_RATE_HZ = 25.0
_FIGURES = ('hota', 'idf1', 'mota', 'idsw', 'fn', 'fp')


def load_sequences(
    truth_folder: Path,
    detection_folder: Path,
    rate_hz: float | None = None,
    image_size: tuple[int, int] | None = None,
) -> tuple[dict[str, MotBoxes], dict[str, DetectedSequence]]:
    """Return ground truth and detections of all sequences that have ground truth.

    Args:
        truth_folder: MOT text, one sequence per file.
        detection_folder: the same sequences' detections.
        rate_hz: images per second; if not given, that of `seqinfo.ini`, else 25.
        image_size: width and height, px; if not given, that of `seqinfo.ini`, else the extent of
            the detections.

    Raises:
        EvaluationError: a file is missing or malformed.
    """
    truth_files = find_sequences(truth_folder, 'gt')
    detection_files = find_sequences(detection_folder, 'det')
    names = pair_sequences(truth_files, detection_files, truth_folder, detection_folder)
    truths, sequences = {}, {}
    for name in names:
        truth = read_boxes(truth_files[name])
        boxes = read_boxes(detection_files[name], identified=False, scored=True)
        info = read_sequence_info(truth_files[name])
        last_frame = max(truth.last_frame, boxes.last_frame)
        if info.frames is not None and last_frame > info.frames:
            raise EvaluationError(
                f'{name}: boxes up to frame {last_frame}, but seqinfo.ini states '
                f'{info.frames} frames'
            )
        truths[name] = truth
        sequences[name] = DetectedSequence(
            boxes=boxes,
            frames=info.frames or last_frame,
            rate_hz=rate_hz or info.rate_hz or DEFAULT_RATE_HZ,
            image_size=image_size or info.image_size or extent_of(boxes),
        )
    return truths, sequences


def score_runs(truths: dict[str, MotBoxes], runs: dict[str, TrackerRun]) -> dict[str, Any]:
    """Return the figures of each tracker over all sequences, as `TRACKER.FIGURE`.

    Besides the figures of `MotReport`: `ms_per_frame`, the median time of an update, and
    `online`.
    """
    report: dict[str, Any] = {}
    for tracker, run in runs.items():
        combined = score_sequences(truths, run.results).combined
        report |= {f'{tracker}.{name}': getattr(combined, name) for name in _FIGURES}
        report[f'{tracker}.ms_per_frame'] = run.ms_per_frame
        report[f'{tracker}.online'] = run.is_online
    return report


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Run the trackers that the command line asks for and return their figures."""
    console = Console(stderr=True)
    truths, sequences = load_sequences(
        options.ground_truth, options.detections, options.fps, options.image_size
    )
    runs: dict[str, TrackerRun] = {}
    if options.only != 'peers':
        runs |= run_ours(sequences)
    if options.only != 'ours':
        runs |= run_peers(sequences, options.environment, console)
    return score_runs(truths, runs)


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height of a text like 640x480; argparse's errors say what is expected."""
    match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text)
    if match is None:
        raise argparse.ArgumentTypeError(f'expected WIDTHxHEIGHT in px, as 640x480; got {text!r}')
    return int(match[1]), int(match[2])


def parse_rate(text: str) -> float:
    """Return a rate above 0; argparse's errors say what is expected."""
    try:
        rate_hz = float(text)
    except ValueError:
        rate_hz = np.nan
    if not 0.0 < rate_hz < np.inf:
        raise argparse.ArgumentTypeError(f'expected images per second above 0, got {text!r}')
    return rate_hz
