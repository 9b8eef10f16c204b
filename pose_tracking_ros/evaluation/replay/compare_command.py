"""The command `compare-results`: two bags of results beside each other."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.compare import compare_results, load_results
from pose_tracking_ros.evaluation.replay.ground_truth import load_ground_truth
from pose_tracking_ros.recordings.bag_reader import BagReader

_EPILOG: Final = """\
A and B are bags with /tracked_poses (of pose_recorder, or of ros2 bag record), or folders of
`evaluation bag`. Files of ground truth count the images of the recording: name it with --bag.
"""

_DIFFERENCES: Final = (
    ('images', 'in_common', 'images in common'),
    ('images', 'only_in_a', 'images only in A'),
    ('images', 'only_in_b', 'images only in B'),
    ('tracks', 'a', 'tracks in A, summed over common images'),
    ('tracks', 'b', 'tracks in B'),
    ('tracks', 'matched', 'matched by their boxes'),
    ('tracks', 'same_box', '  with the same box'),
    ('tracks', 'same_state', '  in the same state'),
    ('tracks', 'same_id', '  with the same id'),
    ('tracks', 'other_ids', "  with another id than the track's usual partner"),
    ('box_px', 'mean', 'distance of boxes, mean, px'),
    ('box_px', 'max', 'distance of boxes, at most, px'),
    ('keypoint_px', 'mean', 'distance of joints, mean, px'),
    ('keypoint_px', 'max', 'distance of joints, at most, px'),
    ('ids', 'a', 'people in A'),
    ('ids', 'b', 'people in B'),
    ('ids', 'one_to_one', 'ids correspond one to one'),
)
_ACCURACY: Final = (
    ('mot', 'hota', 'HOTA, %'),
    ('mot', 'idf1', 'IDF1, %'),
    ('mot', 'mota', 'MOTA, %'),
    ('mot', 'idsw', 'switches'),
    ('mot', 'frames', 'images'),
    ('mot_with_dropped', 'mota', 'MOTA with images only the other has, %'),
    ('average_precision', 'box_ap', 'box AP'),
    ('average_precision', 'keypoint_ap', 'keypoint AP'),
)


def add_compare_results(commands: Any) -> None:
    """Add the command `compare-results`."""
    parser = commands.add_parser(
        'compare-results',
        help='how two results of the same images differ, live or offline',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('a', type=Path, metavar='A', help='bag, or folder of a replay')
    parser.add_argument('b', type=Path, metavar='B', help='the same')
    parser.add_argument('--topic', help='of the poses; needed if a bag has several')
    parser.add_argument('--ground-truth', metavar='FILE|TOPIC', help='adds the accuracy of both')
    parser.add_argument(
        '--bag', type=Path, metavar='BAG', help='the recording that the ground truth is about'
    )
    parser.add_argument('--image', metavar='TOPIC', help='of the images in that recording')
    parser.add_argument('--json', type=Path, help='write the figures here')
    parser.set_defaults(run=_run, show=_show)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    truth = None
    if options.ground_truth is not None:
        if options.bag is None:
            raise EvaluationError(
                '--ground-truth: expected --bag too, the recording that it is about'
            )
        with BagReader(options.bag) as reader:
            truth = load_ground_truth(options.ground_truth, reader, options.image)
    a = load_results(options.a, options.topic)
    b = load_results(options.b, options.topic)
    return compare_results(a, b, truth)


def _show(report: dict[str, Any]) -> None:
    table = Table('A and B', '')
    table.columns[1].justify = 'right'
    for section, name, title in _DIFFERENCES:
        table.add_row(title, _text(report[section][name]))
    Console().print(table)
    if 'accuracy' not in report:
        return
    table = Table('accuracy', 'A', 'B')
    for section, name, title in _ACCURACY:
        cells = [_text((report['accuracy'][which].get(section) or {}).get(name)) for which in 'ab']
        if cells != ['-', '-']:
            table.add_row(title, *cells)
    Console().print(table)


def _text(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return f'{value:.4g}' if isinstance(value, float) else str(value)
