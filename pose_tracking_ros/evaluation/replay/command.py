"""The command `bag`: replay a bag with one configuration or several, and score it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.configuration import (
    Configuration,
    read_configurations,
)
from pose_tracking_ros.evaluation.replay.engines import EngineFactory, Engines
from pose_tracking_ros.evaluation.replay.interruption import EXIT_CODE, Interruption
from pose_tracking_ros.evaluation.replay.outputs import (
    REPORT,
    Wishes,
    clear_outputs,
    make_outputs,
    write_results,
)
from pose_tracking_ros.evaluation.replay.replay import Realism, replay
from pose_tracking_ros.evaluation.replay.report import write_report
from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.settings import NetworkSettings

_EPILOG: Final = """\
The results are in DIR (with several configurations in DIR/NAME, by the names of the files):
bag (/tracked_poses and /tracker/markers), tracks.txt (MOT), keypoints.json (COCO), posetrack.json,
overlay.mp4, contact_sheet.png, figures.json, timing.json, report.html.

Every image is processed, and two runs give the same. --realistic drops those that a node would
have dropped: images arrive as they were recorded, the newest replaces one that waits, and each
takes X ms (--processing-ms; without it, as long as it takes on this machine).
"""

# What is shown of the figures: section, name, how it is called, how it is written.
_ROWS: Final = (
    ('images', 'readable', 'images', '{:d}'),
    ('images', 'dropped', 'dropped', '{:d}'),
    ('tracks', 'count', 'tracks', '{:d}'),
    ('tracks', 'life_s_median', 'median life, s', '{:.2f}'),
    ('tracks', 'occluded_s', 'occluded, s', '{:.1f}'),
    ('people', 'mean_per_image', 'people per image', '{:.2f}'),
    ('latency_ms', 'median', 'latency, ms', '{:.1f}'),
    ('mot', 'hota', 'HOTA, %', '{:.2f}'),
    ('mot', 'idf1', 'IDF1, %', '{:.2f}'),
    ('mot', 'mota', 'MOTA, %', '{:.2f}'),
    ('mot', 'idsw', 'switches', '{:d}'),
    ('average_precision', 'box_ap', 'box AP', '{:.4f}'),
    ('average_precision', 'keypoint_ap', 'keypoint AP', '{:.4f}'),
    ('posetrack.total', 'ap', 'PoseTrack AP, %', '{:.2f}'),
    ('posetrack.total', 'mota', 'PoseTrack MOTA, %', '{:.2f}'),
    ('timing', 'images_per_s', 'images per s', '{:.1f}'),
    ('timing', 'pipeline_per_s', 'pipeline alone, per s', '{:.1f}'),
)


def add_bag(commands: Any) -> None:
    """Add the command `bag`: replay a bag and score it."""
    parser = commands.add_parser(
        'bag',
        help='replay a ROS 2 bag through network and tracker, and score the tracks',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_bag_options(parser)
    parser.add_argument(
        '--realistic', action='store_true', help='drop the images that a node would have dropped'
    )
    parser.add_argument(
        '--processing-ms',
        type=float,
        metavar='X',
        help='with --realistic: how long an image takes; default: as long as it does here',
    )
    parser.add_argument(
        '--output', type=Path, default=Path('replay_output'), metavar='DIR',
        help='folder of the results (default: %(default)s)',
    )  # fmt: skip
    for what, described in (
        ('bag', 'bag of results, which needs ROS 2'),
        ('video', 'overlay video and contact sheet'),
        ('report', 'HTML report'),
    ):
        parser.add_argument(f'--no-{what}', action='store_true', help=f'leave out the {described}')
    parser.set_defaults(run=_bag, show=_show, json=None)


def add_bag_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which images are replayed with which configurations."""
    parser.add_argument('bag', type=Path, metavar='BAG', help='folder or file of a ROS 2 bag')
    parser.add_argument(
        '--image', metavar='TOPIC', help='topic of the images; needed if the bag has several'
    )
    parser.add_argument(
        '--ground-truth', metavar='FILE|TOPIC', help='what is true of the images, to compare with'
    )
    parser.add_argument(
        '--config', type=Path, nargs='+', action='extend', default=[], metavar='FILE',
        help='parameter files like config/tracker.yaml; the bag is replayed once with each',
    )  # fmt: skip
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', dest='assignments',
        help='a setting that goes before those of the files, for example strategy=iou',
    )  # fmt: skip
    parser.add_argument(
        '--max-images', type=int, metavar='N', help='only the first N readable images'
    )


def _bag(options: argparse.Namespace) -> dict[str, Any]:
    return replay_all(options, load_engine)


def replay_all(options: argparse.Namespace, load: EngineFactory) -> dict[str, Any]:
    """Replay the bag with each configuration and write the results.

    Args:
        options: of the command line.
        load: makes an engine.

    Returns:
        Figures and timing by the names of the configurations.

    Raises:
        EvaluationError: an option, a configuration or the truth cannot be used.
        BagError: the bag cannot be read.
        SystemExit: it was interrupted; what was done is in the folder.
    """
    if options.processing_ms is not None and not options.realistic:
        raise EvaluationError('--processing-ms: expected together with --realistic')
    if options.max_images is not None and options.max_images < 1:
        raise EvaluationError(f'--max-images: expected at least 1, got {options.max_images}')
    realism = Realism(options.processing_ms) if options.realistic else None
    configurations = read_configurations(options.config, options.assignments)
    wishes = Wishes(bag=not options.no_bag, video=not options.no_video)
    console = Console(stderr=True)
    engines = Engines(load)
    report = {}
    with Interruption() as interruption:
        for configuration in configurations:
            folder = _folder_of(configuration, configurations, options.output)
            engine = engines.get(configuration.get(NetworkSettings))
            clear_outputs(folder)
            result = replay(
                options.bag,
                options.image,
                configuration,
                engine,
                realism=realism,
                ground_truth=options.ground_truth,
                make_outputs=partial(make_outputs, folder, wishes, configuration, engine.model_id),
                should_stop=interruption.is_wanted,
                max_images=options.max_images,
                console=console if console.is_terminal else None,
            )
            write_results(result, folder)
            if not options.no_report:
                write_report(result, folder / REPORT)
            report[configuration.name] = result.figures | {'timing': result.timing}
            _tell_problems(result, folder, console)
            if not result.is_complete:
                break
    if interruption.is_wanted():
        _show(report)
        print(f'interrupted; what was done until then is in {options.output}', file=sys.stderr)
        raise SystemExit(EXIT_CODE)
    return report


def _folder_of(
    configuration: Configuration, all_of_them: Sequence[Configuration], output: Path
) -> Path:
    return output if len(all_of_them) == 1 else output / configuration.name


def _tell_problems(result: ReplayResult, folder: Path, console: Console) -> None:
    for problem in result.problems:
        console.print(f'note: {problem}', soft_wrap=True, markup=False, highlight=False)
    console.print(
        f'{result.configuration}: {folder}', soft_wrap=True, markup=False, highlight=False
    )


def _show(report: dict[str, Any]) -> None:
    """Print one column per configuration; what no configuration has is left out."""
    table = Table('figure', *report)
    for column in table.columns[1:]:
        column.justify = 'right'
    for section, name, title, form in _ROWS:
        cells = [_cell(figures, section, name, form) for figures in report.values()]
        if any(cells):
            table.add_row(title, *(cell or '-' for cell in cells))
    if report:
        Console().print(table)


def _cell(figures: dict[str, Any], section: str, name: str, form: str) -> str:
    value: Any = figures
    for key in (*section.split('.'), name):
        value = value.get(key) if isinstance(value, dict) else None
    return '' if value is None else form.format(value)
