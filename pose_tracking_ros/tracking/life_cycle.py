"""How a track's state follows from what was seen of it.

TENTATIVE -> CONFIRMED <-> OCCLUDED, LOST -> CONFIRMED again or REMOVED. All rules are in seconds
of image time or in shares of images, so they hold at any frame rate.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.track_arrays import TrackArrays

# Stamps are sums of frame intervals: 3 x 0.05 s is not exactly 0.15 s.
_ROUNDING_S = 1e-6
# Members of an enumeration are slow to look up; these are compared with whole arrays per image.
_TENTATIVE, _CONFIRMED, _OCCLUDED, _LOST, _REMOVED = (
    int(state)
    for state in (
        TrackState.TENTATIVE,
        TrackState.CONFIRMED,
        TrackState.OCCLUDED,
        TrackState.LOST,
        TrackState.REMOVED,
    )
)
# By whether a detection was judged hidden.
_WHEN_SEEN = np.array([_CONFIRMED, _OCCLUDED])


def is_on_probation(
    tracks: TrackArrays, age_s: Float[np.ndarray, 'track'], settings: TrackerSettings
) -> Bool[np.ndarray, 'track']:
    """Return new tracks that may turn out to be a missing person.

    Whoever comes back into view does so bit by bit, and can be recognised only when most of the
    body is seen. Giving out an identity before that would mean to change it a moment later.
    """
    is_missing = ~tracks.is_matched & (tracks.states != _TENTATIVE)
    has_embedding = tracks.has_embedding
    if not any((is_missing & has_embedding).tolist()):
        return np.zeros(len(tracks), dtype=np.bool_)
    is_unjudged: Bool[np.ndarray, 'track'] = ~has_embedding & (age_s < settings.max_probation_s)
    return is_unjudged


def next_states(
    tracks: TrackArrays, stamp_s: float, settings: TrackerSettings
) -> Int[np.ndarray, 'track']:
    """Return each track's state after this image, a `TrackState`.

    - A tentative track is confirmed once it is old enough and was seen in two images and in at
      least half of all; it is removed when seen in fewer or not for `lost_after_s`.
    - A track with a detection is CONFIRMED, or OCCLUDED when the detection was judged hidden.
    - A track without one is OCCLUDED while somebody stands in front of where it is expected,
      stays as it is for `lost_after_s`, is then LOST, and REMOVED after `max_lost_s`.

    Args:
        tracks: the tracks with this image's detections, previous states and occluders.
        stamp_s: time of this image, s.
        settings: the durations.
    """
    states, is_matched = tracks.states, tracks.is_matched
    after = _WHEN_SEEN.take(tracks.is_hidden)
    has_unmatched, has_tentative = not all(is_matched.tolist()), _TENTATIVE in states.tolist()
    if not (has_unmatched or has_tentative):
        return after

    is_tentative = states == _TENTATIVE
    unseen_s = stamp_s - tracks.matched_s
    is_overdue = unseen_s > settings.lost_after_s + _ROUNDING_S
    seen_in_half = 2 * tracks.matches >= tracks.updates
    if has_unmatched:
        is_behind = (tracks.occluder_ids > 0) & (states != _LOST)
        without_detection = np.where(is_behind, _OCCLUDED, np.where(is_overdue, _LOST, states))
        after = np.where(is_matched, after, without_detection)
    if has_tentative:
        age_s = stamp_s - tracks.born_s
        is_old_enough = age_s >= settings.confirm_after_s - _ROUNDING_S
        confirmed = is_tentative & is_matched & is_old_enough & seen_in_half
        confirmed &= tracks.matches >= 2
        if any(confirmed.tolist()):
            confirmed &= ~is_on_probation(tracks, age_s, settings)
        after[is_tentative & ~confirmed] = _TENTATIVE
    if has_unmatched:
        was_noise = is_tentative & (is_overdue | ~seen_in_half)
        is_gone = unseen_s > settings.max_lost_s + _ROUNDING_S
        after[~is_matched & (was_noise | is_gone)] = _REMOVED
    return after
