"""All that one replay of one bag with one configuration gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pose_tracking_ros.evaluation.replay.truth import TruthMatch
from pose_tracking_ros.people import TrackEvent
from pose_tracking_ros.recordings.recording import Recording


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """A finished replay.

    Attributes:
        bag: what was replayed.
        topic: of the images.
        configuration: its name.
        settings: values of the settings that differ from the defaults, by their ROS names.
        is_realistic: whether arrival and inference times were simulated, so that images drop.
        recording: the results; `source_stamps_ns` are those of every readable image of the
            topic, `frames` those that were processed.
        events: what happened to tracks, in order; stamps are those of the images.
        dropped_ns: stamps of the images that were not processed, ns.
        problems: what was wrong with the bag, one sentence each; empty when nothing was.
        truth: matched with `recording.source_stamps_ns`; None without ground truth.
        figures: what is written as JSON: plain numbers, strings, lists, dicts. None where a
            figure is not defined. Two runs give the same, unless processing times were measured
            to decide which images drop.
        timing: how fast the replay itself was, as plain values; different in every run.
        is_complete: False when it was interrupted; everything else is about what was done.
    """

    bag: Path
    topic: str
    configuration: str
    settings: dict[str, Any]
    is_realistic: bool
    recording: Recording
    events: Sequence[TrackEvent]
    dropped_ns: Sequence[int]
    problems: Sequence[str]
    truth: TruthMatch | None
    figures: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    is_complete: bool = True
