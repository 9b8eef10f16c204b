"""What a replay got wrong: identity switches, people missed, tracks of nobody.

Matched image by image as CLEAR MOT does (see `clear_matching`), over the images that were
processed: what an image that was dropped would have shown, nobody can tell. Misses and false boxes
that follow each other are one mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.evaluation.replay.box_overlaps import image_overlaps
from pose_tracking_ros.evaluation.replay.clear_matching import ClearMatcher, Matches
from pose_tracking_ros.evaluation.replay.truth import TruthFrame, TruthMatch
from pose_tracking_ros.people import Track
from pose_tracking_ros.recordings.recording import FrameRecord, Recording


class MistakeKind(Enum):
    """What went wrong; the values are words for people."""

    SWITCH = 'identity switch'
    MISS = 'missed person'
    FALSE_TRACK = 'false track'


@dataclass(frozen=True, eq=False)
class Mistake:
    """One mistake.

    Attributes:
        kind: see `MistakeKind`.
        first_ns: stamp of the first image that it concerns, ns. For a switch that is the last one
            in which the person had the former track.
        last_ns: stamp of the last image; for a switch, the first with the new track.
        images: processed images with the mistake; 1 for a switch.
        person_id: of the truth; None for a false track.
        track_ids: of the recording; the former and the new one for a switch, none for a miss.
        shown_ns: stamps of the images that show it best: before and after a switch, else the
            middle one.
        boxes: whom to look at in each of these, corners x1, y1, x2, y2, px.
    """

    kind: MistakeKind
    first_ns: int
    last_ns: int
    images: int
    person_id: int | None
    track_ids: tuple[int, ...]
    shown_ns: tuple[int, ...]
    boxes: Float[np.ndarray, 'image 4']


@dataclass(frozen=True, eq=False)
class MatchedFrame:
    """A processed image with its truth, and who is whose track.

    Attributes:
        frame: the result.
        truth: people who count.
        tracks: those that count.
        track_ids: theirs, unique in the recording.
        matches: places in `truth` and `tracks`.
    """

    frame: FrameRecord
    truth: TruthFrame
    tracks: Sequence[Track]
    track_ids: Sequence[int]
    matches: Matches


def matched_frames(recording: Recording, match: TruthMatch) -> Iterator[MatchedFrame]:
    """Yield the processed images for which there is truth, in order."""
    matcher = ClearMatcher()
    for one in image_overlaps(recording, match):
        if one.frame is not None:
            matches = matcher.match(one.truth.person_ids, one.track_ids, one.ious)
            ids = one.track_ids.tolist()
            yield MatchedFrame(one.frame, one.truth, one.tracks, ids, matches)


def find_mistakes(recording: Recording, match: TruthMatch) -> list[Mistake]:
    """Return all mistakes, by the stamp of their first image."""
    mistakes: list[Mistake] = []
    misses = _Spells(MistakeKind.MISS)
    false_tracks = _Spells(MistakeKind.FALSE_TRACK)
    seen_ns: dict[int, tuple[int, np.ndarray]] = {}
    for one in matched_frames(recording, match):
        stamp_ns, matches = one.frame.stamp_ns, one.matches
        ids = one.truth.person_ids.tolist()
        for place in matches.switched.tolist():
            row, column = int(matches.rows[place]), int(matches.columns[place])
            before_ns, before_box = seen_ns[ids[row]]
            mistakes.append(
                Mistake(
                    MistakeKind.SWITCH,
                    first_ns=before_ns,
                    last_ns=stamp_ns,
                    images=1,
                    person_id=ids[row],
                    track_ids=(int(matches.before[place]), one.track_ids[column]),
                    shown_ns=(before_ns, stamp_ns),
                    boxes=np.stack([before_box, one.truth.boxes[row]]),
                )
            )
        for row in matches.rows.tolist():
            seen_ns[ids[row]] = (stamp_ns, one.truth.boxes[row])
        missed = np.setdiff1d(np.arange(len(ids)), matches.rows)
        mistakes += misses.add(stamp_ns, {ids[i]: one.truth.boxes[i] for i in missed.tolist()})
        false = np.setdiff1d(np.arange(len(one.tracks)), matches.columns)
        mistakes += false_tracks.add(
            stamp_ns, {one.track_ids[i]: one.tracks[i].box for i in false.tolist()}
        )
    mistakes += misses.add(0, {}) + false_tracks.add(0, {})
    return sorted(mistakes, key=lambda mistake: (mistake.first_ns, mistake.kind.value))


def choose(mistakes: Sequence[Mistake], limit: int) -> list[Mistake]:
    """Return at most so many mistakes, those of each kind together, in order of time.

    Each kind gets the same share; what one does not need goes to the others. Of switches, those
    evenly spread in time are taken; of misses and false tracks, those of most images.
    """
    groups = {kind: [one for one in mistakes if one.kind is kind] for kind in MistakeKind}
    share = dict.fromkeys(groups, 0)
    for _ in range(limit):
        open_kinds = [kind for kind, group in groups.items() if share[kind] < len(group)]
        if not open_kinds:
            break
        share[min(open_kinds, key=lambda kind: share[kind])] += 1
    chosen: list[Mistake] = []
    for kind, group in groups.items():
        if kind is MistakeKind.SWITCH:
            places = np.linspace(0, len(group) - 1, share[kind]).round().astype(int)
            chosen += [group[place] for place in places.tolist()]
        else:
            longest = sorted(group, key=lambda one: -one.images)[: share[kind]]
            chosen += sorted(longest, key=lambda one: one.first_ns)
    return chosen


class _Spells:
    """Joins what concerns the same person or track in images that follow each other."""

    def __init__(self, kind: MistakeKind) -> None:
        self._kind = kind
        self._open: dict[int, list[tuple[int, np.ndarray]]] = {}

    def add(self, stamp_ns: int, boxes: dict[int, np.ndarray]) -> list[Mistake]:
        """Take the next image and return what ended before it."""
        ended = [identity for identity in self._open if identity not in boxes]
        mistakes = [self._mistake(identity, self._open.pop(identity)) for identity in ended]
        for identity, box in boxes.items():
            self._open.setdefault(identity, []).append((stamp_ns, box))
        return mistakes

    def _mistake(self, identity: int, spell: list[tuple[int, np.ndarray]]) -> Mistake:
        middle_ns, box = spell[len(spell) // 2]
        is_miss = self._kind is MistakeKind.MISS
        return Mistake(
            self._kind,
            first_ns=spell[0][0],
            last_ns=spell[-1][0],
            images=len(spell),
            person_id=identity if is_miss else None,
            track_ids=() if is_miss else (identity,),
            shown_ns=(middle_ns,),
            boxes=np.asarray(box)[None],
        )
