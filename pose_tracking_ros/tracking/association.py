"""Which track is which person: the best assignment among the pairs that are allowed at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True, eq=False)
class Assignment:
    """The outcome of one assignment. Indices are in rising order.

    Attributes:
        tracks: matched tracks.
        people: for each of them, its person.
        unmatched_tracks: tracks left over.
        unmatched_people: people left over.
    """

    tracks: Int[np.ndarray, 'match']
    people: Int[np.ndarray, 'match']
    unmatched_tracks: Int[np.ndarray, 'rest']
    unmatched_people: Int[np.ndarray, 'other']


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
    weight = np.where(allowed, similarity, 0.0)
    if not (weight >= 0.0).all() or np.isinf(weight).any():
        raise ValueError('similarity: expected finite values of at least 0 where allowed')
    rows, columns = linear_sum_assignment(weight, maximize=True)
    kept = allowed[rows, columns]
    tracks, people = rows[kept], columns[kept]
    is_track_free = np.ones(weight.shape[0], dtype=bool)
    is_track_free[tracks] = False
    is_person_free = np.ones(weight.shape[1], dtype=bool)
    is_person_free[people] = False
    return Assignment(
        tracks=tracks,
        people=people,
        unmatched_tracks=np.flatnonzero(is_track_free),
        unmatched_people=np.flatnonzero(is_person_free),
    )
