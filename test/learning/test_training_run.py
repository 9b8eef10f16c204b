"""What a run leaves behind: the best and the last weights, where they come from, its journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from small_training import LITE, STEPS, write_config, write_data

from pose_tracking_ros.network.weights import load_network
from pose_tracking_ros.training.config import load_config
from pose_tracking_ros.training.journal import Journal, read_journal
from pose_tracking_ros.training.loop import Run
from pose_tracking_ros.training.provenance import hashes_of
from pose_tracking_ros.training.validation import Validator


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    write_data(folder)
    return folder


@pytest.fixture(scope='module')
def config(data: Path) -> Path:
    validation = {
        'annotations': 'labels.json', 'images': '.', 'every_steps': 2, 'long_side_px': 128,
    }  # fmt: skip
    return write_config(data, name='validated', validation=validation)


def test_the_best_weights_are_kept_beside_the_last(
    data: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Accuracy falls: the first are the best.
    aps = iter([0.5, 0.25])
    monkeypatch.setattr(
        Validator, 'figures', lambda self, network: {'keypoint_ap': next(aps), 'box_ap': 0.75}
    )
    run = Run(load_config(config), data, tmp_path / 'run')
    assert run.train()
    best, last = (
        load_network('lite', tmp_path / 'run' / f'{name}.safetensors') for name in ('best', 'lite')
    )
    assert best[1].training['steps'] == f'2 of {STEPS}'
    assert json.loads(best[1].training['validation']) == {'keypoint_ap': 0.5, 'box_ap': 0.75}
    assert last[1].training['steps'] == f'{STEPS} of {STEPS}'
    assert any(
        (value != last[0].state_dict()[name]).any() for name, value in best[0].state_dict().items()
    )
    steps, validations = read_journal(tmp_path / 'run')
    assert [line['step'] for line in steps] == list(range(1, STEPS + 1))
    assert [line['validation']['keypoint_ap'] for line in validations] == [0.5, 0.25]
    # Remembered when resumed: a worse one later does not replace it.
    assert Run(load_config(config), data, tmp_path / 'run').best == 0.5


def test_validation_changes_nothing_of_the_training(
    data: Path, config: Path, tmp_path: Path
) -> None:
    validated = Run(load_config(config), data, tmp_path / 'validated')
    assert validated.train()
    plain = Run(load_config(write_config(data, name='plain')), data, tmp_path / 'plain')
    assert plain.train()
    for name, value in plain.network.state_dict().items():
        assert (validated.network.state_dict()[name] == value).all(), name
    _, validations = read_journal(tmp_path / 'validated')
    assert [line['step'] for line in validations] == [2, 4]
    assert set(validations[0]['validation']) >= {'box_ap', 'keypoint_ap'}


def test_a_checkpoint_says_where_it_comes_from(data: Path, config: Path, tmp_path: Path) -> None:
    run = Run(load_config(config), data, tmp_path / 'run')
    run.save()
    _, provenance = load_network('lite', tmp_path / 'run' / 'lite.safetensors')
    facts = provenance.training
    assert json.loads(facts['config'])['name'] == 'validated'
    hashes = json.loads(facts['data'])
    assert list(hashes) == ['labels.json']
    assert hashes == hashes_of('labels.json', data)
    assert facts['code'] != ''
    (tmp_path / 'labels.json').write_text('[]')
    assert hashes_of({'a': ['labels.json', 'absent']}, tmp_path) != hashes


def test_steps_that_are_done_again_replace_those_in_the_journal(tmp_path: Path) -> None:
    with Journal(tmp_path, 0) as journal:
        for step in (1, 2, 3):
            journal.add_step(step, {'loss': float(step)}, 0.5)
        journal.add_validation(3, {'keypoint_ap': 0.5})
    # Killed in the middle of a line, and saved at step 2.
    with (tmp_path / 'log.jsonl').open('a') as log:
        log.write('{"step": 4, "lo')
    with Journal(tmp_path, 2) as journal:
        journal.add_step(3, {'loss': 30.0}, 0.25)
    steps, validations = read_journal(tmp_path)
    assert [(line['step'], line['loss']) for line in steps] == [(1, 1.0), (2, 2.0), (3, 30.0)]
    assert validations == []


def test_events_can_be_read(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event

    with Journal(tmp_path, 0) as journal:
        journal.add_step(1, {'loss': 2.5}, 0.5)
        journal.add_validation(1, {'keypoint_ap': 0.75})
    found = {}
    for path in (tmp_path / 'tensorboard').iterdir():
        content = path.read_bytes()
        while content:
            # A record: its length, a checksum, itself, another checksum.
            length = int.from_bytes(content[:8], 'little')
            event = Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    assert found == {('training/loss', 1): 2.5, ('validation/keypoint_ap', 1): 0.75}


@pytest.mark.parametrize('every_steps', [0, -5])
def test_a_wrong_interval_is_told(data: Path, every_steps: int) -> None:
    path = write_config(data, name='wrong', validation={'every_steps': every_steps})
    with pytest.raises(ValueError, match='validation: every_steps: expected at least 1'):
        load_config(path)


def test_several_processes_end_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    path = write_config(data, name='two')
    output = tmp_path / 'two'
    environment: dict[str, Any] = os.environ | {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    run = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--standalone'),
            *('--nproc-per-node', '2', '-m', 'pose_tracking_ros.training', str(path)),
            *('--data-root', str(data), '--output', str(output)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    two, provenance = load_network('lite', output / 'lite.safetensors')
    assert provenance.training['steps'] == f'{STEPS} of {STEPS}'
    steps, _ = read_journal(output)
    assert len(steps) == STEPS
    # Each process had batches of its own: another result than that of one process.
    one = Run(load_config(path), data, tmp_path / 'one')
    assert one.train()
    assert steps != read_journal(tmp_path / 'one')[0]
    assert any((v != one.network.state_dict()[n]).any() for n, v in two.state_dict().items())
    assert yaml.safe_load(path.read_text())['name'] == 'two'


def test_a_signal_to_all_of_its_processes_saves_and_ends_a_run(data: Path, tmp_path: Path) -> None:
    """As `torchrun` sends it: the loader's workers get it too."""
    config = write_config(
        data,
        'signalled',
        workers=1,
        optimiser=yaml.safe_load(LITE.read_text())['optimiser']
        | {'steps': 1000, 'detection_canvases': 1},
    )
    output = tmp_path / 'run'
    command = [sys.executable, '-m', 'pose_tracking_ros.training', str(config)]
    command += ['--data-root', str(data), '--output', str(output)]
    process = subprocess.Popen(command, start_new_session=True)
    log = output / 'log.jsonl'
    deadline_s = time.monotonic() + 120
    while not (log.exists() and log.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 3
    steps = len(log.read_text().splitlines())
    assert 0 < steps < 1000
    assert torch.load(output / 'state.pt', weights_only=True)['step'] == steps
