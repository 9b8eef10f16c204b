"""MOT text: one box per line, `frame,id,left,top,width,height,score,class,visibility`.

Ground truth, detections and results share the format. Columns after the sixth may be missing.
Frames count from 1; pixels have the top left corner of the image at (1, 1) in the original
definition, at (0, 0) in most tools: nothing here depends on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from pose_tracking_ros.evaluation.keypoints import EvaluationError

NO_ID = -1
# What MOTChallenge writes where a file has no classes, and its number for a pedestrian.
NO_CLASS, PEDESTRIAN = -1, 1
_FIELDS = ('frame', 'id', 'left', 'top', 'width', 'height', 'score', 'class')
_MIN_FIELDS = 6


@dataclass(frozen=True, eq=False)
class MotBoxes:
    """The boxes of one sequence, ordered by frame. No box is a valid content.

    Attributes:
        frames: image number, from 1.
        ids: identities, at least 0; `NO_ID` for detections.
        boxes: corners x1, y1, x2, y2 in px; finite, x1 < x2, y1 < y2.
        scores: of detections and results; of ground truth 0 marks a box that is to be ignored.
        classes: MOTChallenge's object classes; `NO_CLASS` where the file has none.
    """

    frames: Int[np.ndarray, 'box']
    ids: Int[np.ndarray, 'box']
    boxes: Float[np.ndarray, 'box 4']
    scores: Float[np.ndarray, 'box']
    classes: Int[np.ndarray, 'box']

    def __post_init__(self) -> None:
        """Check shapes and ranges.

        Raises:
            ValueError: lengths differ, or frames, boxes or scores are out of range.
        """
        count = len(self.frames)
        for name in ('ids', 'boxes', 'scores', 'classes'):
            if len(getattr(self, name)) != count:
                raise ValueError(
                    f'{name}: expected {count} rows, one per frame number; '
                    f'got {len(getattr(self, name))}'
                )
        if self.boxes.shape != (count, 4):
            raise ValueError(f'boxes: expected shape {count} x 4, got {self.boxes.shape}')
        if not np.isfinite(self.boxes).all() or (self.boxes[:, 2:] <= self.boxes[:, :2]).any():
            raise ValueError('boxes: expected finite corners with x1 < x2 and y1 < y2')
        if count and (self.frames[0] < 1 or (np.diff(self.frames) < 0).any()):
            raise ValueError('frames: expected numbers from 1 up, in rising order')

    def __len__(self) -> int:
        """Return the number of boxes."""
        return len(self.frames)

    @classmethod
    def none(cls) -> MotBoxes:
        """Return an empty sequence."""
        return cls(
            frames=np.zeros(0, np.int64),
            ids=np.zeros(0, np.int64),
            boxes=np.zeros((0, 4)),
            scores=np.zeros(0),
            classes=np.zeros(0, np.int64),
        )

    @property
    def last_frame(self) -> int:
        """The highest frame number, 0 when there is no box."""
        return int(self.frames[-1]) if len(self) else 0

    def select(self, which: np.ndarray | slice) -> MotBoxes:
        """Return a slice of the boxes, or those where a boolean mask is true."""
        return MotBoxes(
            frames=self.frames[which],
            ids=self.ids[which],
            boxes=self.boxes[which],
            scores=self.scores[which],
            classes=self.classes[which],
        )

    def slices(self, frames: int) -> list[slice]:
        """Return where the boxes of frame 1, 2, ... up to `frames` lie."""
        bounds = np.searchsorted(self.frames, np.arange(1, frames + 2)).tolist()
        return [slice(low, high) for low, high in pairwise(bounds)]


def read_boxes(path: Path, *, identified: bool = True, scored: bool = False) -> MotBoxes:
    """Read one sequence; an empty file is one without boxes.

    Args:
        path: MOT text, fields separated by commas or blanks.
        identified: every line has an identity of its own within the frame; else ids are ignored.
        scored: every line has a score in [0, 1]; else it may be missing, which counts as 1.

    Raises:
        EvaluationError: names file, line and field of what is wrong.
    """
    if not path.is_file():
        raise EvaluationError(f'{path}: no such file; expected MOT text')
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except UnicodeDecodeError as error:
        raise EvaluationError(f'{path}: not text: {error}; expected MOT text') from error
    rows, numbers = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append(_parse(line, f'{path}: line {number}', scored))
            numbers.append(number)
    if not rows:
        return MotBoxes.none()
    table = np.array(rows)
    order = np.argsort(table[:, 0], kind='stable')
    table, line_of = table[order], np.array(numbers)[order]
    frames, ids = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    if identified:
        _check_ids(frames, ids, line_of, path)
    else:
        ids = np.full(len(ids), NO_ID)
    classes = table[:, 7]
    if (classes % 1 != 0).any():
        # In MOT15, places on the ground in metres follow the score: there are no classes.
        classes = np.full(len(classes), NO_CLASS)
    return MotBoxes(
        frames=frames,
        ids=ids,
        boxes=np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1),
        scores=table[:, 6],
        classes=classes.astype(np.int64),
    )


def _parse(line: str, where: str, scored: bool) -> list[float]:
    fields = line.split(',') if ',' in line else line.split()
    if len(fields) < _MIN_FIELDS + scored:
        wanted = ','.join(_FIELDS[: _MIN_FIELDS + scored])
        raise EvaluationError(
            f'{where}: expected at least {_MIN_FIELDS + scored} fields {wanted}; '
            f'got {len(fields)}: {line.strip()[:80]!r}'
        )
    values = [1.0] * 7 + [float(NO_CLASS)]
    for index, (name, text) in enumerate(zip(_FIELDS, fields, strict=False)):
        try:
            values[index] = float(text)
        except ValueError as error:
            raise EvaluationError(
                f'{where}, field {name}: expected a number, got {text.strip()!r}'
            ) from error
        if not math.isfinite(values[index]):
            raise EvaluationError(
                f'{where}, field {name}: expected a finite number, got {text.strip()}'
            )
    for index, low in ((0, 1), (1, NO_ID)):
        if values[index] < low or not values[index].is_integer():
            raise EvaluationError(
                f'{where}, field {_FIELDS[index]}: expected a whole number of at least {low}, '
                f'got {fields[index].strip()}'
            )
    for index in (4, 5):
        if values[index] <= 0:
            raise EvaluationError(
                f'{where}, field {_FIELDS[index]}: expected more than 0 px, '
                f'got {fields[index].strip()}'
            )
    if scored and not 0 <= values[6] <= 1:
        raise EvaluationError(
            f'{where}, field score: expected a probability in [0, 1], got {fields[6].strip()}; '
            'trackers compare it with thresholds: bring it to that range first'
        )
    return values


def _check_ids(
    frames: Int[np.ndarray, 'box'],
    ids: Int[np.ndarray, 'box'],
    line_of: Int[np.ndarray, 'box'],
    path: Path,
) -> None:
    if (ids == NO_ID).any():
        line = line_of[ids == NO_ID][0]
        raise EvaluationError(
            f'{path}: line {line}, field id: expected an identity of at least 0, got {NO_ID}; '
            'is this a file of detections?'
        )
    order = np.lexsort((line_of, ids, frames))
    repeats = np.flatnonzero((np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0))
    if len(repeats):
        first, second = order[repeats[0]], order[repeats[0] + 1]
        raise EvaluationError(
            f'{path}: line {line_of[second]}, field id: {ids[second]} is already on line '
            f'{line_of[first]} in frame {frames[second]}; expected one box per identity and frame'
        )


def write_boxes(path: Path, boxes: MotBoxes) -> None:
    """Write one sequence as MOT text with ten columns, making folders where needed.

    Coordinates are rounded to a thousandth of a pixel.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = boxes.boxes
    table = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()
    lines = [
        f'{frame},{identity},{x:.3f},{y:.3f},{width:.3f},{height:.3f},{score:.6g},{kind},-1,-1\n'
        for frame, identity, (x, y, width, height), score, kind in zip(
            boxes.frames.tolist(),
            boxes.ids.tolist(),
            table,
            boxes.scores.tolist(),
            boxes.classes.tolist(),
            strict=True,
        )
    ]
    path.write_text(''.join(lines), encoding='utf-8')
