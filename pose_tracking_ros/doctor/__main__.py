"""Say what is wrong with an installation: `python -m pose_tracking_ros.doctor`.

With ROS 2: `ros2 run pose_tracking_ros doctor`. Ends with 1 when something is broken, with 0 when
all is well or could only be better.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pose_tracking_ros.doctor.environment import examine_environment
from pose_tracking_ros.doctor.findings import Finding, Level, as_records, worst
from pose_tracking_ros.settings import NetworkSettings, limits_of

_STYLES = {Level.OK: 'green', Level.WARNING: 'yellow', Level.ERROR: 'bold red'}
_WORDS = {Level.OK: 'ok', Level.WARNING: 'warn', Level.ERROR: 'ERROR'}
_DEFAULT_LISTEN_S = 3.0
# Settings of the network that may be given.
_NETWORK = ('preset', 'weights', 'device', 'engine', 'precision')


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog='doctor', description='Examine the installation and the running ROS graph.'
    )
    parser.add_argument('--image', help='camera topic that the tracker is meant to receive')
    parser.add_argument(
        '--listen-s',
        type=float,
        default=_DEFAULT_LISTEN_S,
        help='listen to the ROS graph for so long, s; 0 leaves it out (default: %(default)s)',
    )
    for name in _NETWORK:
        parser.add_argument(f'--{name}', help=limits_of(NetworkSettings, name).description)
    parser.add_argument('--json', type=Path, help='write the findings here')
    # ros2 run and launch files add arguments of their own.
    options, _ = parser.parse_known_args(arguments)
    if not 0 <= options.listen_s <= 600:
        parser.error(f'--listen-s: expected 0 to 600, got {options.listen_s}')
    return options


def examine(options: argparse.Namespace) -> Iterator[Finding]:
    """Yield all findings."""
    try:
        settings = NetworkSettings(
            **{name: value for name in _NETWORK if (value := getattr(options, name)) is not None}
        )
    except ValueError as error:
        yield Finding(Level.ERROR, 'settings', str(error), 'correct the command line')
        return
    yield from examine_environment(settings)
    try:
        from pose_tracking_ros.ros.graph_examination import examine_graph, examine_ros
    except ImportError as error:
        yield Finding(
            Level.ERROR,
            'ROS 2',
            f'does not load: {error}',
            'source /opt/ros/DISTRO/setup.bash and install/setup.bash of the workspace; without '
            'an installation: make setup, then source scripts/env.sh',
        )
        return
    yield from examine_ros()
    if options.listen_s:
        yield from examine_graph(options.image, options.listen_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine and print; return the exit code."""
    options = parse(arguments)
    console = Console(highlight=False)
    findings = []
    for finding in examine(options):
        findings.append(finding)
        style = _STYLES[finding.level]
        console.print(
            f'[{style}]{_WORDS[finding.level]:>5}[/]  [bold]{escape(finding.subject)}[/]: '
            f'{escape(finding.text)}',
            soft_wrap=True,
        )
        if finding.remedy:
            console.print(f'       -> {escape(finding.remedy)}', soft_wrap=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(as_records(findings), indent=2) + '\n')
    return 1 if worst(findings) == Level.ERROR else 0


if __name__ == '__main__':
    sys.exit(main())
