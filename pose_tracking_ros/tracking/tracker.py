"""The tracker: from each image's people to people with identities."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import EventKind, People, Track, TrackEvent, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.appearance import blend_embeddings
from pose_tracking_ros.tracking.camera_warp import move_tracks
from pose_tracking_ros.tracking.duplicates import DuplicateFinder
from pose_tracking_ros.tracking.life_cycle import next_states
from pose_tracking_ros.tracking.matching import (
    NOBODY,
    Matches,
    in_canonical_order,
    match_people,
)
from pose_tracking_ros.tracking.occlusion import (
    MIN_OCCLUDER_SHARE,
    Visibility,
    find_occluders,
    judge_visibility,
)
from pose_tracking_ros.tracking.pose_motion import learn_usual_poses
from pose_tracking_ros.tracking.similarity import pairwise_iou
from pose_tracking_ros.tracking.snapshot import take_snapshot
from pose_tracking_ros.tracking.strategies import STRATEGIES
from pose_tracking_ros.tracking.track_arrays import TrackArrays

# Of people in full view, and of those partly hidden: their boxes shift and shrink without the
# person moving.
_NOISE_SCALES = np.array([1.0, 3.0])
# However short `max_lost_s` is, a track may be continued after a gap between images of this.
_MIN_MEMORY_S = 1.0
_MAX_WAITING_EVENTS = 10_000
# Usual poses are averages over half a second: more observations than this say little more.
_LEARN_POSES_EVERY_S = 0.09
# Comparing arrays with members of an enumeration is slow.
_TENTATIVE, _LOST = int(TrackState.TENTATIVE), int(TrackState.LOST)
_REMOVED = int(TrackState.REMOVED)


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
        self._duplicates = DuplicateFinder()
        self._events: deque[TrackEvent] = deque(maxlen=_MAX_WAITING_EVENTS)
        self._next_id = 1
        self._session_id = 1
        self._stamp_s: float | None = None
        self._poses_learnt_s = -math.inf

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
        self._duplicates = DuplicateFinder()
        self._stamp_s = None
        self._poses_learnt_s = -math.inf
        self._session_id += 1

    def take_events(self) -> list[TrackEvent]:
        """Return what happened since the last call, oldest first.

        If nobody ever calls, only the latest 10,000 events are kept.
        """
        events = list(self._events)
        self._events.clear()
        return events

    def update(
        self,
        people: People,
        stamp_s: float,
        camera_affine: Float[np.ndarray, '2 3'] | None = None,
    ) -> list[Track]:
        """Take in one image's people, also when there are none.

        Args:
            people: the detections, in any order.
            stamp_s: time of the image, s. The same stamp again is an update without passage of
                time; a stamp before the previous one starts a new session first.
            camera_affine: maps positions in the previous image to where they are in this one, px,
                when the camera itself moved (see `camera_motion`); None when it stands still.
                Velocities are then relative to what stands still.

        Returns:
            All living tracks in the order of their ids: tentative, confirmed, occluded and lost
            ones, the latter with what the motion filter expects. The arrays are the caller's.

        Raises:
            ValueError: the stamp or the camera's motion is not finite, or an embedding has
                neither unit length nor length 0. The tracker is as before.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(
                f'stamp_s: expected the time of the image in seconds, a finite number; '
                f'got {stamp_s}'
            )
        if camera_affine is not None:
            camera_affine = np.asarray(camera_affine, np.float64)
            if camera_affine.shape != (2, 3) or not np.isfinite(camera_affine).all():
                raise ValueError(
                    f'camera_affine: expected 2 x 3 finite numbers, got {camera_affine.tolist()}'
                )
        people = in_canonical_order(people)
        visibility = judge_visibility(people, self._settings)
        if self._stamp_s is not None and stamp_s < self._stamp_s:
            self.reset()
        if len(people):
            self._tracks.adapt(people.keypoints.shape[1], people.embeddings.shape[1])
        previous_s = stamp_s if self._stamp_s is None else self._stamp_s
        if camera_affine is not None and len(self._tracks):
            move_tracks(self._tracks, camera_affine)
        self._advance(stamp_s, previous_s)
        matches = match_people(
            tracks=self._tracks,
            people=people,
            visibility=visibility,
            unseen_s=stamp_s - self._tracks.matched_s,
            is_missing=previous_s - self._tracks.matched_s > self._settings.lost_after_s,
            strategy=self._strategy,
            settings=self._settings,
        )
        self._take_over(people, visibility, matches, stamp_s)
        person_of = self._start_tracks(people, visibility, matches, stamp_s)
        self._tracks.occluder_ids = find_occluders(
            self._tracks.boxes, self._tracks.ids, person_of, visibility, MIN_OCCLUDER_SHARE
        )
        duplicates = self._duplicates.find(
            self._tracks, person_of, visibility, stamp_s, self._settings
        )
        self._live(matches, duplicates, stamp_s)
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
        limit_s = self._memory_s + 1e-6
        if stamp_s - min(tracks.matched_s.tolist(), default=stamp_s) > limit_s:
            self._remove(stamp_s - tracks.matched_s > limit_s, stamp_s)
        tracks.moments = motion.predict(
            tracks.moments, stamp_s - previous_s, ~tracks.is_matched, self._model
        )

    def _take_over(
        self,
        people: People,
        visibility: Visibility,
        matches: Matches,
        stamp_s: float,
    ) -> None:
        """Bring the tracks up to date with their detections."""
        tracks, person_of = self._tracks, matches.person_of
        self._restart_motion(people, matches)
        tracks.is_matched = person_of >= 0
        if _TENTATIVE in tracks.states.tolist():
            tracks.updates += 1
            tracks.matches += tracks.is_matched
        (matched,) = tracks.is_matched.nonzero()
        # Whole arrays are taken over much faster than chosen rows, and mostly everybody is found.
        rows: Int[np.ndarray, 'match'] | slice = slice(None)
        if len(matched) < len(tracks):
            rows = matched
            tracks.visibility[:] = 0.0
            tracks.boxes = motion.boxes_of(tracks.moments)
        if len(matched) == 0:
            return
        person = person_of[rows]
        boxes = visibility.boxes.T.take(person, axis=1).T
        is_hidden = visibility.is_occluded.take(person)
        is_cut = visibility.is_cut.T.take(person, axis=1).T
        keypoints = people.keypoints.take(person, axis=0)
        seen = visibility.seen.take(person, axis=0)
        elapsed_s = stamp_s - self._poses_learnt_s
        if elapsed_s >= _LEARN_POSES_EVERY_S:
            self._poses_learnt_s = stamp_s
            is_sure = seen & ~is_hidden[:, None]
            tracks.usual_poses[rows] = learn_usual_poses(
                tracks.usual_poses[rows], keypoints, boxes, is_sure, elapsed_s
            )
        tracks.matched_s[rows] = stamp_s
        tracks.scores[rows] = people.scores.take(person)
        tracks.boxes[rows] = boxes
        tracks.write(
            rows,
            visibility=visibility.visibility.take(person),
            is_hidden=is_hidden,
            last_boxes=boxes,
            moments=self._corrected(tracks.moments[rows], boxes, is_hidden, is_cut),
            keypoints=keypoints,
            keypoint_scores=people.keypoint_scores.take(person, axis=0),
            seen=seen,
        )
        is_trusted = self._strategy.trusts_appearance(visibility)
        self._learn(people, rows, person, is_trusted.take(person))

    def _corrected(
        self,
        moments: Float[np.ndarray, 'track 5 4'],
        boxes: Float[np.ndarray, 'track 4'],
        is_hidden: Bool[np.ndarray, 'track'],
        is_cut: Bool[np.ndarray, 'track 4'],
    ) -> Float[np.ndarray, 'track 5 4']:
        """Return the motion of tracks, given the boxes of their detections."""
        is_vague = is_hidden
        if np.count_nonzero(is_cut):
            expected_sizes = moments[:, motion.POSITION, 2:]
            boxes, was_completed = motion.complete_boxes(boxes, is_cut, expected_sizes)
            is_vague = is_hidden | was_completed
        noise_scales = _NOISE_SCALES.take(is_vague) if any(is_vague.tolist()) else None
        return motion.correct(moments, boxes, noise_scales, self._model)

    def _learn(
        self,
        people: People,
        rows: Int[np.ndarray, 'match'] | slice,
        person: Int[np.ndarray, 'match'],
        is_shown: Bool[np.ndarray, 'match'],
    ) -> None:
        """Make the looks of those who can be recognised part of their tracks' looks."""
        tracks = self._tracks
        if not all(is_shown.tolist()):
            rows, person = np.arange(len(tracks))[rows][is_shown], person[is_shown]
        if len(person) == 0:
            return
        looks = blend_embeddings(
            tracks.embeddings[rows],
            people.embeddings.take(person, axis=0),
            self._settings.embedding_momentum,
        )
        tracks.write(rows, embeddings=looks)
        tracks.has_embedding[rows] = True

    def _restart_motion(self, people: People, matches: Matches) -> None:
        """Let those who were found by their looks forget where they were expected."""
        tracks = self._tracks
        for track, stand_in in matches.stand_in_of.items():
            if stand_in == NOBODY:
                box = people.boxes[[matches.person_of[track]]]
                tracks.moments[track] = motion.start(box, self._model)[0]
            else:
                # It knows how the person moves by now.
                tracks.moments[track] = tracks.moments[stand_in]

    def _start_tracks(
        self,
        people: People,
        visibility: Visibility,
        matches: Matches,
        stamp_s: float,
    ) -> Int[np.ndarray, 'track']:
        """Begin tracks for good detections that nobody has.

        Returns:
            For each track, the new ones too, the index of its person, or `NOBODY`.
        """
        settings, person_of = self._settings, matches.person_of
        if self._tracks.is_matched.tolist().count(True) == len(people):
            return person_of
        is_taken = np.zeros(len(people), dtype=np.bool_)
        is_taken[person_of[person_of >= 0]] = True
        is_new = ~is_taken & (people.scores >= settings.min_new_track_score)
        if any(is_taken.tolist()) and any(is_new.tolist()):
            overlap = pairwise_iou(people.boxes, people.boxes[is_taken]).max(axis=1)
            # Somebody all but covered by a nearer person could not have been found: what was
            # found is a part of the nearer one.
            overlap = np.maximum(overlap, visibility.covered_share)
            is_new &= overlap <= settings.max_new_track_overlap
        which = np.flatnonzero(is_new)
        count = len(which)
        if count == 0:
            return person_of
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
        return np.concatenate([person_of, which])

    def _live(self, matches: Matches, duplicates: list[int], stamp_s: float) -> None:
        """Move every track on in its life, tell what happened, and let the dead go."""
        tracks = self._tracks
        before = tracks.states
        after = next_states(tracks, stamp_s, self._settings)
        stand_ins = [row for row in matches.stand_in_of.values() if row != NOBODY]
        obsolete = duplicates + stand_ins
        if obsolete:
            after[obsolete] = _REMOVED
        tracks.states = after
        has_surplus = len(tracks) > self._settings.max_tracks
        if not (matches.stand_in_of or has_surplus or after.tolist() != before.tolist()):
            return
        self._tell_changes(before, matches, stamp_s)
        is_removed = after == _REMOVED
        if has_surplus:
            is_removed |= self._surplus()
        self._remove(is_removed, stamp_s)

    def _tell_changes(
        self, before: Int[np.ndarray, 'track'], matches: Matches, stamp_s: float
    ) -> None:
        """Tell what the new states mean, given those of the previous image."""
        tracks, after = self._tracks, self._tracks.states
        is_reidentified = np.zeros(len(tracks), dtype=np.bool_)
        is_reidentified[list(matches.stand_in_of)] = True
        was_lost, is_lost = before == _LOST, after == _LOST
        is_born = ~tracks.is_announced & (after != _REMOVED) & (after != _TENTATIVE)
        tracks.is_announced |= is_born
        self._tell(EventKind.BORN, is_born, stamp_s)
        self._tell(EventKind.REIDENTIFIED, is_reidentified, stamp_s)
        self._tell(EventKind.RECOVERED, was_lost & tracks.is_matched & ~is_reidentified, stamp_s)
        self._tell(EventKind.LOST, is_lost & ~was_lost, stamp_s)

    def _surplus(self) -> Bool[np.ndarray, 'track']:
        """Return the tracks beyond `max_tracks`: those unseen for longest, then the youngest."""
        tracks = self._tracks
        is_surplus = np.zeros(len(tracks), dtype=np.bool_)
        oldest_last = np.lexsort((tracks.ids, -tracks.matched_s))
        is_surplus[oldest_last[self._settings.max_tracks :]] = True
        return is_surplus

    def _remove(self, which: Bool[np.ndarray, 'track'], stamp_s: float) -> None:
        """Forget tracks. Those that were never announced go without an event."""
        if not any(which.tolist()):
            return
        self._tell(EventKind.REMOVED, which & self._tracks.is_announced, stamp_s)
        self._tracks.keep(~which)

    def _tell(self, kind: EventKind, which: Bool[np.ndarray, 'track'], stamp_s: float) -> None:
        for track_id in self._tracks.ids[which].tolist():
            self._events.append(TrackEvent(kind=kind, track_id=track_id, stamp_s=stamp_s))
