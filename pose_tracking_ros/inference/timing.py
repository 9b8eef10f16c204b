"""How long an engine takes for one image, by the number of people in it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.settings import NetworkSettings

_WARM_UP_RUNS = 3
_IMAGE_SIZE = (640, 480)


@dataclass(frozen=True)
class Timing:
    """Time of one image from pixels to `People`.

    Attributes:
        people: reported.
        best_ms: fastest run; what others do on the machine adds to it, never takes away.
        median_ms: of all runs.
        processor_ms: processor time of all threads, fastest run; hardly depends on what else the
            machine does.
    """

    people: int
    best_ms: float
    median_ms: float
    processor_ms: float


def time_images(
    engine: NetworkEngine,
    settings: NetworkSettings,
    people: list[int],
    runs: int,
    done: Callable[[], None] = lambda: None,
) -> list[Timing]:
    """Return the time for each number of people.

    The image is noise: everything found counts as a person, up to the wanted number. The work is
    that of a scene with so many people, whatever the network can find.

    Args:
        engine: made for the settings.
        settings: of which the thresholds are replaced.
        people: numbers to measure.
        runs: of each, after three to warm up.
        done: called after each run.

    Raises:
        ValueError: the network proposes fewer boxes than people wanted.
    """
    width, height = _IMAGE_SIZE
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    timings = []
    for count in people:
        engine.apply_settings(
            dataclasses.replace(settings, min_person_score=0.0, nms_iou=1.0, max_people=count)
        )
        times_ms, processor_ms = [], []
        for run in range(_WARM_UP_RUNS + runs):
            started, used_s = time.perf_counter(), time.process_time()
            found = len(engine.infer(noise))
            if run >= _WARM_UP_RUNS:
                processor_ms.append(1000 * (time.process_time() - used_s))
                times_ms.append(1000 * (time.perf_counter() - started))
            done()
        if found != count:
            raise ValueError(f'--people: expected at most {found} for this network, got {count}')
        median_ms = float(np.median(times_ms))
        timings.append(Timing(count, min(times_ms), median_ms, min(processor_ms)))
    engine.apply_settings(settings)
    return timings
