"""How sure a difference between configurations is: intervals by drawing people anew.

The people of each bag are drawn with replacement, as many as there are, and every figure is
computed again from the sums of those drawn; the middle 95 % of such figures is the interval
(percentile bootstrap, Efron 1979). Every configuration gets the same draws, so a difference is
one between the same people, and its interval is narrower than those of the figures themselves.
The draws depend on nothing but the seed and the numbers of people.

What an interval does not tell:

- It speaks of other people in these very recordings, not of other places, cameras or days: bags
  are not drawn anew.
- People count as independent. Whoever meets shares mistakes, so it is somewhat too narrow; with
  fewer than some twenty people, far too narrow.
- Which track is whose is settled once, for all people. Boxes of tracks that overlap nobody are
  counted, but not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.evaluation.replay.person_counts import COLUMNS, Counts, PersonCounts

Measure = Callable[[Counts], Float[np.ndarray, '...']]

MEASURES: Final[dict[str, Measure]] = {
    'hota': Counts.hota,
    'idf1': Counts.idf1,
    'mota': Counts.mota,
    'switches': lambda counts: counts.switches,
}
"""Figures with an interval: HOTA, IDF1 and MOTA in percent, identity switches as a number."""

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
# From one person nobody can tell how people differ.
_MIN_PEOPLE: Final = 2


@dataclass(frozen=True)
class Estimate:
    """A figure and how far it might be off.

    Attributes:
        value: from all people, each once; None where it is not defined.
        low: lower end of the interval; None with fewer than two people.
        high: upper end.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """A figure of one configuration.

    Attributes:
        figure: of all bags together.
        difference: to the baseline's; 0 for the baseline itself.
    """

    figure: Estimate
    difference: Estimate


def compare(
    runs: Mapping[str, Sequence[PersonCounts]],
    baseline: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, Comparison]]:
    """Return every figure of every configuration, by configuration and name of the figure.

    Args:
        runs: by the name of the configuration, the counts of each bag; the same bags for all.
        baseline: one of these names.
        resamples: how often people are drawn.
        seed: of the draws.

    Raises:
        ValueError: there is no such baseline, nothing to draw, or the configurations were not
            compared with the same people.
    """
    if baseline not in runs:
        raise ValueError(f'baseline: expected one of {", ".join(runs)}; got {baseline!r}')
    if resamples < 1:
        raise ValueError(f'resamples: expected at least 1, got {resamples}')
    for name, bags in runs.items():
        _check_same_people(runs[baseline], bags, name)
    people = [len(bag.person_ids) for bag in runs[baseline]]
    weights = draw(people, resamples, seed)
    drawn = {name: _drawn(bags, weights) for name, bags in runs.items()}
    whole = {name: _whole(bags) for name, bags in runs.items()}
    is_sure = sum(people) >= _MIN_PEOPLE
    return {
        name: {
            kind: Comparison(
                _estimate(measure(whole[name]), measure(drawn[name]), is_sure),
                _estimate(
                    measure(whole[name]) - measure(whole[baseline]),
                    measure(drawn[name]) - measure(drawn[baseline]),
                    is_sure,
                ),
            )
            for kind, measure in MEASURES.items()
        }
        for name in runs
    }


def draw(
    people: Sequence[int], resamples: int, seed: int
) -> list[Float[np.ndarray, 'resample _person']]:
    """Return how often each person of each bag is drawn in each resample.

    Args:
        people: in each bag.
        resamples: how many.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    return [
        rng.multinomial(count, np.full(count, 1.0 / count), resamples).astype(np.float64)
        if count
        else np.zeros((resamples, 0))
        for count in people
    ]


def _drawn(
    bags: Sequence[PersonCounts], weights: Sequence[Float[np.ndarray, 'resample _person']]
) -> Counts:
    table = np.zeros((len(weights[0]) if weights else 0, COLUMNS))
    for bag, weight in zip(bags, weights, strict=True):
        table += weight @ bag.people + bag.nobody
    return Counts(table)


def _whole(bags: Sequence[PersonCounts]) -> Counts:
    return Counts(
        np.sum([bag.people.sum(axis=0) + bag.nobody for bag in bags], axis=0)
        if bags
        else np.zeros(COLUMNS)
    )


def _estimate(
    value: Float[np.ndarray, ''], drawn: Float[np.ndarray, 'resample'], is_sure: bool
) -> Estimate:
    defined = drawn[np.isfinite(drawn)]
    if not np.isfinite(value):
        return Estimate(None, None, None)
    if not is_sure or not len(defined):
        return Estimate(float(value), None, None)
    tail = (1.0 - LEVEL) / 2
    low, high = np.quantile(defined, [tail, 1.0 - tail]).tolist()
    return Estimate(float(value), low, high)


def _check_same_people(
    baseline: Sequence[PersonCounts], bags: Sequence[PersonCounts], name: str
) -> None:
    if len(bags) != len(baseline):
        raise ValueError(
            f'{name}: expected counts of {len(baseline)} bags as for the baseline, got {len(bags)}'
        )
    for number, (one, other) in enumerate(zip(baseline, bags, strict=True), start=1):
        if not np.array_equal(one.person_ids, other.person_ids):
            raise ValueError(
                f'{name}: expected the people of the baseline in bag {number}, got others; was '
                'the ground truth the same?'
            )
