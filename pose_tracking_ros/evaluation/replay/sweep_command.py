"""The command `sweep`: configurations against bags, with intervals, over several processes."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.bootstrap import RESAMPLES
from pose_tracking_ros.evaluation.replay.configuration import (
    DEFAULT_NAME,
    Configuration,
    read_configurations,
)
from pose_tracking_ros.evaluation.replay.engines import EngineFactory
from pose_tracking_ros.evaluation.replay.interruption import EXIT_CODE
from pose_tracking_ros.evaluation.replay.replay import Realism
from pose_tracking_ros.evaluation.replay.sweep import (
    Spread,
    Task,
    comparable,
    named_bags,
    sweep,
)
from pose_tracking_ros.evaluation.replay.sweep_table import (
    sweep_report,
    sweep_table,
    write_sweep_plot,
)
from pose_tracking_ros.evaluation.workers import run_local, run_on_ray
from pose_tracking_ros.inference import load_engine

_EPILOG: Final = """\
Every configuration is replayed on every bag. In DIR are sweep.json (all figures), pareto.png
(accuracy against time) and outcomes/, one file per replay: what is there is not done again, as
long as bag, ground truth, settings, weights and code are the same.

Intervals come from drawing the people of the ground truth anew, the same ones for every
configuration. They speak of other people in these recordings, not of other places.

Each replay has one thread, and the engine torch where a configuration says auto, so that results
do not depend on the number of workers or on where they run. Times do: compare them with one worker
on an idle machine.
"""


def add_sweep(commands: Any) -> None:
    """Add the command `sweep`: several configurations on several bags."""
    parser = commands.add_parser(
        'sweep',
        help='compare configurations on several bags, with intervals',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--bags', type=Path, nargs='+', required=True, metavar='BAG', help='folders or files'
    )
    parser.add_argument(
        '--image', metavar='TOPIC', help='topic of the images; needed if a bag has several'
    )
    parser.add_argument(
        '--ground-truth', nargs='+', default=[], metavar='FILE|TOPIC',
        help='one for all bags, or one for each in the same order',
    )  # fmt: skip
    parser.add_argument(
        '--configs', type=Path, nargs='+', default=[], metavar='FILE',
        help='parameter files like config/tracker.yaml; default: the defaults',
    )  # fmt: skip
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', dest='assignments',
        help='a setting for all configurations, for example preset=lite',
    )  # fmt: skip
    parser.add_argument(
        '--baseline', metavar='NAME',
        help=f'configuration to compare with, by the name of its file; {DEFAULT_NAME} takes the '
        'default settings in; without it: the first one',
    )  # fmt: skip
    parser.add_argument('--realistic', action='store_true', help='drop images as a node would')
    parser.add_argument(
        '--processing-ms', type=float, metavar='X', help='with --realistic: time of an image'
    )
    parser.add_argument('--max-images', type=int, metavar='N', help='only the first N of each bag')
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        '--workers', type=int, default=1, metavar='N', help='processes here (default: 1)'
    )
    where.add_argument(
        '--ray', metavar='ADDRESS', help='a Ray cluster instead; auto, or local to start one here'
    )
    parser.add_argument(
        '--resamples', type=int, default=RESAMPLES, metavar='N',
        help='how often people are drawn (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument('--seed', type=int, default=0, help='of the draws (default: %(default)s)')
    parser.add_argument(
        '--output', type=Path, required=True, metavar='DIR', help='folder of the results'
    )
    parser.add_argument('--json', type=Path, help='write the figures here, too')
    parser.set_defaults(run=_sweep, show=_show)


def _sweep(options: argparse.Namespace) -> dict[str, Any]:
    return sweep_all(options, load_engine)


def sweep_all(options: argparse.Namespace, load: EngineFactory) -> dict[str, Any]:
    """Do a sweep and write its results.

    Args:
        options: of the command line.
        load: makes an engine; a function of a module.

    Returns:
        What is written as JSON.

    Raises:
        EvaluationError: an option, a configuration or the truth cannot be used.
        BagError: a bag cannot be read.
        SystemExit: it was interrupted; finished replays are kept.
    """
    realism = _realism(options)
    for name, value in (
        ('max-images', options.max_images),
        ('resamples', options.resamples),
        ('workers', options.workers),
    ):
        if value is not None and value < 1:
            raise EvaluationError(f'--{name}: expected at least 1, got {value}')
    configurations, baseline = _configurations(options)
    bags = named_bags(options.bags, options.image, options.ground_truth)
    tasks = [
        Task(bag, comparable(one), load, realism, options.max_images)
        for one in configurations
        for bag in bags
    ]
    spread: Spread = (
        partial(run_on_ray, address=options.ray)
        if options.ray
        else partial(run_local, workers=options.workers)
    )
    done = _Done(len(tasks))
    try:
        with done:
            found = sweep(tasks, options.output / 'outcomes', spread, done.tell)
    except KeyboardInterrupt:
        print(
            f'interrupted; {done.count} of {len(tasks)} replays are kept in {options.output}, and '
            'the same command does the rest',
            file=sys.stderr,
        )
        raise SystemExit(EXIT_CODE) from None
    outcomes = {
        one.name: found[place * len(bags) : (place + 1) * len(bags)]
        for place, one in enumerate(configurations)
    }
    report = sweep_report(
        bags, configurations, outcomes, baseline, options.resamples, options.seed
    )
    text = json.dumps(report, indent=2) + '\n'
    (options.output / 'sweep.json').write_text(text, encoding='utf-8')
    write_sweep_plot(report, options.output / 'pareto.png')
    return report


def _realism(options: argparse.Namespace) -> Realism | None:
    if options.processing_ms is not None and not options.realistic:
        raise EvaluationError('--processing-ms: expected together with --realistic')
    return Realism(options.processing_ms) if options.realistic else None


def _configurations(options: argparse.Namespace) -> tuple[list[Configuration], str]:
    """Return the configurations and the name of the baseline.

    Raises:
        EvaluationError: a file is wrong, or there is no such baseline.
    """
    configurations = read_configurations(options.configs, options.assignments)
    names = [one.name for one in configurations]
    baseline = options.baseline or names[0]
    if baseline == DEFAULT_NAME and baseline not in names:
        configurations = [*read_configurations([], options.assignments), *configurations]
    elif baseline not in names:
        raise EvaluationError(
            f'--baseline: expected one of {", ".join(names)}, or {DEFAULT_NAME}; got {baseline}'
        )
    return configurations, baseline


class _Done:
    """Shows on a terminal how many replays are done, elsewhere a line for each."""

    def __init__(self, total: int) -> None:
        self.count = 0
        self._total = total
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn('sweep'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('replays'),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar = self._progress.add_task('sweep', total=total)

    def tell(self, task: Task, is_reused: bool) -> None:
        """Count a replay."""
        self.count += 1
        self._progress.update(self._bar, completed=self.count)
        how = ' (as before)' if is_reused else ''
        self._console.print(
            f'{self.count}/{self._total} {task.configuration.name} on {task.bag.name}{how}',
            soft_wrap=True, markup=False, highlight=False,
        )  # fmt: skip

    def __enter__(self) -> _Done:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        """Take the bar away."""
        self._progress.stop()


def _show(report: dict[str, Any]) -> None:
    Console().print(sweep_table(report))
