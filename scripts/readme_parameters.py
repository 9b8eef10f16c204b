"""Write the parameter tables of README.md: `python scripts/readme_parameters.py`.

A test holds README.md to what this program would write.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from pose_tracking_ros.ros.parameter_file import NODES
from pose_tracking_ros.settings import limits_of

README = Path(__file__).resolve().parent.parent / 'README.md'


def table(sections: dict[str, type]) -> str:
    """Return a Markdown table of every parameter of a node."""
    lines = ['| parameter | default | range | live | meaning |', '|---|---|---|---|---|']
    for title, settings_class in sections.items():
        lines.append(f'| **{title}** | | | | |')
        for field in dataclasses.fields(settings_class):
            limits = limits_of(settings_class, field.name)
            unit = f' {limits.unit}' if limits.unit else ''
            if limits.choices:
                allowed = ', '.join(limits.choices)
            elif limits.low is not None or limits.high is not None:
                low = '' if limits.low is None else f'{limits.low:g}'
                high = '' if limits.high is None else f'{limits.high:g}'
                allowed = f'{low} to {high}{unit}'
            else:
                allowed = ''
            live = 'yes' if limits.live else ''
            default = json.dumps(field.default)
            lines.append(
                f'| `{field.name}` | `{default}` | {allowed} | {live} | {limits.description} |'
            )
    return '\n'.join(lines)


def updated(text: str) -> str:
    """Return the README with its tables written anew.

    Raises:
        ValueError: the markers around a table are missing.
    """
    for node, sections in NODES.items():
        begin, end = f'<!-- parameters: {node} -->', f'<!-- end: {node} -->'
        if begin not in text or end not in text:
            raise ValueError(f'README.md: expected the markers {begin!r} and {end!r}')
        before, rest = text.split(begin, 1)
        _, after = rest.split(end, 1)
        text = f'{before}{begin}\n{table(sections)}\n{end}{after}'
    return text


if __name__ == '__main__':
    README.write_text(updated(README.read_text()))
    sys.exit(0)
