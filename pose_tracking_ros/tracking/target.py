"""The one person to be followed: chosen by an operator, kept through occlusion, found by name.

This keeper follows one of the tracker's tracks. Whatever else may follow a person one day answers
to the same wishes, and reports the same.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pose_tracking_ros.people import Track, TrackState

# More would not help in a message.
_MAX_LISTED = 10


class TargetError(ValueError):
    """A wish that cannot be met. The message says what was expected, what came, what to do."""


@dataclass(frozen=True)
class TargetWish:
    """Who shall be followed, by one of three; all empty: nobody.

    Attributes:
        track_id: a track of the latest image; 0 when not used.
        person_id: name from the gallery; empty when not used.
        point_px: x and y in the image, px; None when not used.
    """

    track_id: int = 0
    person_id: str = ''
    point_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check that there is one way to choose at most.

        Raises:
            TargetError: there are several, or the point is not finite.
        """
        given = {
            'track_id': self.track_id or None,
            'person_id': self.person_id or None,
            'point_px': self.point_px,
        }
        used = [f'{name} {value!r}' for name, value in given.items() if value is not None]
        if len(used) > 1:
            raise TargetError(
                f'expected one of track_id, person_id and point_px, got {" and ".join(used)}. '
                'Leave the others empty'
            )
        if self.point_px is not None and not all(map(math.isfinite, self.point_px)):
            raise TargetError(f'point_px: expected finite x and y in px, got {self.point_px}')

    @property
    def is_for_nobody(self) -> bool:
        """Whether there shall be no target."""
        return self == TargetWish()


class TargetState(Enum):
    """How it stands with the target."""

    AWAITED = 'awaited'
    """Chosen by name, and has not come into view yet."""
    FOLLOWED = 'followed'
    """The tracker has a track of them, seen in this image or not."""
    LOST = 'lost'
    """Their track is gone. They are followed again when the gallery recognises them."""


@dataclass(frozen=True, eq=False)
class TargetReport:
    """What became of the target in one image.

    Attributes:
        state: after the image.
        before: state after the image before.
        track: the target as the tracker has it; None unless FOLLOWED.
        track_id: of the track that is followed, or was; 0 when there never was one.
        person_id: the target's name, as far as it is known; empty when it is not.
    """

    state: TargetState
    before: TargetState
    track: Track | None
    track_id: int
    person_id: str

    @property
    def name(self) -> str:
        """The target in words."""
        words = [f'track {self.track_id}'] if self.track_id else []
        words += [repr(self.person_id)] if self.person_id else []
        return ', '.join(words)

    @property
    def description(self) -> str:
        """How it stands with the target, in words."""
        if self.state is TargetState.AWAITED:
            return f'{self.name}: not in view yet'
        if self.track is None:
            return f'{self.name}: lost'
        if self.track.is_matched:
            return f'{self.name}: seen'
        return f'{self.name}: not seen for {self.track.time_since_update_s:.1f} s'


@dataclass(frozen=True)
class _Target:
    """Attributes are those of `TargetReport`, and whether the wish was for the name."""

    state: TargetState
    track_id: int
    person_id: str
    is_by_name: bool


class TargetKeeper:
    """Knows who is the target, image by image. Safe for use from several threads at once.

    Chosen by track or point, the target is that track as long as it lives, whatever it is called.
    Chosen by name, it is whichever track has the name, and a track that has lost its name remains
    the target until it gets another one or somebody else gets the name. In both cases a target
    whose name is known is taken up again in the track that next gets the name.

    A new session (reset, time that jumps back, a new activation) ends all tracks: a target with a
    name is lost until it is recognised, one without a name for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tracks: list[Track] = []
        self._session_id = 0
        self._target: _Target | None = None
        self._report: TargetReport | None = None

    @property
    def description(self) -> str:
        """How it stands with the target, in words."""
        with self._lock:
            return 'none' if self._report is None else self._report.description

    def choose(self, wish: TargetWish, known: Collection[str] = ()) -> TargetReport | None:
        """Make somebody the target; return how it stands with them, None for nobody.

        Args:
            wish: whom.
            known: names of the gallery.

        Raises:
            TargetError: no person answers to the wish. The target is as before.
        """
        with self._lock:
            if wish.is_for_nobody:
                self._target = self._report = None
                return None
            track = self._wanted(wish, known)
            state = TargetState.AWAITED if track is None else TargetState.FOLLOWED
            self._target = _Target(
                state=state,
                track_id=0 if track is None else track.track_id,
                person_id=wish.person_id or (track.person_id if track else ''),
                is_by_name=bool(wish.person_id),
            )
            return self._remember(state, track)

    def forget_image(self) -> None:
        """Let nobody be chosen until the next image: the last one is not of the present."""
        with self._lock:
            self._tracks = []

    def update(self, tracks: Sequence[Track], session_id: int) -> TargetReport | None:
        """Take in one image's tracks; return what became of the target, None without one.

        Args:
            tracks: all living tracks, with the names of those who are known.
            session_id: of the tracks; with another one, those of before are gone.
        """
        with self._lock:
            self._tracks = [track for track in tracks if track.state != TrackState.REMOVED]
            is_new_session = session_id != self._session_id
            self._session_id = session_id
            target = self._target
            if target is None:
                return None
            # Numbers may come again in another session, for another person.
            is_living = target.state is TargetState.FOLLOWED and not is_new_session
            track = self._continued(target) if is_living else self._called(target.person_id)
            if track is not None:
                self._target = replace(
                    target,
                    state=TargetState.FOLLOWED,
                    track_id=track.track_id,
                    person_id=track.person_id or target.person_id,
                )
            elif target.state is TargetState.FOLLOWED:
                self._target = replace(target, state=TargetState.LOST)
            return self._remember(target.state, track)

    def _remember(self, before: TargetState, track: Track | None) -> TargetReport:
        target = self._target
        assert target is not None
        self._report = TargetReport(target.state, before, track, target.track_id, target.person_id)
        return self._report

    def _continued(self, target: _Target) -> Track | None:
        """Return the track that the target has in this image, None when it has none."""
        track = next((t for t in self._tracks if t.track_id == target.track_id), None)
        if track is not None and not target.is_by_name:
            return track
        named = self._called(target.person_id)
        if named is not None or track is None or not track.person_id:
            return named or track
        # It turned out to be somebody else.
        return None

    def _called(self, person_id: str) -> Track | None:
        """Return the track with a name, the one seen last if there are several."""
        named = [track for track in self._tracks if person_id and track.person_id == person_id]
        return min(named, key=lambda t: (t.time_since_update_s, t.track_id), default=None)

    def _wanted(self, wish: TargetWish, known: Collection[str]) -> Track | None:
        """Return the track that a wish names; None for a known name that is not in view.

        Raises:
            TargetError: there is none.
        """
        if wish.track_id:
            for track in self._tracks:
                if track.track_id == wish.track_id:
                    return track
            living = ', '.join(str(t.track_id) for t in self._tracks[:_MAX_LISTED]) or 'none'
            raise TargetError(
                f'track_id: expected a track of the latest image ({living}), got {wish.track_id}'
            )
        if wish.person_id:
            called = self._called(wish.person_id)
            if called is None and wish.person_id not in known:
                names = ', '.join(map(repr, list(known)[:_MAX_LISTED])) or 'nobody'
                raise TargetError(
                    f'person_id: expected the name of a known person ({names}), got '
                    f'{wish.person_id!r}. Enroll them first (~/enroll_person)'
                )
            return called
        assert wish.point_px is not None
        return self._at(wish.point_px)

    def _at(self, point_px: tuple[float, float]) -> Track:
        x, y = point_px
        # A box where somebody was expected and not found is nothing to point at.
        candidates = [track for track in self._tracks if track.state != TrackState.LOST]

        def distance_px(track: Track) -> float:
            x1, y1, x2, y2 = track.box.tolist()
            if not (x1 <= x <= x2 and y1 <= y <= y2):
                return math.inf
            return math.hypot((x1 + x2) / 2 - x, (y1 + y2) / 2 - y)

        nearest = min(candidates, key=distance_px, default=None)
        if nearest is None or math.isinf(distance_px(nearest)):
            boxes = '; '.join(
                f'track {t.track_id}: {", ".join(f"{v:.0f}" for v in t.box.tolist())}'
                for t in candidates[:_MAX_LISTED]
            )
            raise TargetError(
                'point_px: expected a point in the box (x1, y1, x2, y2) of a person in the latest '
                f'image ({boxes or "nobody is there"}), got {x:g}, {y:g}'
            )
        return nearest
