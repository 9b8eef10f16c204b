"""The life of each track: which state it was in and when, whom it followed, who hid it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_tracking_ros.evaluation.replay.mistakes import matched_frames
from pose_tracking_ros.evaluation.replay.truth import TruthMatch
from pose_tracking_ros.people import TrackState
from pose_tracking_ros.recordings.recording import Recording

# For how long an only image is drawn.
_ONLY_IMAGE_NS = 100_000_000


@dataclass(frozen=True)
class Spell:
    """A time in which a track was in one state.

    Attributes:
        state: of the track.
        first_ns: stamp of its first image, ns.
        until_ns: stamp of the image after its last one, ns.
        images: how many processed images it lasted.
        occluder_ids: tracks that were in front meanwhile, in order of appearance.
    """

    state: TrackState
    first_ns: int
    until_ns: int
    images: int
    occluder_ids: tuple[int, ...]

    @property
    def duration_s(self) -> float:
        """How long it lasted, s."""
        return (self.until_ns - self.first_ns) * 1e-9


@dataclass(frozen=True)
class Timeline:
    """One track from beginning to end.

    Attributes:
        track_id: unique in the recording.
        person_ids: people of the truth that it followed, the one followed longest first; empty
            without truth.
        spells: in order, without gaps.
    """

    track_id: int
    person_ids: tuple[int, ...]
    spells: tuple[Spell, ...]

    @property
    def images(self) -> int:
        """In how many processed images the track was confirmed."""
        return sum(spell.images for spell in self.spells if spell.state is TrackState.CONFIRMED)

    @property
    def occlusions(self) -> tuple[Spell, ...]:
        """When it was occluded."""
        return tuple(spell for spell in self.spells if spell.state is TrackState.OCCLUDED)


@dataclass
class _OpenSpell:
    state: TrackState
    stamps_ns: list[int]
    occluder_ids: dict[int, None]


def timelines_of(recording: Recording, match: TruthMatch | None) -> list[Timeline]:
    """Return the tracks that were confirmed and found in some image, by their id."""
    shown = {
        recording.unique_id(frame, track) for frame in recording.frames for track in frame.shown
    }
    followed = _followed(recording, match) if match else {}
    lives: dict[int, list[_OpenSpell]] = {}
    until_ns: dict[int, int] = {}
    stamps_ns = [frame.stamp_ns for frame in recording.frames]
    for frame, next_ns in zip(recording.frames, _next_stamps(stamps_ns), strict=True):
        for track in frame.tracks:
            if track.state is TrackState.REMOVED:
                continue
            identity = recording.unique_id(frame, track)
            if identity not in shown:
                continue
            spells = lives.setdefault(identity, [])
            if not spells or spells[-1].state is not track.state:
                spells.append(_OpenSpell(track.state, [], {}))
            spells[-1].stamps_ns.append(frame.stamp_ns)
            if track.occluder_id:
                # Ids of one session are all moved by the same amount.
                moved = identity - track.track_id
                spells[-1].occluder_ids[track.occluder_id + moved] = None
            until_ns[identity] = next_ns
    return [
        Timeline(identity, followed.get(identity, ()), _closed(spells, until_ns[identity]))
        for identity, spells in sorted(lives.items())
    ]


def _closed(spells: Sequence[_OpenSpell], until_ns: int) -> tuple[Spell, ...]:
    ends = [*(spell.stamps_ns[0] for spell in spells[1:]), until_ns]
    return tuple(
        Spell(
            spell.state,
            spell.stamps_ns[0],
            end_ns,
            len(spell.stamps_ns),
            tuple(spell.occluder_ids),
        )
        for spell, end_ns in zip(spells, ends, strict=True)
    )


def _next_stamps(stamps_ns: Sequence[int]) -> list[int]:
    """Return for each image when the next one was taken; the usual interval where time ends."""
    steps = np.diff(np.asarray(stamps_ns, np.int64))
    usual = int(np.median(steps[steps > 0])) if (steps > 0).any() else _ONLY_IMAGE_NS
    steps = np.where(steps > 0, steps, usual)
    return [stamp + step for stamp, step in zip(stamps_ns, [*steps.tolist(), usual], strict=False)]


def _followed(recording: Recording, match: TruthMatch) -> dict[int, tuple[int, ...]]:
    counts: dict[int, Counter[int]] = {}
    for one in matched_frames(recording, match):
        pairs = zip(one.matches.rows.tolist(), one.matches.columns.tolist(), strict=True)
        for row, column in pairs:
            counted = counts.setdefault(one.track_ids[column], Counter())
            counted[int(one.truth.person_ids[row])] += 1
    return {
        identity: tuple(person for person, _ in counted.most_common())
        for identity, counted in counts.items()
    }
