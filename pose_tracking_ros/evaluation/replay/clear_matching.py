"""Who is whose track in each image, by the rules of CLEAR MOT, as trackeval applies them.

Boxes match from IoU 0.5 on. A person keeps the track of the image before while it still matches;
the rest is assigned for the greatest total overlap. A switch is a match with another track than
the person's last one, however long ago that was (Bernardin and Stiefelhagen, 2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

MIN_IOU: Final = 0.5
NO_TRACK: Final = -1
"""Stands for "no track before"; ids count from 0."""

_EPSILON: Final = float(np.finfo('float').eps)
# Outweighs any sum of overlaps, so that a match of the image before is kept.
_KEEP: Final = 1000.0


@dataclass(frozen=True, eq=False)
class Matches:
    """The matches of one image.

    Attributes:
        rows: people that have a track, by their place in the image.
        columns: the track of each, by its place in the image.
        before: id of the track that each had last; `NO_TRACK` for the first one.
        switched: which of `before` is another track; indices into `rows`.
    """

    rows: Int[np.ndarray, 'match']
    columns: Int[np.ndarray, 'match']
    before: Int[np.ndarray, 'match']
    switched: Int[np.ndarray, 'switch']


class ClearMatcher:
    """Matches people with tracks, image after image."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._image_before: dict[int, int] = {}

    def match(
        self,
        person_ids: Int[np.ndarray, 'person'],
        track_ids: Int[np.ndarray, 'track'],
        ious: Float[np.ndarray, 'person track'],
    ) -> Matches:
        """Return the matches of the next image; none where nobody is there or was found.

        Args:
            person_ids: of the truth, each once.
            track_ids: at least 0, each once.
            ious: overlap of boxes, [0, 1].
        """
        none = np.zeros(0, np.int64)
        if not ious.size:
            # As in trackeval, such an image does not end what went before.
            return Matches(none, none, none, none)
        kept = np.array([self._image_before.get(int(i), NO_TRACK) for i in person_ids])
        worth = _KEEP * (kept[:, None] == track_ids[None]) + ious
        worth[ious < MIN_IOU - _EPSILON] = 0.0
        rows, columns = linear_sum_assignment(worth, maximize=True)
        is_match = worth[rows, columns] > _EPSILON
        rows, columns = rows[is_match], columns[is_match]
        before = np.array(
            [self._last.get(int(i), NO_TRACK) for i in person_ids[rows]], dtype=np.int64
        )
        is_switch = (before != NO_TRACK) & (before != track_ids[columns])
        self._image_before = dict(
            zip(person_ids[rows].tolist(), track_ids[columns].tolist(), strict=True)
        )
        self._last |= self._image_before
        return Matches(rows, columns, before, np.flatnonzero(is_switch))
