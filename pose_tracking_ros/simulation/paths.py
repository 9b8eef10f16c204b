"""Where each simulated person is at each frame: smooth walks through timed waypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

SUBSTEPS_HZ = 120.0
"""Walks are laid out at this rate, so that the frame rate does not change them."""

STRIDE_LENGTHS = 0.86
"""Length of a stride (two steps) at a normal walk, relative to the person's height."""

Waypoint = tuple[float, float, float]
"""Time (s), x (m), y (m)."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A person's way over the ground, sampled once per frame.

    Attributes:
        position: x and y on the ground, m.
        heading_rad: direction of the body; 0 looks along +y, positive turns left.
        phase_rad: where in the gait cycle the left leg is; 0 is its heel strike.
        speed_m_s: over the ground.
    """

    position: Float[np.ndarray, 'frame 2']
    heading_rad: Float[np.ndarray, 'frame']
    phase_rad: Float[np.ndarray, 'frame']
    speed_m_s: Float[np.ndarray, 'frame']


def _headings(velocity: Float[np.ndarray, 'step 2'], facing_rad: float | None) -> np.ndarray:
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    moving = speed > 0.2
    heading = np.arctan2(-velocity[:, 0], velocity[:, 1])
    if facing_rad is not None:
        heading = np.where(moving, heading, facing_rad)
    elif moving.any():
        # Who stands keeps looking where the last step led, or the first one will lead.
        last = np.maximum.accumulate(np.where(moving, np.arange(len(heading)), -1))
        heading = heading[np.where(last < 0, np.argmax(moving), last)]
    else:
        heading = np.zeros(len(heading))
    turned: np.ndarray = gaussian_filter1d(np.unwrap(heading), 0.16 * SUBSTEPS_HZ, mode='nearest')
    return turned


def walk(
    legs: Sequence[Sequence[Waypoint]],
    stamps_s: Float[np.ndarray, 'frame'],
    height_m: float,
    facing_rad: float | None = None,
    first_phase_rad: float = 0.0,
) -> Walk:
    """Lay a smooth walk through timed waypoints.

    Args:
        legs: one or more separate stretches, each a list of waypoints with rising times. Between
            two legs the person jumps, at the time where the later leg begins.
        stamps_s: times of the frames, s, rising.
        height_m: the person's height, which sets the length of a stride.
        facing_rad: heading while standing; None keeps the direction of the last step.
        first_phase_rad: gait phase at the first frame.

    Raises:
        ValueError: there is no waypoint, or times do not rise.
    """
    if not legs or not all(legs):
        raise ValueError('legs: expected at least one leg with at least one waypoint each')
    times = [point[0] for leg in legs for point in leg]
    if (np.diff(times) <= 0).any():
        raise ValueError(f'legs: expected rising waypoint times, got {times}')
    samples = []
    for leg in legs:
        points = np.array(leg, dtype=np.float64)
        fine_s = np.arange(stamps_s[0] - 1.0, stamps_s[-1] + 1.0, 1 / SUBSTEPS_HZ)
        rough = np.stack([np.interp(fine_s, points[:, 0], points[:, i]) for i in (1, 2)], axis=1)
        path = gaussian_filter1d(rough, 0.15 * SUBSTEPS_HZ, axis=0, mode='nearest')
        velocity = np.gradient(path, 1 / SUBSTEPS_HZ, axis=0)
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        # Slow walkers take shorter steps, not only rarer ones.
        stride_m = STRIDE_LENGTHS * height_m * np.sqrt(np.clip(speed / 1.3, 0.25, 2.0))
        phase = 2 * np.pi * np.cumsum(speed / stride_m) / SUBSTEPS_HZ
        columns = (path[:, 0], path[:, 1], _headings(velocity, facing_rad), phase, speed)
        samples.append([np.interp(stamps_s, fine_s, column) for column in columns])
    starts = np.array([leg[0][0] for leg in legs])
    which = np.clip(np.searchsorted(starts, stamps_s, side='right') - 1, 0, None)
    x, y, heading, phase, speed = np.array(samples)[which, :, np.arange(len(stamps_s))].T
    return Walk(
        position=np.stack([x, y], axis=1),
        heading_rad=heading,
        phase_rad=first_phase_rad + phase,
        speed_m_s=speed,
    )
