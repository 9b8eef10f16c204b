"""How a track learns what its person looks like, and how missing people are known again."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.tracking.association import Assignment, assign

# Averages shorter than this come from looks that contradict each other and say nothing.
_MIN_LENGTH = 1e-3


def blend_embeddings(
    old: Float[np.ndarray, 'track dim'],
    observed: Float[np.ndarray, 'track dim'],
    momentum: float,
) -> Float[np.ndarray, 'track dim']:
    """Return running appearances after one more observation each, of unit length or zero.

    Args:
        old: appearances so far; zero where none is known: there the observation is taken over.
        observed: observations; zero where none was made: there the appearance stays.
        momentum: share of the old appearance, [0, 1].
    """
    is_known = (old != 0).any(axis=1, keepdims=True)
    is_observed = (observed != 0).any(axis=1, keepdims=True)
    mixed = np.where(is_known, momentum * old + (1.0 - momentum) * observed, observed)
    length = np.linalg.norm(mixed, axis=1, keepdims=True)
    unit = mixed / np.maximum(length, _MIN_LENGTH)
    return np.where(is_observed & (length > _MIN_LENGTH), unit, old)


def recognise(
    distance: Float[np.ndarray, 'track person'],
    is_sought: Bool[np.ndarray, 'track'],
    is_candidate: Bool[np.ndarray, 'person'],
    max_distance: float,
) -> Assignment:
    """Match missing tracks with people who look like them, wherever these are.

    Args:
        distance: embedding distance, [0, 2]; NaN where either look is unknown.
        is_sought: tracks that are missing.
        is_candidate: people who may be one of them.
        max_distance: at this distance and above people are not the same.
    """
    allowed = (distance < max_distance) & is_sought[:, None] & is_candidate
    return assign(2.0 - distance, allowed)
