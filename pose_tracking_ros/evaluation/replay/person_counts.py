"""What HOTA, IDF1 and MOTA count, person by person, so that people can be drawn anew.

Each figure is made of sums over boxes, and each box of the truth belongs to a person. A box of a
track belongs to the person it matches, else to the one it overlaps most, else to nobody. Summed
over all, the counts are those of trackeval, and so are the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from pose_tracking_ros.evaluation.replay.box_overlaps import ImageOverlaps, image_overlaps
from pose_tracking_ros.evaluation.replay.clear_matching import MIN_IOU, ClearMatcher
from pose_tracking_ros.evaluation.replay.truth import TruthMatch
from pose_tracking_ros.recordings.recording import Recording

ALPHAS: Final = np.arange(0.05, 0.99, 0.05)
"""Overlaps over which HOTA is the mean, as in trackeval."""

_EPSILON: Final = float(np.finfo('float').eps)
_SINGLE: Final = ('boxes', 'results', 'missed', 'switches', 'identified')
COLUMNS: Final = len(_SINGLE) + 2 * len(ALPHAS)
"""Of the table of counts."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Sums over boxes; leading axes may stand for people or for anything summed from them.

    Attributes:
        table: in this order: boxes of the truth; boxes of tracks; boxes of the truth without
            track (CLEAR); identity switches; boxes with the right identity (IDTP); for each of
            `ALPHAS` the matches of HOTA; for each of these the sum over them of A(c), the share
            of the two identities that is matched (Luiten et al., 2020, Eq. 10).
    """

    table: Float[np.ndarray, '... count']

    @property
    def boxes(self) -> Float[np.ndarray, '...']:
        """Boxes of the truth."""
        return self._column('boxes')

    @property
    def switches(self) -> Float[np.ndarray, '...']:
        """Identity switches."""
        return self._column('switches')

    def hota(self) -> Float[np.ndarray, '...']:
        """Return HOTA, %; NaN without boxes."""
        first = len(_SINGLE)
        matches = self.table[..., first : first + len(ALPHAS)]
        associated = self.table[..., first + len(ALPHAS) :]
        both = (self._column('boxes') + self._column('results'))[..., None]
        with np.errstate(invalid='ignore', divide='ignore'):
            figures = np.sqrt(associated / (both - matches)).mean(axis=-1)
        return np.asarray(100.0 * figures)

    def idf1(self) -> Float[np.ndarray, '...']:
        """Return IDF1, %; NaN without boxes."""
        both = self._column('boxes') + self._column('results')
        with np.errstate(invalid='ignore', divide='ignore'):
            return np.asarray(200.0 * self._column('identified') / both)

    def mota(self) -> Float[np.ndarray, '...']:
        """Return MOTA, %; NaN without boxes of the truth."""
        boxes, missed = self._column('boxes'), self._column('missed')
        false = self._column('results') - (boxes - missed)
        wrong = missed + false + self._column('switches')
        with np.errstate(invalid='ignore', divide='ignore'):
            return np.asarray(100.0 * (1.0 - wrong / boxes))

    def _column(self, name: str) -> Float[np.ndarray, '...']:
        return np.asarray(self.table[..., _SINGLE.index(name)])


@dataclass(frozen=True, eq=False)
class PersonCounts:
    """The counts of one recording.

    Attributes:
        person_ids: of the truth, ascending.
        people: a row for each.
        nobody: boxes of tracks that overlap no person; all else is 0.
    """

    person_ids: Int[np.ndarray, 'person']
    people: Float[np.ndarray, 'person count']
    nobody: Float[np.ndarray, 'count']

    def as_json(self) -> dict[str, Any]:
        """Return plain values, which give back the very same counts."""
        return {
            'person_ids': self.person_ids.tolist(),
            'people': self.people.tolist(),
            'nobody': self.nobody.tolist(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> PersonCounts:
        """Return the counts that `as_json` has written."""
        return cls(
            np.array(content['person_ids'], np.int64),
            np.array(content['people'], np.float64).reshape(-1, COLUMNS),
            np.array(content['nobody'], np.float64),
        )


def count_people(recording: Recording, match: TruthMatch) -> PersonCounts:
    """Return the counts of every person who is in the truth of some image.

    Images that were dropped count as images in which nobody was found.
    """
    images = list(image_overlaps(recording, match))
    person_ids = _all_ids([one.truth.person_ids for one in images])
    track_ids = _all_ids([one.track_ids for one in images])
    rows = [np.searchsorted(person_ids, one.truth.person_ids) for one in images]
    columns = [np.searchsorted(track_ids, one.track_ids) for one in images]
    shape = len(person_ids), len(track_ids)
    boxes = _tally(rows, shape[0])
    single, nobody_results = _clear_counts(images, rows, shape[0])
    single['boxes'] = boxes
    single['identified'] = _identified(images, rows, columns, shape)
    matches, associated = _hota_counts(images, rows, columns, boxes, _tally(columns, shape[1]))
    nobody = np.zeros(COLUMNS)
    nobody[_SINGLE.index('results')] = nobody_results
    table = np.concatenate(
        [np.stack([single[name] for name in _SINGLE], axis=1), matches, associated], axis=1
    )
    return PersonCounts(person_ids, table, nobody)


def _all_ids(ids: Sequence[Int[np.ndarray, '_here']]) -> Int[np.ndarray, 'identity']:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *ids]))


def _tally(places: Sequence[Int[np.ndarray, '_here']], count: int) -> Float[np.ndarray, 'count']:
    """Return how often each place occurs."""
    together = np.concatenate([np.zeros(0, np.int64), *places])
    return np.bincount(together, minlength=count).astype(np.float64)


def _clear_counts(
    images: Sequence[ImageOverlaps], rows: Sequence[Int[np.ndarray, '_here']], people: int
) -> tuple[dict[str, Float[np.ndarray, 'person']], int]:
    """Return boxes of tracks, misses and switches of each person, and boxes of nobody."""
    matcher = ClearMatcher()
    counts = {name: np.zeros(people) for name in ('results', 'missed', 'switches')}
    nobody = 0
    for one, here in zip(images, rows, strict=True):
        found = matcher.match(one.truth.person_ids, one.track_ids, one.ious)
        counts['missed'][here] += 1
        counts['missed'][here[found.rows]] -= 1
        counts['results'][here[found.rows]] += 1
        counts['switches'][here[found.rows[found.switched]]] += 1
        false = np.setdiff1d(np.arange(len(one.tracks)), found.columns)
        if not len(here):
            nobody += len(false)
            continue
        nearest = one.ious[:, false].argmax(axis=0)
        overlaps = one.ious[nearest, false] > 0
        np.add.at(counts['results'], here[nearest[overlaps]], 1)
        nobody += int((~overlaps).sum())
    return counts, nobody


def _identified(
    images: Sequence[ImageOverlaps],
    rows: Sequence[Int[np.ndarray, '_here']],
    columns: Sequence[Int[np.ndarray, '_there']],
    shape: tuple[int, int],
) -> Float[np.ndarray, 'person']:
    """Return in how many boxes each person has the one track that is best for all (IDTP)."""
    together = np.zeros(shape)
    for one, here, there in zip(images, rows, columns, strict=True):
        together[np.ix_(here, there)] += one.ious >= MIN_IOU
    people, tracks = linear_sum_assignment(together, maximize=True)
    identified = np.zeros(shape[0])
    identified[people] = together[people, tracks]
    return identified


def _hota_counts(
    images: Sequence[ImageOverlaps],
    rows: Sequence[Int[np.ndarray, '_here']],
    columns: Sequence[Int[np.ndarray, '_there']],
    boxes: Float[np.ndarray, 'person'],
    results: Float[np.ndarray, 'track'],
) -> tuple[Float[np.ndarray, 'person alpha'], Float[np.ndarray, 'person alpha']]:
    """Return matches, and the sum of A(c) over them, of each person at each overlap."""
    aligned = np.zeros((len(boxes), len(results)))
    for one, here, there in zip(images, rows, columns, strict=True):
        union = one.ious.sum(axis=0)[None] + one.ious.sum(axis=1)[:, None] - one.ious
        aligned[np.ix_(here, there)] += np.where(
            union > _EPSILON, one.ious / np.maximum(union, _EPSILON), 0.0
        )
    both = boxes[:, None] + results[None]
    alignment = aligned / (both - aligned)
    matched = np.zeros((len(ALPHAS), *aligned.shape))
    for one, here, there in zip(images, rows, columns, strict=True):
        if one.ious.size:
            worth = alignment[np.ix_(here, there)] * one.ious
            people, tracks = linear_sum_assignment(worth, maximize=True)
            is_match = one.ious[people, tracks] >= ALPHAS[:, None] - _EPSILON
            # Nobody and no track is there twice in an image.
            matched[:, here[people], there[tracks]] += is_match
    shares = matched / np.maximum(both - matched, 1.0)
    return matched.sum(axis=2).T, (matched * shares).sum(axis=2).T
