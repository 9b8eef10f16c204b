"""Take turns: every case runs in every round, so that all see the same load of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.benchmark.contestants import (
    STAGES,
    AfterNetwork,
    BenchmarkError,
    Contestant,
    Facts,
    Stopwatch,
)

# A turn of a quick case is repeated until it has taken about so long, at most so often.
_TURN_S = 0.3
_MAX_REPEATS = 4
# Slower runs do not notice that the caches are cold after another case.
_COLD_CACHE_MATTERS_S = 0.5


@dataclass(eq=False)
class Case:
    """One contestant at one number of people and one size.

    Attributes:
        contestant: to be run.
        people: to be found.
        long_side_px: longer side of the image inside the network; a peer with a fixed input
            ignores it.
        images: pictures with that many people.
        after: tracking and messages.
        synchronise: see `Stopwatch`.
        pixels: of the network's input; known after the first run.
        proposals: that were scored or refined in a second step, likewise.
        turns: stages and their times of each run, s, by round.
    """

    contestant: Contestant
    people: int
    long_side_px: int
    images: Sequence[UInt8[np.ndarray, 'height width 3']]
    after: AfterNetwork
    synchronise: Callable[[], None] | None = None
    pixels: int = 0
    proposals: int = 0
    turns: list[list[dict[str, float]]] = field(default_factory=list)
    _runs: int = 0
    _typical_s: float = 0.0

    @property
    def facts(self) -> Facts:
        """What the contestant says about itself."""
        return self.contestant.facts

    def prepare(self) -> None:
        """Set up and warm up; what this takes is not counted."""
        self.contestant.prepare(self.people, self.long_side_px)
        self.run_once()
        self._typical_s = sum(self.run_once().values())

    def take_turn(self) -> None:
        """Run a few times and keep the times."""
        self.contestant.prepare(self.people, self.long_side_px)
        if self._typical_s < _COLD_CACHE_MATTERS_S:
            self.run_once()
        repeats = int(np.clip(_TURN_S / self._typical_s, 1, _MAX_REPEATS))
        self.turns.append([self.run_once() for _ in range(repeats)])

    def run_once(self) -> dict[str, float]:
        """Return the time of each stage of one run, s.

        Raises:
            BenchmarkError: another number of people was found than asked for.
        """
        image = self.images[self._runs % len(self.images)]
        self._runs += 1
        clock = Stopwatch(self.synchronise)
        people = self.contestant.find(image, clock)
        self.pixels, self.proposals = self.contestant.pixels, self.contestant.proposals
        self.after.run(people, clock)
        if len(people) != self.people:
            raise BenchmarkError(
                f'{self.facts.label}: expected {self.people} people, got {len(people)}; '
                'its time would say nothing about that many. Ask for fewer (--people)'
            )
        return clock.stages_s

    @property
    def totals_s(self) -> Float[np.ndarray, 'run']:
        """Time of each run from image to message, s."""
        return np.array([sum(run.values()) for turn in self.turns for run in turn])

    @property
    def round_medians_s(self) -> Float[np.ndarray, 'round']:
        """Median time of each round, s."""
        return np.array([np.median([sum(r.values()) for r in turn]) for turn in self.turns])

    def stage_s(self, stage: str) -> Float[np.ndarray, 'run']:
        """Return the times of one stage, s."""
        return np.array([run[stage] for turn in self.turns for run in turn])

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages that the contestant has, in their order."""
        return tuple(stage for stage in STAGES if stage in self.turns[0][0])


def take_turns(cases: Sequence[Case], rounds: Iterable[int], seed: int = 0) -> None:
    """Run every case once per round, in an order that changes from round to round.

    Args:
        cases: prepared ones.
        rounds: their numbers; wrap it for progress.
        seed: of the orders.
    """
    rng = np.random.default_rng(seed)
    for _ in rounds:
        for index in rng.permutation(len(cases)):
            cases[index].take_turn()


@dataclass(frozen=True)
class Percentiles:
    """Of times in ms.

    Attributes:
        p50: median.
        p95: 95 % of the runs are faster.
        p99: likewise; with fewer than 100 runs it is the slowest one or near it.
        runs: how many.
    """

    p50: float
    p95: float
    p99: float
    runs: int

    @classmethod
    def of(cls, times_s: Float[np.ndarray, 'run']) -> Percentiles:
        """Return the percentiles of times in s.

        Raises:
            ValueError: there are none.
        """
        if not len(times_s):
            raise ValueError('times: expected at least one, got none')
        p50, p95, p99 = (1e3 * np.percentile(times_s, [50, 95, 99])).tolist()
        return cls(p50, p95, p99, len(times_s))


@dataclass(frozen=True)
class Ratio:
    """How many times longer one thing takes than another.

    Attributes:
        value: median over the rounds of the quotient within a round, where both saw the same load.
        low: a quarter of the rounds has less.
        high: a quarter has more.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(
        cls, numerator_s: Float[np.ndarray, 'round'], denominator_s: Float[np.ndarray, 'round']
    ) -> Ratio:
        """Return the ratio of times taken in the same rounds.

        Raises:
            ValueError: the rounds do not match, there are none, or a time is not positive.
        """
        if len(numerator_s) != len(denominator_s) or not len(numerator_s):
            raise ValueError(
                f'ratio: expected the same rounds twice, got {len(numerator_s)} and '
                f'{len(denominator_s)}'
            )
        if min(numerator_s.min(), denominator_s.min()) <= 0:
            raise ValueError('ratio: expected times above zero')
        low, value, high = np.percentile(numerator_s / denominator_s, [25, 50, 75]).tolist()
        return cls(value, low, high)


def ratio_of(numerator: Case, denominator: Case) -> Ratio:
    """Return how many times longer one case takes than another, from image to message."""
    return Ratio.of(numerator.round_medians_s, denominator.round_medians_s)
