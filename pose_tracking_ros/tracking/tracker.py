"""The tracker: from each image's people to people with identities."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from jaxtyping import Bool, Int

from pose_tracking_ros.people import EventKind, People, Track, TrackEvent, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.appearance import blend_embeddings, recognise
from pose_tracking_ros.tracking.association import assign
from pose_tracking_ros.tracking.life_cycle import next_states
from pose_tracking_ros.tracking.occlusion import (
    Visibility,
    find_occluders,
    judge_visibility,
)
from pose_tracking_ros.tracking.similarity import pairwise_iou
from pose_tracking_ros.tracking.snapshot import take_snapshot
from pose_tracking_ros.tracking.strategies import STRATEGIES, Cues
from pose_tracking_ros.tracking.track_arrays import TrackArrays

# A smaller overlap with a nearer person is not what made somebody disappear.
_MIN_OCCLUDER_SHARE = 0.3
# Boxes of partly hidden people shift and shrink without the person moving.
_HIDDEN_NOISE_SCALE = 3.0
# However short `max_lost_s` is, a track may be continued after a gap between images of this.
_MIN_MEMORY_S = 1.0
_MAX_WAITING_EVENTS = 10_000
_NOBODY = -1


class Tracker:
    """Links people over time and gives them identities.

    Identities count up from 1 for as long as the object lives, also across sessions. The result
    depends on the detections and stamps only, not on the order of the detections in an image.
    Two trackers share nothing. Not safe for use from several threads at once.

    Args:
        settings: thresholds and durations; the defaults if not given.
        model: constants of the motion filter; the defaults if not given.
    """

    def __init__(
        self,
        settings: TrackerSettings | None = None,
        model: motion.MotionModel | None = None,
    ) -> None:
        self._settings = settings or TrackerSettings()
        self._model = model or motion.MotionModel()
        self._strategy = STRATEGIES[self._settings.strategy]
        self._tracks = TrackArrays.none()
        self._events: deque[TrackEvent] = deque(maxlen=_MAX_WAITING_EVENTS)
        self._next_id = 1
        self._session_id = 1
        self._stamp_s: float | None = None

    @property
    def session_id(self) -> int:
        """Number of the present session, from 1; one more after each reset."""
        return self._session_id

    @property
    def settings(self) -> TrackerSettings:
        """The settings in use."""
        return self._settings

    @property
    def _memory_s(self) -> float:
        """For how long a track can be continued, s."""
        return max(self._settings.max_lost_s, _MIN_MEMORY_S)

    def apply_settings(self, settings: TrackerSettings) -> None:
        """Use other settings from the next image on; tracks stay."""
        self._settings = settings
        self._strategy = STRATEGIES[settings.strategy]

    def reset(self) -> None:
        """Forget all tracks and begin a new session. Events not yet taken stay."""
        self._tracks = TrackArrays.none()
        self._stamp_s = None
        self._session_id += 1

    def take_events(self) -> list[TrackEvent]:
        """Return what happened since the last call, oldest first.

        If nobody ever calls, only the latest 10,000 events are kept.
        """
        events = list(self._events)
        self._events.clear()
        return events

    def update(self, people: People, stamp_s: float) -> list[Track]:
        """Take in one image's people, also when there are none.

        Args:
            people: the detections, in any order.
            stamp_s: time of the image, s. The same stamp again is an update without passage of
                time; a stamp before the previous one starts a new session first.

        Returns:
            All living tracks in the order of their ids: tentative, confirmed, occluded and lost
            ones, the latter with what the motion filter expects. The arrays are the caller's.

        Raises:
            ValueError: the stamp is not finite. The tracker is as before.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(
                f'stamp_s: expected the time of the image in seconds, a finite number; '
                f'got {stamp_s}'
            )
        if self._stamp_s is not None and stamp_s < self._stamp_s:
            self.reset()
        people = _in_canonical_order(people)
        if len(people):
            self._tracks.adapt(people.keypoints.shape[1], people.embeddings.shape[1])
        previous_s = stamp_s if self._stamp_s is None else self._stamp_s
        self._advance(stamp_s, previous_s)
        visibility = judge_visibility(people, self._settings)
        person_of, is_reidentified = self._associate(people, visibility, stamp_s, previous_s)
        self._take_over(people, visibility, person_of, is_reidentified, stamp_s)
        self._start_tracks(people, visibility, person_of, stamp_s)
        self._live(is_reidentified, stamp_s)
        self._stamp_s = stamp_s
        return take_snapshot(
            tracks=self._tracks,
            image_size=people.image_size,
            stamp_s=stamp_s,
            memory_s=self._memory_s,
        )

    def _advance(self, stamp_s: float, previous_s: float) -> None:
        """Predict to this image; drop whom too long a gap between images has made obsolete."""
        tracks = self._tracks
        is_obsolete = stamp_s - tracks.matched_s > self._memory_s + 1e-6
        if is_obsolete.any():
            self._remove(is_obsolete, stamp_s)
        tracks.moments = motion.predict(
            tracks.moments, stamp_s - previous_s, ~tracks.is_matched, self._model
        )

    def _associate(
        self, people: People, visibility: Visibility, stamp_s: float, previous_s: float
    ) -> tuple[Int[np.ndarray, 'track'], Bool[np.ndarray, 'track']]:
        """Return each track's person or -1, and which tracks were found by looks alone."""
        tracks, settings = self._tracks, self._settings
        person_of = np.full(len(tracks), _NOBODY)
        is_reidentified = np.zeros(len(tracks), dtype=np.bool_)
        if len(tracks) == 0 or len(people) == 0:
            return person_of, is_reidentified
        cues = Cues(
            tracks=tracks,
            boxes=people.boxes.astype(np.float64),
            image_size=people.image_size,
            keypoints=people.keypoints,
            embeddings=people.embeddings,
            visibility=visibility,
            unseen_s=stamp_s - tracks.matched_s,
            is_missing=previous_s - tracks.matched_s > settings.lost_after_s,
        )
        similarity, allowed = self._strategy.compare(cues, settings)
        is_strong = people.scores >= settings.min_strong_score
        first = assign(similarity, allowed & is_strong)
        person_of[first.tracks] = first.people
        if not is_strong.all():
            # Weak detections are mostly hidden people or noise: they may continue a track that
            # is in view, nothing else.
            is_open = (person_of < 0) & ~cues.is_missing & (tracks.states != TrackState.TENTATIVE)
            second = assign(similarity, allowed & ~is_strong & is_open[:, None])
            person_of[second.tracks] = second.people
        if self._strategy.recovers_by_appearance:
            self._recover(people, visibility, cues, person_of, is_reidentified)
        return person_of, is_reidentified

    def _recover(
        self,
        people: People,
        visibility: Visibility,
        cues: Cues,
        person_of: Int[np.ndarray, 'track'],
        is_reidentified: Bool[np.ndarray, 'track'],
    ) -> None:
        """Find missing people by their looks, wherever they are; changes the last two arguments.

        They may take detections that nobody has, or only a track that is still tentative: the
        latter was the same person all along and ends.
        """
        tracks, settings = self._tracks, self._settings
        is_tentative = tracks.states == TrackState.TENTATIVE
        is_sought = cues.is_missing & (person_of < 0) & ~is_tentative & tracks.has_embedding
        if not is_sought.any():
            return
        is_taken = np.zeros(len(people), dtype=np.bool_)
        is_taken[person_of[(person_of >= 0) & ~is_tentative]] = True
        is_candidate = (
            ~is_taken
            & self._strategy.trusts_appearance(visibility)
            & (people.scores >= settings.min_new_track_score)
        )
        found = recognise(cues.distance, is_sought, is_candidate, settings.max_recovery_distance)
        for track, person in zip(found.tracks, found.people, strict=True):
            stand_in = np.flatnonzero(person_of == person)
            if len(stand_in):
                # It knows how the person moves by now.
                tracks.moments[track] = tracks.moments[stand_in[0]]
                person_of[stand_in[0]] = _NOBODY
                tracks.states[stand_in[0]] = TrackState.REMOVED
            else:
                tracks.moments[track] = motion.start(people.boxes[[person]], self._model)[0]
            person_of[track] = person
            is_reidentified[track] = True

    def _take_over(
        self,
        people: People,
        visibility: Visibility,
        person_of: Int[np.ndarray, 'track'],
        is_reidentified: Bool[np.ndarray, 'track'],
        stamp_s: float,
    ) -> None:
        """Bring the tracks up to date with their detections."""
        tracks = self._tracks
        matched = np.flatnonzero(person_of >= 0)
        person = person_of[matched]
        boxes = people.boxes[person].astype(np.float64)
        moments = tracks.moments[matched]
        measured, is_cut = motion.complete_boxes(
            boxes, moments[:, motion.POSITION, 2:], people.image_size
        )
        is_vague = visibility.is_occluded[person] | is_cut
        noise = np.where(is_vague, _HIDDEN_NOISE_SCALE, 1.0)
        tracks.moments[matched] = motion.correct(moments, measured, noise, self._model)
        tracks.updates += 1
        tracks.matches[matched] += 1
        tracks.is_matched = person_of >= 0
        tracks.matched_s[matched] = stamp_s
        tracks.scores[matched] = people.scores[person]
        tracks.visibility[:] = 0.0
        tracks.visibility[matched] = visibility.visibility[person]
        tracks.is_hidden[matched] = visibility.is_occluded[person]
        tracks.last_boxes[matched] = boxes
        tracks.boxes = motion.boxes_of(tracks.moments)
        tracks.boxes[matched] = boxes
        if len(matched) == 0:
            return
        tracks.keypoints[matched] = people.keypoints[person]
        tracks.keypoint_scores[matched] = people.keypoint_scores[person]
        tracks.seen[matched] = visibility.seen[person]
        is_trusted = self._strategy.trusts_appearance(visibility)[person]
        learning, shown = matched[is_trusted], person[is_trusted]
        tracks.embeddings[learning] = blend_embeddings(
            tracks.embeddings[learning],
            people.embeddings[shown],
            self._settings.embedding_momentum,
        )

    def _start_tracks(
        self,
        people: People,
        visibility: Visibility,
        person_of: Int[np.ndarray, 'track'],
        stamp_s: float,
    ) -> None:
        """Begin tracks for good detections that nobody has."""
        settings = self._settings
        is_taken = np.zeros(len(people), dtype=np.bool_)
        is_taken[person_of[person_of >= 0]] = True
        is_new = ~is_taken & (people.scores >= settings.min_new_track_score)
        if is_taken.any() and is_new.any():
            overlap = pairwise_iou(people.boxes, people.boxes[is_taken]).max(axis=1)
            is_new &= overlap <= settings.max_new_track_overlap
        which = np.flatnonzero(is_new)
        count = len(which)
        if count == 0:
            return
        self._tracks.append(
            TrackArrays.begin(
                people,
                visibility,
                which,
                self._strategy.trusts_appearance(visibility),
                self._next_id,
                stamp_s,
                self._model,
            )
        )
        self._next_id += count

    def _live(self, is_reidentified: Bool[np.ndarray, 'track'], stamp_s: float) -> None:
        """Move every track on in its life, tell what happened, and let the dead go."""
        tracks = self._tracks
        tracks.occluder_ids = find_occluders(
            tracks.boxes, tracks.ids, tracks.is_matched, _MIN_OCCLUDER_SHARE
        )
        before = tracks.states
        is_ended = before == TrackState.REMOVED
        after = next_states(tracks, stamp_s, self._settings)
        after[is_ended] = TrackState.REMOVED
        reidentified = np.zeros(len(tracks), dtype=np.bool_)
        reidentified[: len(is_reidentified)] = is_reidentified
        was_lost = before == TrackState.LOST
        self._tell(
            EventKind.BORN,
            (before == TrackState.TENTATIVE)
            & (after != TrackState.TENTATIVE)
            & (after != TrackState.REMOVED),
            stamp_s,
        )
        self._tell(EventKind.REIDENTIFIED, reidentified, stamp_s)
        self._tell(EventKind.RECOVERED, was_lost & tracks.is_matched & ~reidentified, stamp_s)
        self._tell(EventKind.LOST, ~was_lost & (after == TrackState.LOST), stamp_s)
        is_removed = (after == TrackState.REMOVED) | self._surplus()
        if is_removed.any():
            self._remove(is_removed, stamp_s)
            after = after[~is_removed]
        tracks.states = after

    def _surplus(self) -> Bool[np.ndarray, 'track']:
        """Return the tracks beyond `max_tracks`: those unseen for longest, then the youngest."""
        tracks = self._tracks
        is_surplus = np.zeros(len(tracks), dtype=np.bool_)
        limit = self._settings.max_tracks
        if len(tracks) > limit:
            is_surplus[np.lexsort((tracks.ids, -tracks.matched_s))[limit:]] = True
        return is_surplus

    def _remove(self, which: Bool[np.ndarray, 'track'], stamp_s: float) -> None:
        """Forget tracks. Those that were never confirmed go without an event."""
        tracks = self._tracks
        was_announced = (tracks.states != TrackState.TENTATIVE) & (
            tracks.states != TrackState.REMOVED
        )
        self._tell(EventKind.REMOVED, which & was_announced, stamp_s)
        tracks.keep(~which)

    def _tell(self, kind: EventKind, which: Bool[np.ndarray, 'track'], stamp_s: float) -> None:
        for track_id in self._tracks.ids[which].tolist():
            self._events.append(TrackEvent(kind=kind, track_id=track_id, stamp_s=stamp_s))


def _in_canonical_order(people: People) -> People:
    """Return the people from left to right, ties broken by everything else that is known.

    The assignment may choose between equally good solutions by order, and new identities are
    given out in order: neither may depend on how the detector sorts.
    """
    if len(people) < 2:
        return people
    keys = [
        people.embeddings.sum(axis=1),
        np.nansum(people.keypoints, axis=(1, 2)),
        people.keypoint_scores.sum(axis=1),
        people.scores,
        *people.boxes[:, ::-1].T,
    ]
    return people.select(np.lexsort(keys))
