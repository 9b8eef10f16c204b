"""Command line: `python -m pose_tracking_ros.network` tells what every preset costs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from pose_tracking_ros.network.cost import Cost, cost_of
from pose_tracking_ros.network.presets import PRESETS

# FastPose, Table 1b: parameters in millions ("MB") and FLOPs in thousand millions ("GB").
_PAPER = {
    'fastpose-mobilenetv2': (32.73, 38.2),
    'fastpose-18': (42.38, 68.0),
    'fastpose-50': (62.98, 116.8),
    'fastpose-101': (78.68, 154.8),
}
# COCO's usual 1333x800 padded to multiples of 32, and what `lite` makes of 1280x720 by default.
_PAPER_SIZE_PX = (1344, 800)
_LITE_SIZE_PX = (384, 224)
_PEOPLE = (5, 100)

_NOTES = """\
Counted by `torch.utils.flop_counter` on shapes alone; one multiply-add is one MAC (two FLOPs).
Pooling, non-maximum suppression and decoding are left out. *Proposals* pass the box head,
*K* people the pose and Re-ID heads; only the trunk (backbone, pyramid, RPN head) does not depend
on them.

The paper's columns are those of its Table 1b. It does not say which input size they are for, nor
whether a multiply-add counts once or twice, but they cannot contain the heads of each box: 100
people alone exceed its totals. Compare them with the trunk."""


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit 0 when done, 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.network', description=__doc__
    )
    parser.add_argument('presets', nargs='*', help=f'of {", ".join(PRESETS)}; default: all')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('WIDTH', 'HEIGHT'),
        help="of the network's input, px, multiples of 32; default: "
        f'{_PAPER_SIZE_PX[0]} {_PAPER_SIZE_PX[1]}, and for `lite` {_LITE_SIZE_PX[0]} '
        f'{_LITE_SIZE_PX[1]} too',
    )
    parser.add_argument(
        '--people', type=int, nargs='+', default=list(_PEOPLE), help='K of the totals'
    )
    parser.add_argument('--output', type=Path, help='write the table there too, as Markdown')
    options = parser.parse_args(arguments)
    try:
        unknown = [name for name in options.presets if name not in PRESETS]
        if unknown or min(options.people) < 0:
            raise ValueError(
                f'expected presets of {", ".join(PRESETS)} and 0 or more people, got '
                f'{", ".join(unknown) or options.people}'
            )
        wanted = options.presets or list(PRESETS)
        jobs = [(name, tuple(options.size or _PAPER_SIZE_PX)) for name in wanted]
        if 'lite' in wanted and not options.size:
            jobs.insert(0, ('lite', _LITE_SIZE_PX))
        costs = [cost_of(*job) for job in track(jobs, description='counting', transient=True)]
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    heading, rows = _heading(options.people), [_row(cost, options.people) for cost in costs]
    table = Table(*heading)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(_markdown(heading, rows))
    return 0


def _heading(people: list[int]) -> list[str]:
    return [
        'preset',
        'input, px',
        'parameters, M',
        'paper: M',
        'trunk, GMAC',
        'proposals',
        'box head, GMAC',
        'one person, GMAC',
        *(f'K = {count}: GMAC' for count in people),
        'paper: G',
    ]


def _row(cost: Cost, people: list[int]) -> list[str]:
    parameters, flops = _PAPER.get(cost.preset, (None, None))

    def giga(flops: int) -> str:
        macs = flops / 2e9
        return f'{macs:.1f}' if macs >= 1 else f'{macs:.2f}'

    return [
        cost.preset,
        f'{cost.size_px[0]}x{cost.size_px[1]}',
        f'{cost.parameters / 1e6:.2f}',
        f'{parameters:.2f}' if parameters else '-',
        giga(cost.trunk_flops),
        str(cost.proposals),
        giga(cost.proposals * cost.proposal_flops),
        giga(cost.person_flops),
        *(giga(cost.flops(count)) for count in people),
        f'{flops:.1f}' if flops else '-',
    ]


def _markdown(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ['---'] + ['--:'] * (len(heading) - 1), *rows]
    table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
    return (
        '# What the presets cost\n\nMade by `python -m pose_tracking_ros.network --output '
        f'docs/presets.md`.\n\n{table}\n\n{_NOTES}\n'
    )


if __name__ == '__main__':
    sys.exit(main())
