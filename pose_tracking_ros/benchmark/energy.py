"""Power while something runs, where the board or the driver measures it."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# The whole board of a Jetson, or its GPU and CPU where the board is not measured.
_TEGRA_RAILS = (r'VDD_IN (\d+)mW', r'POM_5V_IN (\d+)/', r'VDD_GPU_SOC (\d+)mW')


@dataclass(frozen=True)
class Meter:
    """A program that prints power again and again.

    Attributes:
        name: of it.
        command: with a period of 100 ms.
        watts: the power that one of its lines tells, W; None for a line without.
    """

    name: str
    command: tuple[str, ...]
    watts: Callable[[str], float | None]


def nvidia_watts(line: str) -> float | None:
    """Return the sum over the GPUs on one line of `nvidia-smi`, W."""
    numbers = re.findall(r'\d+(?:\.\d+)?', line)
    return sum(map(float, numbers)) if numbers else None


def tegra_watts(line: str) -> float | None:
    """Return the power on one line of `tegrastats`, W."""
    for rail in _TEGRA_RAILS:
        found = re.search(rail, line)
        if found:
            return float(found[1]) / 1000
    return None


_METERS = (
    Meter('tegrastats', ('tegrastats', '--interval', '100'), tegra_watts),
    Meter(
        'nvidia-smi',
        ('nvidia-smi', '--query-gpu=power.draw', '--format=csv,noheader,nounits', '-lms', '100'),
        nvidia_watts,
    ),
)


def find_meter() -> Meter | None:
    """Return the first meter that is installed, None when there is none."""
    return next((meter for meter in _METERS if shutil.which(meter.command[0])), None)


def joules_per_run(meter: Meter, run: Callable[[], Any], duration_s: float = 3.0) -> float | None:
    """Return the energy of one run, J, idle power included; None if the meter told nothing.

    Args:
        meter: to read.
        run: repeated without pause.
        duration_s: for how long, s.
    """
    watts: list[float] = []
    with subprocess.Popen(
        meter.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                value = meter.watts(line)
                if value is not None:
                    watts.append(value)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            started, runs = time.perf_counter(), 0
            while time.perf_counter() - started < duration_s:
                run()
                runs += 1
            spent_s = time.perf_counter() - started
        finally:
            process.terminate()
            reader.join(timeout=2)
    return float(np.mean(watts)) * spent_s / runs if watts else None
