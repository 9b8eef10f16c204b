"""Command line: `python -m pose_tracking_ros.benchmark`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import track

from pose_tracking_ros.benchmark.contestants import BenchmarkError
from pose_tracking_ros.benchmark.machine import describe, load_average
from pose_tracking_ros.benchmark.plan import GROWTH_SIZES, PEERS, Plan
from pose_tracking_ros.benchmark.plots import draw
from pose_tracking_ros.benchmark.report import Report, page, rich_tables
from pose_tracking_ros.benchmark.run import IMAGE_SIZE, Bench
from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.loading import DeviceError, choose_device
from pose_tracking_ros.inference.model_cache import CacheError
from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.inference.runtimes import candidates
from pose_tracking_ros.network.presets import PRESETS
from pose_tracking_ros.network.weights import WeightsError
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.settings.limits import limits_of
from pose_tracking_ros.settings.network import PRECISIONS, Precision

_ENGINES = tuple(name for name in limits_of(NetworkSettings, 'engine').choices if name != 'auto')
_TABLE_WIDTH = 112


def main(arguments: list[str] | None = None) -> int:
    """Measure; exit 0 when done, 2 on bad input, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        content = _measure(options, console, sys.argv[1:] if arguments is None else arguments)
        if options.json:
            _write(content, options.json, console)
    except (BenchmarkError, WeightsError, DeviceError, EngineError, CacheError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        print(f'error: {options.json}: cannot be written: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('interrupted: nothing is written', file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.benchmark',
        description='Time per image, stage by stage, for a fixed number of people, beside others.',
    )
    parser.add_argument('--presets', nargs='+', choices=PRESETS, default=['lite'])
    parser.add_argument(
        '--engines', nargs='+', choices=_ENGINES, help='default: all that are installed'
    )
    parser.add_argument(
        '--precisions',
        nargs='+',
        choices=PRECISIONS,
        help='default: all that the CPU has',
    )
    parser.add_argument('--people', type=int, nargs='+', default=[1, 5, 20])
    parser.add_argument(
        '--sizes',
        type=int,
        nargs='+',
        default=[320, 384, 640],
        help='longer side of the image inside our network, px',
    )
    parser.add_argument('--peers', nargs='*', choices=PEERS, default=[], help='other programs')
    parser.add_argument('--teachers', type=Path, help='folder of the networks of two-network')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads of every network')
    parser.add_argument('--rounds', type=int, default=10, help='turns of every case')
    parser.add_argument('--clip', type=Path, help='take pictures of this video')
    parser.add_argument(
        '--growth-sizes',
        type=int,
        nargs='+',
        default=list(GROWTH_SIZES),
        help='likewise, for growth laws',
    )
    parser.add_argument(
        '--coco',
        type=Path,
        help='folder with annotations.json and images/: compare the accuracy of all engines',
    )
    parser.add_argument('--no-growth', action='store_true', help='without growth laws')
    parser.add_argument('--no-steps', action='store_true', help='without single steps')
    parser.add_argument(
        '--json', type=Path, help='write the figures here; a page and pictures beside'
    )
    return parser


def _measure(
    options: argparse.Namespace, console: Console, arguments: list[str]
) -> dict[str, object]:
    device, _ = choose_device(options.device)
    command = shlex.join(['python', '-m', 'pose_tracking_ros.benchmark', *arguments])
    report = Report(command, describe(), {})
    plan = Plan(
        presets=tuple(options.presets),
        engines=tuple(options.engines or candidates(device)),
        people=tuple(options.people),
        sizes=tuple(options.sizes),
        peers=tuple(options.peers),
        teachers=options.teachers,
        device=str(device),
        threads=options.threads,
        rounds=options.rounds,
        clip=options.clip,
        growth=not options.no_growth,
        steps=not options.no_steps,
        precisions=tuple(options.precisions or _precisions(device.type, report)),
        growth_sizes=tuple(options.growth_sizes),
        coco=options.coco,
    )
    if options.clip is None:
        pictures = f'{IMAGE_SIZE[0]}x{IMAGE_SIZE[1]}, K rendered people'
    else:
        pictures = options.clip.name
    report.conditions |= {
        'pictures': pictures,
        'usual_size_px': plan.usual_size_px,
        'growth_sizes_px': list(plan.growth_sizes),
        'rounds': plan.rounds,
        'turns': (
            'every case once per round, in changing order; the first run of a turn is not '
            'counted unless it takes more than half a second'
        ),
        'load_average_before': round(load_average(), 2),
    }

    def progress(rounds: Iterable[int], told: str) -> Iterable[int]:
        return track(rounds, description=told, console=console, transient=True)

    Bench(plan, report, progress).run()
    report.conditions['load_average_after'] = round(load_average(), 2)
    content = report.content()
    for table in rich_tables(content):
        # A folded table would be unreadable; a narrow terminal breaks the lines.
        Console(width=max(console.width, _TABLE_WIDTH)).print(table, soft_wrap=True)
    return content


def _precisions(device_type: str, report: Report) -> list[Precision]:
    """Return the precisions worth measuring; the report tells why one is not."""
    if device_type != 'cpu':
        return ['f32']
    found: list[Precision] = []
    for precision in PRECISIONS:
        gap = Processor.here().gap(precision)
        if gap:
            report.skipped[precision] = gap
        else:
            found.append(precision)
    return found


def _write(content: dict[str, object], path: Path, console: Console) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + '\n')
    pictures = draw(content, path)
    path.with_suffix('.md').write_text(page(content, pictures))
    console.print(f'wrote {path}, {path.with_suffix(".md").name} and {len(pictures)} pictures')
