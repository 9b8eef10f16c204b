"""Remembers where many tracks have been, as arrays: in the image or in space."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

# A trail is drawn with so many pieces, whatever the rate of images.
_PIECES = 16


class TrailPieces(NamedTuple):
    """Pieces of trails, straight lines.

    Attributes:
        ends: of each piece, the older one first.
        rows: whose it is, as an index into the tracks asked for.
        strengths: of both ends, from 0 for the oldest to 1 for now.
    """

    ends: Float[np.ndarray, 'piece 2 dim']
    rows: Int[np.ndarray, 'piece']
    strengths: Float[np.ndarray, 'piece 2']


class TrailTable:
    """The recent places of all tracks.

    Args:
        dim: of a place, 2 or 3.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._moments: deque[tuple[float, np.ndarray, np.ndarray]] = deque()
        self._source: object = None
        self._max_age_s = 0.0
        # From where the last one goes on to be replaced, so that pieces are not too many.
        self._kept_s = -math.inf

    def clear(self) -> None:
        """Forget everything."""
        self._moments.clear()
        self._kept_s = -math.inf

    def update(
        self,
        track_ids: Int[np.ndarray, 'track'],
        places: Float[np.ndarray, 'track dim'],
        stamp_s: float,
        max_age_s: float,
        source: object = None,
    ) -> None:
        """Add the places of one image.

        A stamp before the last one, or another source, forgets everything.

        Args:
            track_ids: whose places are known.
            places: finite; in whatever unit.
            stamp_s: time of the image, s.
            max_age_s: what is older is forgotten, s; 0 forgets everything.
            source: what ids and places are valid in, for example a session.
        """
        if source != self._source or (self._moments and stamp_s < self._moments[-1][0]):
            self.clear()
        self._source, self._max_age_s = source, max_age_s
        if max_age_s <= 0:
            self.clear()
            return
        if self._moments and self._moments[-1][0] > self._kept_s:
            # The last one was not for keeping.
            self._moments.pop()
        self._moments.append((stamp_s, track_ids, places))
        if stamp_s - self._kept_s >= max_age_s / _PIECES:
            self._kept_s = stamp_s
        while self._moments[0][0] < stamp_s - max_age_s:
            self._moments.popleft()

    def pieces(self, track_ids: Int[np.ndarray, 'track']) -> TrailPieces:
        """Return the trails of tracks; a track seen only once has none."""
        if not self._moments or not len(track_ids):
            return TrailPieces(
                np.zeros((0, 2, self._dim)), np.zeros(0, np.int64), np.zeros((0, 2))
            )
        stamps = np.concatenate([np.full(len(ids), stamp) for stamp, ids, _ in self._moments])
        owners = np.concatenate([ids for _, ids, _ in self._moments])
        places = np.concatenate([places for _, _, places in self._moments])
        order = np.argsort(track_ids, kind='stable')
        sorted_ids = track_ids[order]
        spot = np.searchsorted(sorted_ids, owners).clip(max=len(track_ids) - 1)
        wanted = sorted_ids[spot] == owners
        rows, stamps, places = order[spot[wanted]], stamps[wanted], places[wanted]
        # By owner; stable, so in the order of time.
        by_owner = np.argsort(rows, kind='stable')
        rows, stamps, places = rows[by_owner], stamps[by_owner], places[by_owner]
        same = np.flatnonzero(rows[1:] == rows[:-1])
        pairs = np.stack([same, same + 1], axis=1)
        age_s = self._moments[-1][0] - stamps
        return TrailPieces(places[pairs], rows[same], 1 - age_s[pairs] / self._max_age_s)
