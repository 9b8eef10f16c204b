"""Who is who in one image: matching in three rounds, from the surest to the boldest.

1. All tracks and all good detections at once, by the strategy's similarity.
2. Tracks in view that are left over, and weak detections.
3. Missing people, recognised by their looks anywhere in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import People, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.appearance import recognise
from pose_tracking_ros.tracking.association import assign, has_repeats
from pose_tracking_ros.tracking.cues import Cues
from pose_tracking_ros.tracking.occlusion import Visibility
from pose_tracking_ros.tracking.strategies import Strategy
from pose_tracking_ros.tracking.track_arrays import TrackArrays

NOBODY = -1


# Not frozen: see `occlusion`.
@dataclass(eq=False)
class Matches:
    """The outcome for one image.

    Attributes:
        person_of: for each track the index of its person, or `NOBODY`.
        stand_in_of: for each track that was found by looks alone, the index of the tentative track
            which had its detection and thereby turns out to be the same person, or `NOBODY`.
    """

    person_of: Int[np.ndarray, 'track']
    stand_in_of: dict[int, int]


def in_canonical_order(people: People) -> People:
    """Return the people from left to right, ties broken by everything else that is known.

    The assignment may choose between equally good solutions by order, and new identities are
    given out in order: neither may depend on how the detector sorts.
    """
    if len(people) < 2:
        return people
    left = people.boxes[:, 0]
    if not has_repeats(left):
        return people.select(left.argsort())
    keys = [
        people.embeddings.sum(axis=1),
        np.nansum(people.keypoints, axis=(1, 2)),
        people.keypoint_scores.sum(axis=1),
        people.scores,
        *people.boxes[:, ::-1].T,
    ]
    return people.select(np.lexsort(keys))


def match_people(
    tracks: TrackArrays,
    people: People,
    visibility: Visibility,
    unseen_s: Float[np.ndarray, 'track'],
    is_missing: Bool[np.ndarray, 'track'],
    strategy: Strategy,
    settings: TrackerSettings,
) -> Matches:
    """Match tracks and people.

    Args:
        tracks: the tracks, with `moments` predicted to this image; not changed.
        people: this image's people.
        visibility: of the people.
        unseen_s: time since each track's last detection, s.
        is_missing: tracks that had no detection for a while before this image.
        strategy: how tracks and people are compared.
        settings: thresholds.
    """
    # Filled, for `np.full` takes twice as long for a few tracks.
    person_of = np.empty(len(tracks), np.int64)
    person_of.fill(NOBODY)
    matches = Matches(person_of=person_of, stand_in_of={})
    if len(tracks) == 0 or len(people) == 0:
        return matches
    cues = Cues(
        tracks=tracks,
        boxes=visibility.boxes,
        image_size=people.image_size,
        keypoints=people.keypoints,
        embeddings=people.embeddings,
        visibility=visibility,
        unseen_s=unseen_s,
        is_missing=is_missing,
    )
    stages = strategy.stages(cues, settings)
    is_strong = people.scores >= settings.min_strong_score
    has_weak, has_missing = not all(is_strong.tolist()), any(is_missing.tolist())
    _match_left_over(person_of, stages, is_strong if has_weak else None)
    if not (has_weak or has_missing):
        return matches
    is_tentative = tracks.states == int(TrackState.TENTATIVE)
    if has_weak:
        # Weak detections are mostly hidden people or noise: they may continue a track that is in
        # view, nothing else.
        _match_left_over(person_of, stages, ~is_strong, ~is_missing & ~is_tentative)
    if has_missing and strategy.recovers_by_appearance:
        is_sought = is_missing & (person_of < 0) & ~is_tentative & tracks.has_embedding
        if any(is_sought.tolist()):
            is_candidate = strategy.trusts_appearance(visibility) & (
                people.scores >= settings.min_new_track_score
            )
            _recover(matches, cues, is_sought, is_tentative, is_candidate, settings)
    return matches


def _match_left_over(
    person_of: Int[np.ndarray, 'track'],
    stages: list[tuple[Float[np.ndarray, 'track person'], Bool[np.ndarray, 'track person']]],
    is_candidate: Bool[np.ndarray, 'person'] | None = None,
    is_open: Bool[np.ndarray, 'track'] | None = None,
) -> None:
    """Match open tracks and candidates nobody has, stage by stage; changes `person_of`.

    Args:
        person_of: for each track the index of its person, or `NOBODY`.
        stages: similarity and gate of each.
        is_candidate: who may be matched; everybody if not given.
        is_open: tracks that may be; all if not given.
    """
    for similarity, allowed in stages:
        if is_candidate is not None:
            allowed = allowed & is_candidate
        if is_open is not None:
            allowed = allowed & is_open[:, None]
        if max(person_of.tolist()) != NOBODY:
            is_matched = person_of >= 0
            # The gate is the strategy's, which may use it twice.
            allowed = allowed & ~is_matched[:, None]
            allowed[:, person_of[is_matched]] = False
        found = assign(similarity, allowed)
        person_of[found.tracks] = found.people


def _recover(
    matches: Matches,
    cues: Cues,
    is_sought: Bool[np.ndarray, 'track'],
    is_tentative: Bool[np.ndarray, 'track'],
    is_candidate: Bool[np.ndarray, 'person'],
    settings: TrackerSettings,
) -> None:
    """Find missing people by their looks, wherever they are; changes `matches`.

    They may take detections that nobody has, or that only a tentative track has: that one was
    the same person all along.
    """
    person_of = matches.person_of
    is_taken = np.zeros(len(is_candidate), dtype=np.bool_)
    is_taken[person_of[(person_of >= 0) & ~is_tentative]] = True
    found = recognise(
        cues.distance, is_sought, is_candidate & ~is_taken, settings.max_recovery_distance
    )
    for track, person in zip(found.tracks.tolist(), found.people.tolist(), strict=True):
        stand_ins = np.flatnonzero(person_of == person).tolist()
        person_of[stand_ins] = NOBODY
        person_of[track] = person
        matches.stand_in_of[track] = stand_ins[0] if stand_ins else NOBODY
