"""Which track is which person: the best assignment among the pairs that are allowed at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.optimize import linear_sum_assignment


# Not frozen: see `occlusion`.
@dataclass(eq=False)
class Assignment:
    """The outcome of one assignment. Indices are in rising order of the tracks.

    Attributes:
        tracks: matched tracks.
        people: for each of them, its person.
        shape: how many tracks and people there were.
    """

    tracks: Int[np.ndarray, 'match']
    people: Int[np.ndarray, 'match']
    shape: tuple[int, int]

    @property
    def unmatched_tracks(self) -> Int[np.ndarray, 'rest']:
        """Tracks left over."""
        return np.setdiff1d(np.arange(self.shape[0]), self.tracks, assume_unique=True)

    @property
    def unmatched_people(self) -> Int[np.ndarray, 'other']:
        """People left over."""
        return np.setdiff1d(np.arange(self.shape[1]), self.people, assume_unique=True)


def has_repeats(values: Shaped[np.ndarray, 'value']) -> bool:
    """Return whether a value occurs twice."""
    # A set is quicker than any function of arrays, up to hundreds of values.
    return len(set(values.tolist())) < len(values)


def assign(
    similarity: Float[np.ndarray, 'track person'], allowed: Bool[np.ndarray, 'track person']
) -> Assignment:
    """Match tracks and people so that the sum of similarities is largest (Hungarian method).

    Pairs that are not allowed weigh as much as staying unmatched, so they are never matched and
    never displace an allowed pair. A gate applied after the assignment would do the latter.

    Args:
        similarity: above 0 for allowed pairs; ignored (also NaN) elsewhere.
        allowed: the gate.

    Raises:
        ValueError: an allowed pair has a similarity that is not finite or is below 0.
    """
    tracks, people = allowed.nonzero()
    weights = similarity[tracks, people]
    # NaN compares false. Of a few numbers Python's own comparisons are quicker than NumPy's.
    if not all(0.0 <= weight < math.inf for weight in weights.tolist()):
        raise ValueError('similarity: expected finite values of at least 0 where allowed')
    if has_repeats(tracks) or has_repeats(people):
        dense = np.zeros(allowed.shape)
        dense[tracks, people] = weights
        rows, columns = linear_sum_assignment(dense, maximize=True)
        kept = allowed[rows, columns]
        tracks, people = rows[kept], columns[kept]
    return Assignment(tracks, people, allowed.shape)
