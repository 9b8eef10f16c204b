"""Write the parameter files under `config/`: every parameter with its meaning, range and default.

`python -m pose_tracking_ros.ros.parameter_file tracker > config/tracker.yaml` after a change in
`settings/`; a test holds the files to it.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Sequence

from pose_tracking_ros.settings import (
    CameraMotionSettings,
    DepthSettings,
    GallerySettings,
    ImageInputSettings,
    InteropSettings,
    NetworkSettings,
    NodeSettings,
    PoseNmsSettings,
    TrackerSettings,
    VideoSourceSettings,
    limits_of,
)

_WIDTH = 96

NODES: dict[str, dict[str, type]] = {
    'tracker': {
        'Network': NetworkSettings,
        'Pose NMS': PoseNmsSettings,
        'Camera motion': CameraMotionSettings,
        'Tracker': TrackerSettings,
        'Gallery': GallerySettings,
        'Depth': DepthSettings,
        'Image input': ImageInputSettings,
        'Interoperability': InteropSettings,
        'Node': NodeSettings,
    },
    'video_source': {'Video source': VideoSourceSettings},
}
"""Per parameter file: title and settings class of each section."""


def parameter_file_text(sections: dict[str, type]) -> str:
    """Return a ROS 2 parameter file that states the defaults of the given settings classes."""
    lines = [
        '# Every parameter with its default. Load it with:',
        '#   ros2 launch pose_tracking_ros tracker.launch.py params_file:=/path/to/this/file',
        '#   or: --ros-args --params-file /path/to/this/file',
        '# "live" parameters may change while running; those "at start" are read once; the others',
        '# are taken over when the node is configured.',
        '/**:',
        '  ros__parameters:',
    ]
    for title, settings_class in sections.items():
        lines += ['', f'    # {title}']
        for field in dataclasses.fields(settings_class):
            lines += ['', *_comment(settings_class, field.name)]
            # JSON is YAML, and quotes text that YAML would read as something else.
            lines.append(f'    {field.name}: {json.dumps(field.default)}')
    return '\n'.join(lines) + '\n'


def _comment(settings_class: type, name: str) -> Sequence[str]:
    limits = limits_of(settings_class, name)
    notes = []
    if limits.choices:
        notes.append('one of ' + ', '.join(limits.choices))
    if limits.low is not None and limits.high is not None:
        notes.append(f'{limits.low} to {limits.high}')
    elif limits.low is not None:
        notes.append(f'at least {limits.low}')
    elif limits.high is not None:
        notes.append(f'at most {limits.high}')
    if notes and limits.unit:
        notes[-1] += f' {limits.unit}'
    if limits.live:
        notes.append('live')
    if limits.startup:
        notes.append('at start')
    text = limits.description + (f' [{"; ".join(notes)}]' if notes else '')
    return textwrap.wrap(text, _WIDTH, initial_indent='    # ', subsequent_indent='    # ')


def main(arguments: Sequence[str]) -> int:
    """Print the parameter file of the named node; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in NODES:
        print(f'expected one of {", ".join(NODES)}; got {list(arguments)}', file=sys.stderr)
        return 2
    print(parameter_file_text(NODES[arguments[0]]), end='')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
