"""Which sequences a folder holds, and what is known of each.

A folder of sequences is either flat (`TUD-Campus.txt`) or laid out as MOTChallenge does
(`TUD-Campus/gt/gt.txt`, `TUD-Campus/det/det.txt`), then perhaps with a `seqinfo.ini`.
"""

from __future__ import annotations

import configparser
import math
from dataclasses import dataclass
from pathlib import Path

from pose_tracking_ros.evaluation.keypoints import EvaluationError


@dataclass(frozen=True)
class SequenceInfo:
    """What a `seqinfo.ini` tells. None where it does not, or where there is none.

    Attributes:
        rate_hz: images per second.
        frames: length of the sequence.
        image_size: width and height, px.
    """

    rate_hz: float | None = None
    frames: int | None = None
    image_size: tuple[int, int] | None = None


def find_sequences(folder: Path, kind: str) -> dict[str, Path]:
    """Return the files of a folder of sequences by sequence name, in alphabetical order.

    Args:
        folder: flat, or MOTChallenge's layout.
        kind: name of the file in MOTChallenge's layout: `gt`, `det` or `results`.

    Raises:
        EvaluationError: no such folder, or nothing of that kind in it.
    """
    if not folder.is_dir():
        raise EvaluationError(f'{folder}: no such folder; expected one MOT text file per sequence')
    flat = {path.stem: path for path in folder.glob('*.txt')}
    candidates = (f'*/{kind}/{kind}.txt', f'*/{kind}.txt')
    nested = {
        path.relative_to(folder).parts[0]: path
        for pattern in reversed(candidates)
        for path in folder.glob(pattern)
    }
    found = nested | flat
    if not found:
        raise EvaluationError(
            f'{folder}: holds no sequence; expected SEQUENCE.txt, SEQUENCE/{kind}.txt or '
            f'SEQUENCE/{kind}/{kind}.txt'
        )
    return dict(sorted(found.items()))


def pair_sequences(
    truth: dict[str, Path], others: dict[str, Path], truth_folder: Path, other_folder: Path
) -> list[str]:
    """Return the names of the sequences to score: all of the ground truth.

    Sequences without ground truth are left out.

    Raises:
        EvaluationError: a sequence of the ground truth is missing among the others.
    """
    missing = sorted(truth.keys() - others.keys())
    if len(missing) == len(truth):
        raise EvaluationError(
            f'no sequence in common: {truth_folder} has {", ".join(truth)}; '
            f'{other_folder} has {", ".join(others)}'
        )
    if missing:
        raise EvaluationError(
            f'{other_folder}: lacks {", ".join(missing)}, which {truth_folder} has; an empty '
            f'{missing[0]}.txt stands for a sequence in which nothing was found'
        )
    return sorted(truth)


def read_sequence_info(boxes_file: Path) -> SequenceInfo:
    """Return what the `seqinfo.ini` above a ground truth or detection file tells.

    Raises:
        EvaluationError: there is one, and it cannot be read or holds no positive numbers.
    """
    for folder in boxes_file.parents[:2]:
        path = folder / 'seqinfo.ini'
        if path.is_file():
            return _parse_info(path)
    return SequenceInfo()


def _parse_info(path: Path) -> SequenceInfo:
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding='utf-8')
    except (configparser.Error, UnicodeDecodeError) as error:
        raise EvaluationError(f'{path}: not readable as INI: {error}') from error
    if not parser.has_section('Sequence'):
        raise EvaluationError(f'{path}: expected a section [Sequence], as in MOTChallenge')

    def positive(key: str) -> float | None:
        text = parser.get('Sequence', key, fallback=None)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (value > 0 and math.isfinite(value)):
            raise EvaluationError(f'{path}: {key}: expected a number above 0, got {text!r}')
        return value

    frames, width, height = positive('seqLength'), positive('imWidth'), positive('imHeight')
    return SequenceInfo(
        rate_hz=positive('frameRate'),
        frames=None if frames is None else int(frames),
        image_size=None if width is None or height is None else (int(width), int(height)),
    )
