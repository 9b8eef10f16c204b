"""Which track is which person of the gallery, without flicker.

In every image the tracks and the enrolled people are matched by looks, one to one, so that a name
is given to one track at most. Nobody is matched with a person whom they resemble clearly less than
another, only because that one is taken. A match alone changes nothing yet:

- a track gets a name, or another one, when the same person was its match in all images of
  `gallery_name_after_s`;
- it keeps the name while it is within `gallery_max_distance + gallery_keep_margin`, or a rival is
  closer by less than `gallery_keep_margin`;
- it loses the name when that did not hold for `gallery_drop_after_s`, or at once when another
  track gets it or the person is forgotten;
- a track out of view for longer than `gallery_drop_after_s` keeps its name, but does not defend
  it.

All times are image time. Whoever resembles nobody stays without a name.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.settings import GallerySettings
from pose_tracking_ros.tracking.association import assign
from pose_tracking_ros.tracking.gallery import (
    Contents,
    Gallery,
    GalleryError,
    check_person_id,
    spread_looks,
)

# A running appearance that has changed by this much since it was last noted is another look.
_OTHER_LOOK = 0.1
# So many looks are noted of each track before the most alike give way.
_NOTED_LOOKS = 10
_MAX_DISTANCE = 2.0


@dataclass(frozen=True)
class Identity:
    """Who a track is.

    Attributes:
        person_id: name, never empty.
        similarity: 1 is the very look that was enrolled, 0 the opposite: one minus half of the
            embedding distance.
    """

    person_id: str
    similarity: float


@dataclass(eq=False)
class _Memory:
    """What is known of one track.

    Attributes:
        person_id: its name, empty for none.
        matched_s: when the name matched last.
        candidate: the other name that it matched in the latest images, empty for none.
        candidate_s: since when.
        noted: looks to enroll it by, as they were when seen well.
        latest: the one noted last; empty before the first.
    """

    person_id: str = ''
    matched_s: float = 0.0
    candidate: str = ''
    candidate_s: float = 0.0
    noted: list[Float[np.ndarray, 'dim']] = field(default_factory=list)
    latest: Float[np.ndarray, 'dim'] = field(default_factory=lambda: np.zeros(0, np.float32))


class Identifier:
    """Gives the gallery's names to tracks. Safe for use from several threads at once.

    Args:
        gallery: the people known; may change at any time.
        settings: distances and times; the defaults if not given.
    """

    def __init__(self, gallery: Gallery, settings: GallerySettings | None = None) -> None:
        self._gallery = gallery
        self._settings = settings or GallerySettings()
        self._memory: dict[int, _Memory] = {}
        self._stamp_s: float | None = None
        # Held while one image is matched or one person enrolled.
        self._lock = threading.Lock()

    def apply_settings(self, settings: GallerySettings) -> None:
        """Use other settings from the next image on."""
        with self._lock:
            self._settings = settings

    def reset(self) -> None:
        """Forget all tracks; the gallery stays."""
        with self._lock:
            self._memory.clear()
            self._stamp_s = None

    def update(self, tracks: Sequence[Track], stamp_s: float) -> dict[int, Identity]:
        """Take in one image's tracks and return who they are.

        Args:
            tracks: all living tracks, also those out of view; others are forgotten.
            stamp_s: time of the image, s. A stamp before the previous one starts anew.

        Returns:
            The identities of those tracks that have one, by track id.

        Raises:
            ValueError: the tracks' embeddings are of another length than the gallery's.
        """
        known = [track for track in tracks if len(track.embedding)]
        looks = _stack(known, self._gallery.dim)
        with self._lock:
            contents = self._gallery.contents
            if self._stamp_s is not None and stamp_s < self._stamp_s:
                self._memory.clear()
            self._stamp_s = stamp_s
            self._memory = {
                track.track_id: self._memory.get(track.track_id) or _Memory() for track in tracks
            }
            self._note(known, looks)
            for memory in self._memory.values():
                if memory.person_id and memory.person_id not in contents.person_ids:
                    memory.person_id = ''
            if len(contents) == 0:
                return {}
            distances = contents.distances(looks)
            matches = self._match(known, distances, contents)
            self._judge(matches, stamp_s)
            column = {name: person for person, name in enumerate(contents.person_ids)}
            identities = {}
            for row, track in enumerate(known):
                name = self._memory[track.track_id].person_id
                if name:
                    distance = float(distances[row, column[name]])
                    similarity = 1.0 - distance / _MAX_DISTANCE
                    identities[track.track_id] = Identity(name, similarity)
            return identities

    def enroll_track(self, person_id: str, track_id: int) -> int:
        """Enroll the person of a track, who has that name from now on.

        The looks are the running appearances that the track had whenever it was seen well, as far
        as they differ: what it will be recognised by is of the same kind.

        Args:
            person_id: name; looks are added if somebody has it already.
            track_id: a track of the latest image.

        Returns:
            The number of looks the gallery now has of the person.

        Raises:
            GalleryError: there is no such track, it was never seen well, or the gallery does not
                take it; says which.
        """
        person_id = check_person_id(person_id)
        with self._lock:
            memory = self._memory.get(track_id)
            if memory is None:
                living = ', '.join(map(str, self._memory)) or 'none'
                raise GalleryError(f'track_id: expected a living track ({living}), got {track_id}')
            if not memory.noted:
                raise GalleryError(
                    f'track {track_id} has not been seen well enough yet to be enrolled; wait '
                    f'until most of the person is in view'
                )
            count = self._gallery.enroll(person_id, np.stack(memory.noted))
            self._give(memory, person_id, self._stamp_s or 0.0)
        return count

    def _note(self, tracks: list[Track], looks: Float[np.ndarray, 'track dim']) -> None:
        """Remember looks that are new, of those in full view."""
        for track, look in zip(tracks, looks, strict=True):
            if not track.is_matched or track.state != TrackState.CONFIRMED:
                continue
            memory = self._memory[track.track_id]
            is_known = len(memory.latest) > 0
            if is_known and np.dot(memory.latest, look) > 1.0 - 0.5 * _OTHER_LOOK**2:
                continue
            # A row alone: a view would keep the looks of all tracks.
            memory.latest = look.copy()
            memory.noted.append(memory.latest)
            if len(memory.noted) > _NOTED_LOOKS:
                memory.noted = list(spread_looks(np.stack(memory.noted), _NOTED_LOOKS))

    def _match(
        self, tracks: list[Track], distances: Float[np.ndarray, 'track person'], contents: Contents
    ) -> dict[int, str]:
        """Return the name that each track matches in this image; empty for none."""
        settings = self._settings
        column = {name: person for person, name in enumerate(contents.person_ids)}
        handicapped = distances.copy()
        for row, track in enumerate(tracks):
            name = self._memory[track.track_id].person_id
            if name:
                handicapped[row, column[name]] -= settings.gallery_keep_margin
        competes = np.array(
            [track.time_since_update_s <= settings.gallery_drop_after_s for track in tracks],
            dtype=np.bool_,
        )
        is_near = handicapped < settings.gallery_max_distance
        nearest = handicapped.min(axis=1, keepdims=True)
        is_nearest = handicapped <= nearest + settings.gallery_keep_margin
        # By how much a pair is within the gate: two doubtful pairs do not outweigh a sure one.
        weight = settings.gallery_max_distance - handicapped
        found = assign(weight, is_near & is_nearest & competes[:, None])
        matches = {
            track.track_id: ''
            for track, takes_part in zip(tracks, competes, strict=True)
            if takes_part
        }
        for row, person in zip(found.tracks.tolist(), found.people.tolist(), strict=True):
            matches[tracks[row].track_id] = contents.person_ids[person]
        return matches

    def _judge(self, matches: dict[int, str], stamp_s: float) -> None:
        """Draw the consequences of one image's matches."""
        settings = self._settings
        for track_id, name in matches.items():
            memory = self._memory[track_id]
            if name and name == memory.person_id:
                memory.matched_s, memory.candidate = stamp_s, ''
                continue
            if memory.person_id and stamp_s - memory.matched_s > settings.gallery_drop_after_s:
                memory.person_id = ''
            if name != memory.candidate:
                memory.candidate, memory.candidate_s = name, stamp_s
            if name and stamp_s - memory.candidate_s >= settings.gallery_name_after_s:
                self._give(memory, name, stamp_s)

    def _give(self, memory: _Memory, person_id: str, stamp_s: float) -> None:
        """Give a name to a track and take it from whoever had it."""
        for other in self._memory.values():
            if other.person_id == person_id:
                other.person_id = ''
        memory.person_id, memory.matched_s, memory.candidate = person_id, stamp_s, ''


def with_names(tracks: Sequence[Track], identities: dict[int, Identity]) -> list[Track]:
    """Return the tracks with the name and similarity of those who have one."""
    return [
        replace(
            track,
            person_id=identities[track.track_id].person_id,
            person_similarity=identities[track.track_id].similarity,
        )
        if track.track_id in identities
        else track
        for track in tracks
    ]


def _stack(tracks: list[Track], dim: int) -> Float[np.ndarray, 'track dim']:
    for track in tracks:
        if track.embedding.shape != (dim,):
            raise ValueError(
                f'tracks: expected embeddings of length {dim} as the gallery holds them, got '
                f'{len(track.embedding)}: the network was exchanged; load its own gallery'
            )
    looks = np.array([track.embedding for track in tracks], dtype=np.float32)
    # Not -1 for the tracks: without embeddings their number would not follow from the size.
    return looks.reshape(len(tracks), dim)
