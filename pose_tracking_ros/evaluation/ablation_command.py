"""The command `ablation`: switches of the strategies on simulated scenes, as table and picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pose_tracking_ros.evaluation.ablation import (
    FAMILIES,
    Detector,
    Outcome,
    run_scene,
    summary,
)
from pose_tracking_ros.evaluation.workers import run_local
from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.truth import FrameTruth
from pose_tracking_ros.tracking.strategies import STRATEGIES

# From the plainest on, as in the paper's Table 1(c).
_STRATEGIES = ('iou', 'reid', 'msim', 'occlusion_aware')


def add_ablation(commands: Any) -> None:
    """Add the command `ablation`: what occlusion awareness is worth."""
    parser = commands.add_parser(
        'ablation', help='identity switches of each strategy on simulated scenes'
    )
    parser.add_argument('--seeds', type=int, default=20, help='scenes per family')
    parser.add_argument('--rate-hz', type=float, default=10.0, help='frames per second')
    parser.add_argument(
        '--families', nargs='+', choices=FAMILIES, default=list(FAMILIES), metavar='NAME'
    )
    parser.add_argument(
        '--strategies', nargs='+', choices=tuple(STRATEGIES), default=list(_STRATEGIES)
    )
    parser.add_argument(
        '--source',
        choices=('truth', 'network'),
        default='truth',
        help='detections from the truth with noise, or from the network on rendered images',
    )
    parser.add_argument('--preset', default='lite', help='of the network')
    parser.add_argument('--weights', default='default', help='checkpoint file; default: shipped')
    parser.add_argument('--jobs', type=int, default=1, help='processes')
    parser.add_argument('--json', type=Path, help='write the figures here, a picture beside it')
    parser.set_defaults(run=_ablation, show=_show)


def _ablation(options: argparse.Namespace) -> dict[str, Any]:
    for name, value in (('seeds', options.seeds), ('jobs', options.jobs)):
        if value < 1:
            raise ValueError(f'{name}: expected at least 1, got {value}')
    tasks = [
        (family, seed, options) for seed in range(options.seeds) for family in options.families
    ]
    found: dict[tuple[str, int], dict[str, Outcome]] = {}
    done = _run_scenes(tasks, options.jobs)
    for family, seed, outcome in track(done, 'scenes', total=len(tasks), transient=True):
        found[family, seed] = outcome
    outcomes = {
        strategy: {
            family: [found[family, seed][strategy] for seed in range(options.seeds)]
            for family in options.families
        }
        for strategy in options.strategies
    }
    if options.json:
        _draw(options.json.with_suffix('.png'), outcomes, options)
    report: dict[str, Any] = dict(summary(outcomes))
    return report | {
        'seeds': options.seeds,
        'rate_hz': options.rate_hz,
        'source': options.source,
    }


def _run_scenes(
    tasks: list[tuple[str, int, argparse.Namespace]], jobs: int
) -> Iterator[tuple[str, int, dict[str, Outcome]]]:
    if jobs == 1:
        yield from map(_one_scene, tasks)
        return
    for _, scene in run_local(_one_scene, tasks, jobs):
        yield scene


def _one_scene(
    task: tuple[str, int, argparse.Namespace],
) -> tuple[str, int, dict[str, Outcome]]:
    family, seed, options = task
    detect = None if options.source == 'truth' else _network(options)
    return family, seed, run_scene(family, seed, options.rate_hz, options.strategies, detect)


_ENGINES: dict[tuple[str, str], Detector] = {}


def _network(options: argparse.Namespace) -> Detector:
    """Return a detector that runs the network on the rendered image; one per process."""
    key = (options.preset, options.weights)
    if key not in _ENGINES:
        # Several processes share the processor; each one's threads would fight for it.
        torch.set_num_threads(1)
        engine = load_engine(
            NetworkSettings(preset=options.preset, weights=options.weights, threads=1)
        )

        def detect(scene: Scene, index: int, truth: FrameTruth) -> People:
            return engine.infer(scene.render(index))

        _ENGINES[key] = detect
    return _ENGINES[key]


def _show(report: dict[str, Any]) -> None:
    strategies = [key.removesuffix('.switches') for key in report if key.endswith('.switches')]
    families = [
        family for family in FAMILIES if f'{strategies[0]}.{family}.switches_mean' in report
    ]
    table = Table('switches per scene', *strategies)
    for column in table.columns[1:]:
        column.justify = 'right'
    table.caption = f'mean ± standard deviation over {report["seeds"]} seeds'
    for family in families:
        cells = (
            f'{report[f"{name}.{family}.switches_mean"]:.2f} ± '
            f'{report[f"{name}.{family}.switches_std"]:.2f}'
            for name in strategies
        )
        table.add_row(family, *cells)
    table.add_section()
    table.add_row('switches in all', *(str(report[f'{name}.switches']) for name in strategies))
    if 'iou' in strategies:
        table.add_row(
            'relative to iou', *(f'{report[f"{name}.ratio"]:.2f}' for name in strategies)
        )
    table.add_row(
        'seen with identity', *(f'{report[f"{name}.identified"]:.1%}' for name in strategies)
    )
    Console().print(table)


def _draw(
    path: Path, outcomes: dict[str, dict[str, list[Outcome]]], options: argparse.Namespace
) -> None:
    """Draw mean switches per scene as bars, and every seed as a dot."""
    figure = Figure(figsize=(10.0, 4.2), layout='constrained')
    axes = figure.subplots()
    width = 0.8 / len(outcomes)
    rng = np.random.default_rng(0)
    for number, (strategy, families) in enumerate(outcomes.items()):
        counts = np.array([[run.switches for run in runs] for runs in families.values()])
        places = np.arange(len(counts)) + (number - 0.5 * (len(outcomes) - 1)) * width
        axes.bar(places, counts.mean(axis=1), width, label=strategy, alpha=0.75)
        # Moved a little, so that equal counts stay apart.
        shift = rng.uniform(-0.3, 0.3, counts.shape) * width
        axes.plot((places[:, None] + shift).ravel(), counts.ravel(), 'k.', ms=2.5, alpha=0.4)
    axes.set_xticks(np.arange(len(options.families)), options.families)
    axes.set_ylabel('identity switches per scene')
    axes.set_title(
        f'{options.seeds} seeds, {options.rate_hz:g} Hz, detections from the {options.source}',
        loc='left',
    )
    axes.legend(frameon=False, ncols=len(outcomes))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format='png')
