"""The command `make-bag`: arguments and summary."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from rich.console import Console

from pose_tracking_ros.evaluation.compare_trackers import parse_rate, parse_size
from pose_tracking_ros.evaluation.replay.ground_truth import TRUTH_TOPIC
from pose_tracking_ros.evaluation.replay.make_bag import BagPlan, make_bag
from pose_tracking_ros.evaluation.replay.truth_scene import START_STAMP_NS

_DEFAULT_QUALITY = 90
_INTERRUPTED = 130

_EPILOG = """\
Topics: /camera/image_raw (or /camera/image_raw/compressed), /camera/camera_info and, where the
truth is known, /ground_truth/poses. Scenes: see python -m pose_tracking_ros.simulation --help.

  make-bag simulation:crossing crossing_bag --duration-s 6
  make-bag street.mp4 street_bag --annotations street_gt.txt --compressed
"""


def add_make_bag(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        'make-bag',
        help='a bag of a video, a folder of images or a rendered scene, with ground truth',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'input', metavar='INPUT', help='video file, folder of images, or simulation:SCENE'
    )
    parser.add_argument('output', metavar='OUT', type=Path, help='folder of the new bag')
    parser.add_argument(
        '--rate-hz',
        type=parse_rate,
        help="images per second; default: the video's own, 10 for a folder, 15 for a scene",
    )
    parser.add_argument('--duration-s', type=float, help='only so much from the beginning')
    parser.add_argument('--seed', type=int, help='of a scene: draws people and scenery')
    parser.add_argument(
        '--image-size', type=parse_size, metavar='WxH', help='of a scene, px; default: 640x480'
    )
    parser.add_argument(
        '--compressed',
        type=int,
        nargs='?',
        const=_DEFAULT_QUALITY,
        metavar='QUALITY',
        help=f'JPEG of this quality (default: {_DEFAULT_QUALITY}) instead of raw images',
    )
    parser.add_argument(
        '--annotations',
        type=Path,
        metavar='FILE',
        help='ground truth of a video or folder: COCO or PoseTrack JSON with track ids, MOT text',
    )
    parser.add_argument(
        '--start-stamp',
        type=parse_stamp,
        default=START_STAMP_NS,
        metavar='S',
        help=f'of the first image, s since 1970; default: {START_STAMP_NS // 10**9}',
    )
    parser.add_argument('--force', action='store_true', help='replace a bag that is there already')
    parser.set_defaults(run=_run, show=_show, json=None)


def parse_stamp(text: str) -> int:
    """Return a time in s as ns, with all of its digits.

    Raises:
        argparse.ArgumentTypeError: it is no finite number.
    """
    try:
        stamp = Decimal(text)
    except InvalidOperation:
        stamp = Decimal('NaN')
    if not stamp.is_finite():
        raise argparse.ArgumentTypeError(f'expected a number of seconds, got {text!r}')
    return round(stamp * 10**9)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    plan = BagPlan(
        source=options.input,
        output=options.output,
        rate_hz=options.rate_hz,
        duration_s=options.duration_s,
        seed=options.seed,
        image_size=options.image_size,
        jpeg_quality=options.compressed,
        annotations=options.annotations,
        start_ns=options.start_stamp,
        overwrite=options.force,
    )
    try:
        return asdict(make_bag(plan, Console(stderr=True)))
    except KeyboardInterrupt:
        print(f'interrupted: {options.output} was not written', file=sys.stderr)
        sys.exit(_INTERRUPTED)


def _show(report: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f'{report["path"]}: {report["images"]} images on {report["image_topic"]}, '
        f'{report["size_bytes"] / 1e6:.1f} MB',
        soft_wrap=True,
    )
    if report['truths']:
        console.print(f'truth of {report["truths"]} images on {TRUTH_TOPIC}', soft_wrap=True)
    if report['unused_truths']:
        console.print(
            f'{report["unused_truths"]} frames of the annotations have no image and were left out',
            soft_wrap=True,
        )
