"""How a track learns what its person looks like, and how missing people are known again."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.tracking.association import Assignment, assign
from pose_tracking_ros.tracking.row_sums import row_sums

# Averages shorter than this come from looks that contradict each other and say nothing.
_MIN_LENGTH = 1e-3


def known_looks(embeddings: Float[np.ndarray, 'person dim']) -> Bool[np.ndarray, 'person']:
    """Return whose appearance is known: zero stands for "unknown", or no dimensions at all.

    Raises:
        ValueError: a vector has neither unit length nor length 0, to 1 %: distances rely on it.
    """
    squared = _squared_lengths(embeddings)
    wrong = [value for value in squared.tolist() if value and not 0.98 <= value <= 1.02]
    if wrong:
        raise ValueError(
            f'embeddings: expected vectors of unit length, or zero where unknown; '
            f'got length {math.sqrt(wrong[0]):.3g}: normalise them'
        )
    is_known: Bool[np.ndarray, 'person'] = squared.astype(np.bool_)
    return is_known


def _squared_lengths(vectors: Float[np.ndarray, 'row dim']) -> Float[np.ndarray, 'row']:
    """Return the product of each row with itself."""
    return row_sums(vectors * vectors)


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
    mixed = momentum * old
    mixed += (1.0 - momentum) * observed
    length = np.sqrt(_squared_lengths(mixed))
    if all(one > _MIN_LENGTH for one in length.tolist()):
        # Where only one of the two is known, this is that one.
        mixed /= length[:, None]
        return mixed
    is_void = length <= _MIN_LENGTH
    is_known = old.any(axis=1, keepdims=True)
    unit = mixed / np.maximum(length, _MIN_LENGTH)[:, None]
    return np.where(is_void[:, None], np.where(is_known, old, observed), unit)


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
