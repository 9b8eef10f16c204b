"""What is measured: something that finds a fixed number of people in an image, stage by stage.

How many people the later stages handle decides what a top-down pose network costs, and a detector
that overlooks half of them would look fast. So every contestant is told the number: its detector
and non-maximum suppression do all their work, but drop nobody, and the best K boxes go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.people import FrameResult, People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.tracker import Tracker

HOW_K_IS_FIXED = (
    'The picture shows K people. Score threshold 0 and NMS at IoU 1: the detector and its NMS do '
    'all their work but drop nobody, and the K best boxes go on to the heads, in every program '
    'alike; a result with another number of people ends the run.'
)
STAGES = (
    'preprocess', 'trunk', 'proposals', 'box head', 'selection', 'crops', 'heads', 'decode',
    'track', 'message',
)  # fmt: skip
"""All stages in their order; no program has all of them."""

RATE_HZ = 30.0


class BenchmarkError(ValueError):
    """Something to be measured is missing or does not do what it should; says what to do."""


class Stopwatch:
    """Splits a run into stages.

    Args:
        synchronise: waits until the device has done what it was given; None where there is no
            such delay.
    """

    def __init__(self, synchronise: Callable[[], None] | None = None) -> None:
        self._synchronise = synchronise
        self.start()

    def start(self) -> None:
        """Begin anew."""
        self.stages_s: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for a stage, on top of what it has."""
        if self._synchronise is not None:
            self._synchronise()
        now_s = time.perf_counter()
        self.stages_s[stage] = self.stages_s.get(stage, 0.0) + now_s - self._last_s
        self._last_s = now_s


@dataclass(frozen=True)
class Facts:
    """What stands beside each figure.

    Attributes:
        name: of the program: a preset, or a peer.
        engine: that runs its networks.
        device: in words.
        threads: of the networks.
        precision: of their arithmetic.
    """

    name: str
    engine: str
    device: str
    threads: int
    precision: str = 'f32'

    @property
    def label(self) -> str:
        """Return name and engine, and the precision where it is a lower one."""
        lower = '' if self.precision == 'f32' else f', {self.precision}'
        return f'{self.name} ({self.engine}{lower})'


class Contestant(Protocol):
    """Finds people in images.

    Attributes:
        facts: about it.
        pixels: of the network's input; known after the first run.
        proposals: boxes that were scored or refined in a second step, likewise.
    """

    facts: Facts
    pixels: int
    proposals: int

    def prepare(self, people: int, long_side_px: int) -> None:
        """Set how many people to find and at what size (longer side in the network, px)."""

    def find(self, image: UInt8[np.ndarray, 'height width 3'], clock: Stopwatch) -> People:
        """Return exactly that many people; the stages are counted on the clock."""


class AfterNetwork:
    """What follows in the node: tracking and the messages. The same for every contestant."""

    def __init__(self, message: Callable[[FrameResult], Any] | None) -> None:
        self._message = message
        self._tracker = Tracker(TrackerSettings())
        self._frames = 0

    def run(self, people: People, clock: Stopwatch) -> None:
        """Track the people and make the message."""
        self._frames += 1
        tracks = self._tracker.update(people, self._frames / RATE_HZ)
        events, session = self._tracker.take_events(), self._tracker.session_id
        clock.lap('track')
        if self._message is not None:
            self._message(FrameResult(people, tracks, events, session))
            clock.lap('message')
