"""Which files a bag consists of, and what its metadata.yaml says they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

from pose_tracking_ros.recordings.bag_parts import BagError

_METADATA: Final = 'metadata.yaml'
_INFORMATION: Final = 'rosbag2_bagfile_information'
_SUFFIXES: Final = ('.mcap', '.db3')
_COMPRESSED: Final = '.zstd'
_EXPECTED: Final = 'a folder of a ROS 2 bag, or one of its files (.mcap, .db3, also .zstd)'


@dataclass(frozen=True)
class BagFiles:
    """What belongs to a bag.

    Attributes:
        files: in the order of recording.
        announced: messages per topic as metadata.yaml counts them; empty when it does not.
        problems: what is missing or wrong, one sentence each.
    """

    files: Sequence[Path]
    announced: dict[str, int] = field(default_factory=dict)
    problems: Sequence[str] = ()


def find_files(path: Path) -> BagFiles:
    """Return the files of a bag.

    Args:
        path: the bag's folder, or one file of it.

    Raises:
        BagError: nothing there, or not a bag.
    """
    if path.is_file():
        if path.name == _METADATA:
            return find_files(path.parent)
        if _is_storage(path):
            return BagFiles([path])
        raise BagError(f'{path}: expected {_EXPECTED}, got another file')
    if not path.is_dir():
        raise BagError(f'{path}: expected {_EXPECTED}; there is no such file or folder')
    present = sorted((one for one in path.iterdir() if _is_storage(one)), key=_natural)
    information, problem = _read_metadata(path / _METADATA)
    if information is None:
        if not present:
            raise BagError(f'{path}: expected {_EXPECTED}; the folder holds no such file')
        return BagFiles(present, problems=[f'{problem}; the files were read without it.'])
    files, problems = [], []
    for name in information['relative_file_paths']:
        # Old versions write the folder's name before it.
        file = _resolve(path / PurePosixPath(name).name)
        if file is None:
            problems.append(f'{name}: listed in metadata.yaml, but missing; its part is lost.')
        else:
            files.append(file)
    stems = {file.name.removesuffix(_COMPRESSED) for file in files}
    for file in present:
        # The metadata of a recorder that was killed are those of its last change of files.
        if file.name.removesuffix(_COMPRESSED) not in stems:
            files.append(file)
            problems.append(f'{file.name}: metadata.yaml does not list it; it was read as well.')
    if not files:
        raise BagError(
            f'{path}: expected the files that metadata.yaml lists '
            f'({", ".join(information["relative_file_paths"]) or "none"}); none is there'
        )
    return BagFiles(files, _announced(information), problems)


def is_bag(path: Path) -> bool:
    """Return whether a folder holds a bag, or what is left of one, and nothing else."""
    if not path.is_dir():
        return False
    contents = list(path.iterdir())
    return bool(contents) and all(one.name == _METADATA or _is_storage(one) for one in contents)


def _is_storage(path: Path) -> bool:
    name = path.name.removesuffix(_COMPRESSED)
    return name.endswith(_SUFFIXES) and path.is_file()


def _resolve(path: Path) -> Path | None:
    """Return the file, or the same one compressed or decompressed since."""
    other = path.with_name(
        path.name.removesuffix(_COMPRESSED)
        if path.name.endswith(_COMPRESSED)
        else f'{path.name}{_COMPRESSED}'
    )
    return next((one for one in (path, other) if one.is_file()), None)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that puts file 10 after file 9."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(part), '') if part.isdigit() else (-1, part) for part in parts]


def _read_metadata(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Return the content, or None and what is wrong with it."""
    if not path.is_file():
        return None, f'{_METADATA} is missing, as after a recorder that was killed'
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, f'{_METADATA} is not readable as YAML ({" ".join(str(error).split())})'
    information = content.get(_INFORMATION) if isinstance(content, dict) else None
    names = information.get('relative_file_paths') if isinstance(information, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None, f'{_METADATA} lacks {_INFORMATION}.relative_file_paths, a list of files'
    return information, ''


def _announced(information: dict[str, Any]) -> dict[str, int]:
    """Return the count of each topic; none where the metadata do not have the usual form."""
    counts: dict[str, int] = {}
    try:
        for entry in information['topics_with_message_count']:
            topic = str(entry['topic_metadata']['name'])
            counts[topic] = counts.get(topic, 0) + int(entry['message_count'])
    except (KeyError, TypeError, ValueError):
        return {}
    return counts
