"""Where people are as a whole, and how fast they move: a Kalman filter per track, in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.skeleton import Skeleton

# How people change their pace: from standing to walking in about a second.
_ACCELERATION_SD_M_S2 = 1.5
# Of people of whom nothing is known: standing, walking or running.
_FIRST_SPEED_SD_M_S = 1.5
_KNOWN_SPEED_SD_M_S = 0.6
# A measurement is never taken for better than this, whatever its covariance says.
_MIN_POSITION_SD_M = 0.01


@dataclass(eq=False)
class _Body:
    """One track's filter, each axis on its own: constant velocity, accelerated at random.

    Attributes:
        stamp_s: of the last measurement.
        joints_m: at that time, NaN where unknown.
        used: joints that the position is the mean of.
        position, velocity: m and m/s.
        variance: of position, of both together, and of velocity.
    """

    stamp_s: float
    joints_m: Float[np.ndarray, 'joint 3']
    used: Bool[np.ndarray, 'joint']
    position: Float[np.ndarray, '3']
    velocity: Float[np.ndarray, '3']
    variance: Float[np.ndarray, '3 axis']


class BodyMotion:
    """Positions and velocities of tracks.

    Args:
        skeleton: names the joints.
        max_gap_s: a track unseen in space for longer starts anew, s.
    """

    def __init__(self, skeleton: Skeleton, max_gap_s: float = 1.0) -> None:
        self._hips = np.array([skeleton.index('left_hip'), skeleton.index('right_hip')])
        self._max_gap_s = max_gap_s
        self._bodies: dict[int, _Body] = {}

    def __len__(self) -> int:
        """Return the number of tracks that are remembered."""
        return len(self._bodies)

    def reset(self) -> None:
        """Forget everybody."""
        self._bodies = {}

    def keep(self, track_ids: Iterable[int]) -> None:
        """Forget every track but these."""
        kept = set(track_ids)
        self._bodies = {key: body for key, body in self._bodies.items() if key in kept}

    def update(
        self,
        track_id: int,
        stamp_s: float,
        joints_m: Float[np.ndarray, 'joint 3'],
        covariances_m2: Float[np.ndarray, 'joint 3 3'],
    ) -> tuple[Float[np.ndarray, '3'], Float[np.ndarray, '3']]:
        """Take in a track's joints; return its position (m) and velocity (m/s).

        The position is measured, not smoothed: the middle of the hips, or of all joints known when
        a hip is not. Without any, both are NaN. The velocity is NaN until it is known to better
        than 0.6 m/s.

        Args:
            track_id: whose.
            stamp_s: time of the image, s. Not after the last one, the track starts anew.
            joints_m: NaN where unknown.
            covariances_m2: of the joints.
        """
        known = np.isfinite(joints_m[:, 0])
        if not known.any():
            return np.full(3, np.nan), np.full(3, np.nan)
        used = known
        if known[self._hips].all():
            used = np.zeros_like(known)
            used[self._hips] = True
        measured = joints_m[used].mean(axis=0)
        # Not divided by the number of joints: the camera errs on all of them alike.
        variance = np.diagonal(covariances_m2[used].mean(axis=0))
        noise = np.maximum(variance, _MIN_POSITION_SD_M**2)
        body = self._bodies.get(track_id)
        is_new = body is None or not 0 < stamp_s - body.stamp_s <= self._max_gap_s
        if body is None or is_new:
            first = np.column_stack([noise, np.zeros(3), np.full(3, _FIRST_SPEED_SD_M_S**2)])
            body = _Body(stamp_s, joints_m, used, measured, np.zeros(3), first)
            self._bodies[track_id] = body
        else:
            self._correct(body, stamp_s, joints_m, used, measured, noise)
        is_known = np.sqrt(body.variance[:, 2].max()) < _KNOWN_SPEED_SD_M_S
        return measured, body.velocity.copy() if is_known else np.full(3, np.nan)

    def _correct(
        self,
        body: _Body,
        stamp_s: float,
        joints_m: np.ndarray,
        used: np.ndarray,
        measured: np.ndarray,
        noise: np.ndarray,
    ) -> None:
        if not np.array_equal(used, body.used):
            # The middle of other joints lies elsewhere, which is no motion: begin from where that
            # middle was, as far as joints known both times tell.
            moved = joints_m - body.joints_m
            common = np.isfinite(moved[:, 0])
            step_s = stamp_s - body.stamp_s
            shift = np.median(moved[common], axis=0) if common.any() else body.velocity * step_s
            body.position = measured - shift
        dt = stamp_s - body.stamp_s
        p00, p01, p11 = body.variance.T
        q = _ACCELERATION_SD_M_S2**2
        p00 = p00 + 2 * dt * p01 + dt * dt * p11 + q * dt**4 / 4
        p01 = p01 + dt * p11 + q * dt**3 / 2
        p11 = p11 + q * dt * dt
        predicted = body.position + dt * body.velocity
        gain0, gain1 = p00 / (p00 + noise), p01 / (p00 + noise)
        body.position = predicted + gain0 * (measured - predicted)
        body.velocity = body.velocity + gain1 * (measured - predicted)
        body.variance = np.column_stack([(1 - gain0) * p00, (1 - gain0) * p01, p11 - gain1 * p01])
        body.stamp_s, body.joints_m, body.used = stamp_s, joints_m, used
