"""Run other people's trackers in a virtual environment of their own, made when first needed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import NO_CLASS, MotBoxes
from pose_tracking_ros.evaluation.tracker_runs import DetectedSequence, TrackerRun

_CHECKOUT = Path(__file__).resolve().parents[2]
_REQUIREMENTS = _CHECKOUT / 'requirements' / 'peers.txt'
_CONSTRAINTS = _CHECKOUT / 'requirements' / 'constraints.txt'
# Written into the environment when all is there.
_STAMP = 'installed'
_SCRIPT = Path(__file__).with_name('peer_trackers.py')
_INSTEAD = 'or compare only ours (--only ours)'


def run_peers(
    sequences: dict[str, DetectedSequence],
    environment: Path,
    console: Console,
    with_defaults: bool = True,
) -> dict[str, TrackerRun]:
    """Return what each peer makes of the sequences, all of them online.

    Args:
        sequences: by name.
        environment: folder of the virtual environment; made, or made anew, where needed.
        console: tells what is going on.
        with_defaults: run each once more with all of its library's defaults, as NAME_defaults.

    Raises:
        EvaluationError: the environment cannot be made, or the trackers fail.
    """
    python = _make_environment(environment, console)
    with tempfile.TemporaryDirectory() as folder, console.status('running the peers'):
        source, target = Path(folder) / 'detections.npz', Path(folder) / 'results.npz'
        np.savez(source, **_arrays(sequences))
        # Isolated: neither this shell's packages nor the folder of the script are seen.
        command = [str(python), '-I', str(_SCRIPT), str(source), str(target)]
        command += [] if with_defaults else ['alike']
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            last = (ended.stderr.strip().splitlines() or ['no message'])[-1]
            raise EvaluationError(
                f'the peers failed (exit status {ended.returncode}): {last}; remove '
                f'{environment} to install them anew, {_INSTEAD}'
            )
        with np.load(target) as archive:
            found = dict(archive)
    return {
        peer: TrackerRun(
            is_online=True,
            results={name: _boxes(found, f'{peer}/{name}') for name in sequences},
            update_s=np.concatenate([found[f'{peer}/{name}/update_s'] for name in sequences]),
        )
        for peer in found['trackers'].tolist()
    }


def _arrays(sequences: dict[str, DetectedSequence]) -> dict[str, Any]:
    arrays: dict[str, Any] = {'names': np.array(list(sequences))}
    for name, sequence in sequences.items():
        arrays |= {
            f'{name}/frames': sequence.boxes.frames,
            f'{name}/boxes': sequence.boxes.boxes,
            f'{name}/scores': sequence.boxes.scores,
            f'{name}/length': np.array(sequence.frames),
            f'{name}/rate_hz': np.array(sequence.rate_hz),
        }
    return arrays


def _boxes(found: dict[str, Any], key: str) -> MotBoxes:
    return MotBoxes(
        frames=found[f'{key}/frames'],
        ids=found[f'{key}/ids'],
        boxes=found[f'{key}/boxes'],
        scores=found[f'{key}/scores'],
        classes=np.full(len(found[f'{key}/frames']), NO_CLASS),
    )


def is_installed(environment: Path) -> bool:
    """Return whether the environment is there, made by this Python with these very pins.

    Raises:
        EvaluationError: this is not a checkout, which alone has the pins.
    """
    stamp, wanted = environment / _STAMP, _wanted_stamp()
    return stamp.is_file() and stamp.read_text() == wanted


def _wanted_stamp() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in (_REQUIREMENTS, _CONSTRAINTS):
        if not path.is_file():
            raise EvaluationError(
                f'{path}: not there; the peers are installed from a checkout of this project: '
                f'run it there, {_INSTEAD}'
            )
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make_environment(environment: Path, console: Console) -> Path:
    """Return the environment's Python, after making it unless it is there with these pins."""
    python, stamp = environment / 'bin' / 'python', environment / _STAMP
    if is_installed(environment):
        return python
    try:
        environment.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
    except OSError as error:
        raise EvaluationError(
            f'{environment}: no place for the peers: {error}; name another folder '
            f'(--environment), {_INSTEAD}'
        ) from error
    # pip's settings are heeded (an index, a proxy), Python's own (PYTHONPATH) are not.
    pip = [str(python), '-I', '-m', 'pip', 'install', '--no-input', '--progress-bar', 'off']
    pip += ['--disable-pip-version-check']
    steps = (
        [sys.executable, '-I', '-m', 'venv', '--clear', str(environment)],
        [*pip, '--constraint', str(_CONSTRAINTS), '--requirement', str(_REQUIREMENTS)],
    )
    with console.status(f'installing the peers into {environment} (once, about a minute)') as told:
        for step in steps:
            _run_step(step, environment, told)
    stamp.write_text(_wanted_stamp())
    console.print(f'installed the peers into {environment}')
    return python


def _run_step(command: list[str], environment: Path, told: Any) -> None:
    output: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace'
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            if line.strip():
                told.update(f'installing the peers: {line.strip()[:70]}')
    if process.returncode != 0:
        # Not in the environment, which the next attempt clears.
        log = environment.with_name(f'{environment.name}.log')
        log.write_text(''.join(output))
        said = [line.strip() for line in output if line.strip()]
        errors = [line for line in said if line.lower().startswith('error')]
        reason = (errors or said or ['no message'])[-1]
        raise EvaluationError(
            f'the peers cannot be installed into {environment}: {reason}; the whole output is in '
            f'{log}. Check the network and the settings of pip (pip config list), {_INSTEAD}'
        )
