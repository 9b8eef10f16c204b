"""Which engine is fastest here: measured once, remembered per machine, weights and settings."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.letterbox import Letterbox
from pose_tracking_ros.inference.model_cache import CacheError, cache_folder, key_of
from pose_tracking_ros.inference.network_engine import Runtime
from pose_tracking_ros.inference.onnx_files import PART_NAMES, sample_inputs
from pose_tracking_ros.inference.runtimes import (
    ENGINES_OF,
    Job,
    build,
    candidates,
    check_precision,
)
from pose_tracking_ros.network.model import SIZE_STEP_PX
from pose_tracking_ros.network.presets import proposals_of

# Building takes no longer than this and one more candidate.
_BUDGET_S = 4.0
# Candidates take turns, so that a moment in which the machine has other work does not decide.
_ROUNDS = 3
_RUNS = 2
# Of one turn: networks that take seconds per image on a CPU are told apart by fewer runs.
_MEASURE_S = 0.5
# A usual image: a few people, 4:3.
_PEOPLE = 5
_IMAGE_SIZE = (640, 480)


def choose(job: Job, measure: Callable[[Runtime, Job], float] | None = None) -> Runtime:
    """Return the fastest of the installed engines that have the precision, remembered or measured.

    What was chosen and why goes to `job.tell`. A candidate that does not start is left out, and
    the reason told; torch always starts.

    Args:
        job: what for.
        measure: returns the seconds of one image; `seconds_per_image` if not given.

    Raises:
        EngineError: no engine computes so precisely on this device and processor.
    """
    check_precision('auto', job)
    names = candidates(job.device, job.settings.precision)
    if len(names) < 2:
        # Torch is always there, but does not have every precision; OpenVINO says what it lacks.
        name = names[0] if names else ENGINES_OF[job.settings.precision][0]
        job.tell(f'engine: {name} is the only one to choose from on {job.device.type}')
        return build(name, job)
    path = cache_folder(job.settings.engine_cache) / f'choice-{key_of(_facts(job, names))}.json'
    times_ms = _remembered(path, names)
    if times_ms:
        for name in sorted(times_ms, key=lambda name: times_ms[name]):
            runtime = _built(name, job)
            if runtime is not None:
                job.tell(f'engine: {name}, as measured earlier ({_in_words(times_ms)})')
                return runtime
    return _measured(job, names, path, measure or seconds_per_image)


def seconds_per_image(runtime: Runtime, job: Job) -> float:
    """Return the time of the network's parts for an image of the configured size, s.

    The best of several runs: others on the machine make a run slower, never faster.
    """
    letterbox = Letterbox.fit(_IMAGE_SIZE, job.settings.image_long_side_px, SIZE_STEP_PX)
    width, height = letterbox.padded_size
    few = sample_inputs(job.network, _PEOPLE, (height, width))
    inputs = few | {'box': sample_inputs(job.network, proposals_of(job.settings.preset))['box']}
    given = {
        part: tuple(value.to(runtime.device) for value in values)
        for part, values in inputs.items()
    }
    best, started = float('inf'), time.perf_counter()
    with (
        torch.inference_mode(),
        torch.autocast(runtime.device.type, torch.float16, enabled=runtime.half),
    ):
        for run in range(_RUNS + 1):
            before = time.perf_counter()
            for part in PART_NAMES:
                getattr(runtime.parts, part)(*given[part])
            if runtime.device.type == 'cuda':
                torch.cuda.synchronize(runtime.device)
            now = time.perf_counter()
            # The first run warms up, unless there is no time for another.
            if run or now - started > _MEASURE_S:
                best = min(best, now - before)
            if now - started > _MEASURE_S:
                break
    return best


def _measured(
    job: Job, names: list[str], path: Path, measure: Callable[[Runtime, Job], float]
) -> Runtime:
    started = time.perf_counter()
    runtimes: dict[str, Runtime] = {}
    for name in names:
        spent_s = time.perf_counter() - started
        if runtimes and spent_s > _BUDGET_S:
            job.tell(f'engine: {name} is not tried, the others have taken {spent_s:.1f} s')
            continue
        runtime = _built(name, job)
        if runtime is not None:
            runtimes[name] = runtime
    if not runtimes:
        return build('torch', job)
    times_ms = dict.fromkeys(runtimes, float('inf'))
    for _ in range(_ROUNDS):
        for name, runtime in runtimes.items():
            times_ms[name] = min(times_ms[name], 1000 * measure(runtime, job))
    chosen = min(times_ms, key=lambda name: times_ms[name])
    job.tell(f'engine: {chosen} is the fastest here ({_in_words(times_ms)})')
    try:
        _remember(path, times_ms)
    except OSError as error:
        job.tell(f'engine: cannot remember the choice in {path}: {error}')
    return runtimes[chosen]


def _built(name: str, job: Job) -> Runtime | None:
    try:
        return build(name, job)
    except (EngineError, CacheError, OSError, RuntimeError, ImportError) as error:
        if name == 'torch':
            raise
        # Runtimes raise errors of many lines, the first of which says what happened.
        job.tell(f'engine: {name} is left out: {str(error).splitlines()[0]}')
        return None


def _in_words(times_ms: dict[str, float]) -> str:
    ordered = sorted(times_ms.items(), key=lambda item: item[1])
    return ', '.join(f'{name} {time_ms:.1f} ms' for name, time_ms in ordered)


def _facts(job: Job, names: list[str]) -> dict[str, str]:
    """Return all that the measured times depend on."""
    import importlib.metadata

    versions = {
        name: importlib.metadata.version(name)
        for name in ('torch', 'openvino', 'onnxruntime')
        if name in names
    }
    gpu = torch.cuda.get_device_name(job.device) if job.device.type == 'cuda' else ''
    return versions | {
        'weights': job.provenance.sha256,
        'machine': f'{platform.machine()} {_processor()} {gpu}',
        'cores': str(os.cpu_count()),
        'threads': str(job.settings.threads),
        'image_long_side_px': str(job.settings.image_long_side_px),
        'precision': job.settings.precision,
    }


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor()


def _remembered(path: Path, names: list[str]) -> dict[str, float]:
    """Return the times in a file, ms; empty when there is none or it is unusable."""
    try:
        content = json.loads(path.read_text())
        times_ms = {str(name): float(value) for name, value in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    usable = all(name in names and np.isfinite(value) for name, value in times_ms.items())
    return times_ms if usable else {}


def _remember(path: Path, times_ms: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f'.{os.getpid()}.partial')
    partial.write_text(json.dumps(times_ms) + '\n')
    partial.replace(path)
