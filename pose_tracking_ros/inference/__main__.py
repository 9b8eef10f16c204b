"""Command line: `python -m pose_tracking_ros.inference COMMAND ...`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, track
from rich.table import Table

from pose_tracking_ros.inference.choice import seconds_per_image
from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.letterbox import Letterbox
from pose_tracking_ros.inference.loading import load_engine
from pose_tracking_ros.inference.model_cache import CacheError, write_manifest
from pose_tracking_ros.inference.network_engine import Runtime
from pose_tracking_ros.inference.onnx_files import PART_NAMES, facts_of, write_onnx
from pose_tracking_ros.inference.onnxruntime_parts import onnxruntime_parts
from pose_tracking_ros.inference.openvino_parts import (
    openvino_models,
    openvino_parts,
    write_openvino,
)
from pose_tracking_ros.inference.quantisation import quantised_models
from pose_tracking_ros.inference.quantised import quantised_file, read_quantised, write_quantised
from pose_tracking_ros.inference.runtimes import Job, build, network_of
from pose_tracking_ros.inference.timing import time_images
from pose_tracking_ros.inference.verification import MAX_RELATIVE_DIFFERENCE, differences
from pose_tracking_ros.inference.weights_source import weights_path
from pose_tracking_ros.network.model import SIZE_STEP_PX
from pose_tracking_ros.network.weights import WeightsError
from pose_tracking_ros.picture_folder import pictures_in, read_picture
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.settings.options import add_settings

_PEOPLE = 5


def main(arguments: list[str] | None = None) -> int:
    """Run a command; exit 0 when done, 1 when the result is wrong, 2 on bad input."""
    parser = argparse.ArgumentParser(prog='python -m pose_tracking_ros.inference')
    commands = parser.add_subparsers(dest='command', required=True)
    _add_export(commands)
    _add_measure(commands)
    _add_quantise(commands)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options, Console())
    except (EngineError, CacheError, WeightsError, ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return code


def _add_export(commands: Any) -> None:
    export = commands.add_parser(
        'export', help='write the network in the format of another runtime, and check it'
    )
    add_settings(export, NetworkSettings, 'preset', 'weights', 'threads')
    _add_long_side(export)
    export.add_argument('--engine', choices=('onnxruntime', 'openvino'), required=True)
    export.add_argument('--output', type=Path, required=True, help='folder; must not hold files')
    export.set_defaults(run=_export)


def _add_measure(commands: Any) -> None:
    measure = commands.add_parser(
        'measure', help='time of one image by the number of people in it'
    )
    add_settings(
        measure, NetworkSettings, 'preset', 'weights', 'device', 'threads', 'engine', 'precision'
    )
    _add_long_side(measure)
    measure.add_argument('--people', type=int, nargs='+', default=[1, 5, 20], metavar='K')
    measure.add_argument('--runs', type=int, default=30, help='of each; the best counts')
    measure.set_defaults(run=_measure)


def _add_quantise(commands: Any) -> None:
    quantise = commands.add_parser(
        'quantise', help="write the network's int8 form beside its weights (precision int8)"
    )
    add_settings(quantise, NetworkSettings, 'preset', 'weights', 'threads')
    _add_long_side(quantise)
    quantise.add_argument(
        '--images',
        type=Path,
        required=True,
        help='folder of pictures with people, like those that the network is to see',
    )
    quantise.add_argument('--count', type=int, default=128, help='of the pictures, no more')
    quantise.set_defaults(run=_quantise)


def _add_long_side(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--long-side',
        type=int,
        default=NetworkSettings().image_long_side_px,
        help='longer side of the image inside the network, px',
    )


def _measure(options: argparse.Namespace, console: Console) -> int:
    if options.runs < 1 or min(options.people) < 1:
        raise ValueError(
            f'--runs and --people: expected at least 1, got {options.runs} and '
            f'{min(options.people)}'
        )
    settings = NetworkSettings(
        preset=options.preset,
        weights=options.weights,
        device=options.device,
        threads=options.threads,
        engine=options.engine,
        precision=options.precision,
        image_long_side_px=options.long_side,
    )
    engine = load_engine(settings, lambda line: console.print(line, soft_wrap=True))
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task('measuring')
        timings = time_images(
            engine, settings, options.people, options.runs, lambda: progress.advance(task)
        )
    table = Table(
        'people', 'best', 'median', 'processor', title=f'{engine.model_id}, {engine.device_name}'
    )
    for timing in timings:
        row = (timing.best_ms, timing.median_ms, timing.processor_ms)
        table.add_row(str(timing.people), *(f'{time_ms:.1f} ms' for time_ms in row))
    console.print(table)
    return 0


def _job(options: argparse.Namespace, console: Console) -> Job:
    settings = NetworkSettings(
        preset=options.preset,
        weights=options.weights,
        device='cpu',
        threads=options.threads,
        image_long_side_px=options.long_side,
    )
    network, provenance = network_of(settings)
    return Job(network, provenance, settings, torch.device('cpu'), console.print)


def _quantise(options: argparse.Namespace, console: Console) -> int:
    if options.count < 1:
        raise ValueError(f'--count: expected at least 1 picture, got {options.count}')
    job = _job(options, console)
    files = pictures_in(options.images)
    # Evenly from all of them: neighbours are often of one scene.
    count = min(options.count, len(files))
    chosen = [files[i * len(files) // count] for i in range(count)]
    read = track(map(read_picture, chosen), 'looking', count, console=console, transient=True)
    models, facts = quantised_models(job, read)
    path = quantised_file(weights_path(job.settings, console.print))
    write_quantised(path, models, facts)
    parts, name = openvino_parts(read_quantised(path, job.provenance), options.threads, 'int8')
    # Twice: graphs for this size are made in the first run, which may take all of its time.
    full_s, int8_s = (
        min(seconds_per_image(runtime, job) for _ in range(2))
        for runtime in (build('openvino', job), Runtime(parts, job.device, name))
    )
    console.print(
        f'{path}: {path.stat().st_size / 1e6:.1f} MB, from {facts["pictures"]} pictures; parts '
        f'with {_PEOPLE} people: {1000 * int8_s:.1f} ms, in f32 {1000 * full_s:.1f} ms. What it '
        'loses: python -m pose_tracking_ros.evaluation keypoints --precision int8',
        soft_wrap=True,
    )
    return 0


def _export(options: argparse.Namespace, console: Console) -> int:
    folder: Path = options.output
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f'--output: expected an empty or new folder, {folder} holds something')
    job = _job(options, console)
    folder.mkdir(parents=True, exist_ok=True)
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task('exporting', total=len(PART_NAMES) + 3)

        def step(description: str) -> None:
            progress.update(task, advance=1, description=description)

        write_onnx(job.network, folder, lambda part: step(f'{part} written'))
        if options.engine == 'openvino':
            write_openvino(folder)
            parts, name = openvino_parts(openvino_models(folder), options.threads)
        else:
            parts, name = onnxruntime_parts(job.network, folder, job.device, options.threads)
        write_manifest(folder, facts_of(job.provenance) | {'engine': name})
        step('comparing with torch')
        size = Letterbox.fit((640, 480), options.long_side, SIZE_STEP_PX).padded_size
        found = differences(job.network, parts, _PEOPLE, (size[1], size[0]))
        step('measuring')
        time_s = seconds_per_image(Runtime(parts, job.device, name), job)
        torch_s = seconds_per_image(build('torch', job), job)
        step('done')
    table = Table('output', 'largest difference', 'of the largest value', title=name)
    for output, (absolute, relative) in found.items():
        table.add_row(output, f'{absolute:.1e}', f'{relative:.1e}')
    console.print(table)
    size_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    console.print(
        f'{folder}: {size_mb:.1f} MB; parts at {size[0]}x{size[1]} px with {_PEOPLE} people: '
        f'{1000 * time_s:.1f} ms, by torch {1000 * torch_s:.1f} ms',
        soft_wrap=True,
    )
    worst = max(relative for _, relative in found.values())
    if worst > MAX_RELATIVE_DIFFERENCE:
        print(
            f'error: expected differences up to {MAX_RELATIVE_DIFFERENCE:g} of the largest value, '
            f'got {worst:.1e}; do not use these files',
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
