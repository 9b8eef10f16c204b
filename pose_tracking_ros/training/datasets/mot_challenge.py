"""MOTChallenge (MOT15 to MOT20 and what looks like them): videos with boxes and track ids.

A sequence is a folder with `seqinfo.ini`, `img1/000001.jpg` and so on, and `gt/gt.txt`: lines of
frame, id, left, top, width, height, flag, and in 2016 and later class and visibility (arXiv
1603.00831 §2.4), in 2015 a place in space instead. Frames and places count from 1. Pedestrians
(class 1) with flag 1 are people. Ignored are: flag 0; people on vehicles, standing still in a
crowd or in a picture (2, 7, 8, 12, 13); and who is visible to less than a quarter. Vehicles and
what hides people (3 to 6, 9 to 11) are background. Boxes are those of whole bodies and end at the
border; who has left the picture entirely is left out.
"""

from __future__ import annotations

import configparser
import csv
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.training.datasets.picture_files import PictureFile
from pose_tracking_ros.training.datasets.problems import DataError, Problems
from pose_tracking_ros.training.datasets.records import (
    Dataset,
    IdentityNumbers,
    LabelKinds,
    Record,
    RecordBuilder,
)
from pose_tracking_ros.training.datasets.settings import Source

_PEDESTRIAN = 1
# Person on vehicle, static person, distractor (mannequins, pictures), reflection, crowd.
_LIKE_PEOPLE = (2, 7, 8, 12, 13)
_CLASSES = range(1, 14)
_MIN_VISIBILITY = 0.25
_COLUMNS_2015 = 10
_COLUMNS = 9


def read(source: Source, problems: Problems) -> Dataset:
    """Read a folder of sequences, or one sequence."""
    top = source.folder(source.images, 'MOTChallenge sequences')
    folders = [top] if (top / 'gt' / 'gt.txt').is_file() else sorted(top.iterdir())
    pattern = source.settings.sequences
    folders = [
        folder
        for folder in folders
        if (folder / 'gt' / 'gt.txt').is_file() and fnmatchcase(folder.name, pattern)
    ]
    if not folders:
        raise DataError(f'{top}: expected sequences {pattern} with gt/gt.txt, found none')
    identities = IdentityNumbers()
    records: list[Record] = []
    for folder in folders:
        with problems.guard():
            records += _read_sequence(folder, source.settings.name, problems, identities)
    kinds = LabelKinds(boxes=True, joints=False, identities=True)
    name = source.settings.name
    return Dataset(name, 'mot_challenge', kinds, records, len(identities), clips=True)


def _read_sequence(
    folder: Path, name: str, problems: Problems, identities: IdentityNumbers
) -> list[Record]:
    pictures, size, length = _sequence_info(folder / 'seqinfo.ini')
    path = folder / 'gt' / 'gt.txt'
    rows: dict[int, list[tuple[str, Float[np.ndarray, 'column']]]] = defaultdict(list)
    seen: set[tuple[int, int]] = set()
    for number, line in _lines(path):
        with problems.guard():
            where = f'{path}: line {number}'
            row = _row(line, where)
            frame, key = int(row[0]), int(row[1])
            if not 1 <= frame <= length:
                raise DataError(f'{where}: frame: expected 1 to {length}, got {frame}')
            if (frame, key) in seen:
                raise DataError(f'{where}: id: expected once per frame, {key} was used before')
            seen.add((frame, key))
            rows[frame].append((where, row))
    records = []
    for frame in range(1, length + 1):
        with problems.guard():
            where = f'{path}: frame {frame}'
            picture = pictures.parent / f'{frame:06d}{pictures.suffix}'
            if not picture.is_file():
                raise DataError(f'{where}: expected a picture, there is no file {picture}')
            builder = RecordBuilder(where, PictureFile(picture), size, name, clips=True)
            for place, row in rows[frame]:
                with problems.guard():
                    _add_row(builder, place, row, size, (folder.name, int(row[1])), identities)
            records.append(builder.build())
    return records


def _add_row(
    builder: RecordBuilder,
    where: str,
    row: Float[np.ndarray, 'column'],
    size: tuple[int, int],
    key: tuple[str, int],
    identities: IdentityNumbers,
) -> None:
    box = np.concatenate([row[2:4] - 1.0, row[4:6]])
    if (box[2:] > 0).all() and (
        (box[:2] >= size).any() or (box[:2] + box[2:] <= 0).any()
    ):  # Nothing of this one is in the picture any more.
        return
    has_class = len(row) == _COLUMNS
    kind = int(row[7]) if has_class else _PEDESTRIAN
    if kind not in _CLASSES:
        raise DataError(f'{where}: class: expected 1 to {_CLASSES[-1]}, got {kind}')
    is_clear = bool(row[6]) and not (has_class and row[8] < _MIN_VISIBILITY)
    if kind == _PEDESTRIAN and is_clear:
        builder.add_person(where, 'box', box, identity=identities.of(key))
    elif kind == _PEDESTRIAN or kind in _LIKE_PEOPLE:
        builder.ignore(f'{where}.box', box)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding='utf-8', newline='') as file:
        for number, line in enumerate(csv.reader(file), start=1):
            if line:
                yield number, line


def _row(line: list[str], where: str) -> Float[np.ndarray, 'column']:
    if len(line) not in (_COLUMNS, _COLUMNS_2015):
        raise DataError(
            f'{where}: expected {_COLUMNS} columns (2015: {_COLUMNS_2015}), got {len(line)}'
        )
    try:
        row = np.array([float(value) for value in line])
    except ValueError as error:
        raise DataError(f'{where}: expected numbers: {error}') from error
    if not np.isfinite(row).all():
        column = int(np.flatnonzero(~np.isfinite(row))[0]) + 1
        raise DataError(f'{where}: column {column}: expected a finite number')
    return row


def _sequence_info(path: Path) -> tuple[Path, tuple[int, int], int]:
    """Return a pattern for pictures (folder and suffix count), their size and their number."""
    if not path.is_file():
        raise DataError(f'{path}: no such file; every sequence needs one')
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding='utf-8')
        info = parser['Sequence']
        folder, suffix = info.get('imDir', 'img1'), info.get('imExt', '.jpg')
        values = []
        for key in ('imWidth', 'imHeight', 'seqLength'):
            if key not in info:
                raise DataError(f'{path}: {key}: expected a whole number, it is missing')
            values.append(int(info[key]))
    except KeyError as error:
        raise DataError(f'{path}: expected a section [Sequence]') from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise DataError(f'{path}: not readable: {error}') from error
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f'{path}: {key}: expected a whole number, got {info[key]!r}') from error
    width, height, length = values
    if min(values) <= 0:
        raise DataError(f'{path}: expected numbers above 0, got {width}x{height}, {length} frames')
    return path.parent / folder / f'frame{suffix}', (width, height), length
