"""Where each person was in the last seconds, for drawing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.people import Track


class TrailKeeper:
    """Remembers the middle of the lower edge of each box, which is where people stand."""

    def __init__(self) -> None:
        self._places: dict[int, deque[tuple[float, float, float]]] = {}

    def add(self, tracks: Sequence[Track], stamp_s: float, length_s: float) -> None:
        """Take in the tracks of one image; only those that it supports.

        Args:
            tracks: of the image; trails of tracks that are not among them end.
            stamp_s: time of the image, s. What lies after it, from before a jump back, is dropped.
            length_s: how far back trails reach, s.
        """
        living = {track.track_id for track in tracks}
        for gone in self._places.keys() - living:
            del self._places[gone]
        for track in tracks:
            places = self._places.setdefault(track.track_id, deque())
            if track.is_matched:
                x1, _, x2, y2 = track.box.tolist()
                places.append((stamp_s, (x1 + x2) / 2, y2))
            while places and not stamp_s - length_s <= places[0][0] <= stamp_s:
                places.popleft()

    def trails(self) -> dict[int, Float[np.ndarray, 'place 2']]:
        """Return the positions in px, oldest first, per track id."""
        return {
            track_id: np.array([place[1:] for place in places], dtype=np.float32).reshape(-1, 2)
            for track_id, places in self._places.items()
        }

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
