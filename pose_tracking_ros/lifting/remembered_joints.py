"""Joints in space that are not seen now, as they were seen last: for pictures, not for poses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.skeleton import Skeleton


class Remembered(NamedTuple):
    """People with what is remembered of them.

    Attributes:
        joints_m: seen now, or as last seen, moved along with the body; NaN where neither.
        is_seen: joints that are seen now.
        positions_m: of the bodies, now or as last known; NaN where never known.
        middles_m: of the hips, seen or remembered; of the body's position until they were seen.
        unseen_s: time since the position was known, s; 0 when it is, infinite when it never was.
    """

    joints_m: Float[np.ndarray, 'track joint 3']
    is_seen: Bool[np.ndarray, 'track joint']
    positions_m: Float[np.ndarray, 'track 3']
    middles_m: Float[np.ndarray, 'track 3']
    unseen_s: Float[np.ndarray, 'track']


class RememberedJoints:
    """Remembers where tracks' joints were, and moves them along with those that are seen.

    Args:
        skeleton: of the joints.
        max_age_s: a joint unseen for longer is not told any more while the body is seen, s.
    """

    def __init__(self, skeleton: Skeleton, max_age_s: float = 1.0) -> None:
        self._joints = len(skeleton)
        self._hips = np.array([skeleton.index('left_hip'), skeleton.index('right_hip')])
        self._max_age_s = max_age_s
        self._source: object = None
        self.clear()

    def clear(self) -> None:
        """Forget everybody."""
        self._stamp_s = -np.inf
        self._rows: dict[int, int] = {}
        # One row more than there are tracks: that of whom nothing is known.
        self._joints_m = np.full((1, self._joints, 3), np.nan)
        self._seen_s = np.full((1, self._joints), np.nan)
        self._positions_m = np.full((1, 3), np.nan)
        self._placed_s = np.full(1, np.nan)

    def update(
        self,
        track_ids: Int[np.ndarray, 'track'],
        joints_m: Float[np.ndarray, 'track joint 3'],
        positions_m: Float[np.ndarray, 'track 3'],
        stamp_s: float,
        source: object = None,
    ) -> Remembered:
        """Take in one image, and return its people with what is remembered of them.

        Tracks that are left out are forgotten. So is everybody when the stamp is before the last
        one, or the source another.

        Args:
            track_ids: of all tracks, seen or not.
            joints_m: NaN where unknown.
            positions_m: of the bodies; NaN where unknown.
            stamp_s: time of the image, s.
            source: what ids and places are valid in, for example session and frame.
        """
        if source != self._source or stamp_s < self._stamp_s:
            self.clear()
        self._source, self._stamp_s = source, stamp_s
        rows = np.array([self._rows.get(int(one), -1) for one in track_ids], dtype=np.int64)
        before = self._joints_m[rows]
        is_placed = np.isfinite(positions_m).all(axis=-1)
        is_seen = np.isfinite(joints_m).all(axis=-1) & is_placed[:, None]
        # Not along with the position: that of other joints lies elsewhere, which is no motion.
        moved = np.where(is_seen[..., None], joints_m - before, np.nan)
        common = np.isfinite(moved[..., 0]).sum(axis=1)[:, None]
        shifts = np.nansum(moved, axis=1) / np.maximum(common, 1)
        joints = np.where(is_seen[..., None], joints_m, before + shifts[:, None])
        seen_s = np.where(is_seen, stamp_s, self._seen_s[rows])
        positions = np.where(is_placed[:, None], positions_m, self._positions_m[rows])
        placed_s = np.where(is_placed, stamp_s, self._placed_s[rows])
        self._rows = {int(one): row for row, one in enumerate(track_ids)}
        self._joints_m = _with_unknown(joints)
        self._seen_s = _with_unknown(seen_s)
        self._positions_m = _with_unknown(positions)
        self._placed_s = _with_unknown(placed_s)
        middles = joints[:, self._hips].mean(axis=1)
        # Against the time at which the body was seen: whoever is lost keeps the last pose.
        is_told = placed_s[:, None] - seen_s <= self._max_age_s
        return Remembered(
            joints_m=np.where(is_told[..., None], joints, np.nan),
            is_seen=is_seen,
            positions_m=positions,
            middles_m=np.where(np.isfinite(middles), middles, positions),
            unseen_s=np.nan_to_num(stamp_s - placed_s, nan=np.inf),
        )


def _with_unknown(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, np.full((1, *rows.shape[1:]), np.nan)])
