"""Remembers where tracks have been, for drawing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.people import Track, TrackState


class Trails:
    """The recent foot points of each track.

    A foot point is the middle of a box's lower edge. Only detections leave one, so a trail never
    shows what was merely predicted.

    Args:
        max_age_s: how long a point is kept, in image time, s.

    Raises:
        ValueError: `max_age_s` is not positive.
    """

    def __init__(self, max_age_s: float = 3.0) -> None:
        if not max_age_s > 0:
            raise ValueError(f'max_age_s: expected more than 0 s, got {max_age_s}')
        self.max_age_s = max_age_s
        self._points: dict[int, deque[tuple[float, float, float]]] = {}
        self._stamp_s = float('-inf')

    def update(self, tracks: Sequence[Track], stamp_s: float) -> None:
        """Add one image's tracks. A stamp before the previous one forgets everything."""
        if stamp_s < self._stamp_s:
            self._points.clear()
        self._stamp_s = stamp_s
        for track in tracks:
            if track.state == TrackState.REMOVED:
                self._points.pop(track.track_id, None)
            elif track.is_matched:
                x1, _, x2, y2 = (float(value) for value in track.box)
                points = self._points.setdefault(track.track_id, deque())
                points.append((stamp_s, (x1 + x2) / 2, y2))
        for track_id in list(self._points):
            points = self._points[track_id]
            while points and points[0][0] < stamp_s - self.max_age_s:
                points.popleft()
            if not points:
                del self._points[track_id]

    def points(self, track_id: int) -> Float[np.ndarray, 'point 2']:
        """Return the remembered points of a track in px, oldest first; none is a 0 x 2 array."""
        remembered = self._points.get(track_id, ())
        return np.array([(x, y) for _, x, y in remembered], dtype=np.float64).reshape(-1, 2)
