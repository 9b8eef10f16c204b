"""A run that is interrupted and resumed sees and computes what an uninterrupted one does."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_training import STEPS, write_config, write_data

from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.network.weights import load_network
from pose_tracking_ros.training import __main__ as command
from pose_tracking_ros.training.config import load_config
from pose_tracking_ros.training.devices import fastest_precision
from pose_tracking_ros.training.loop import Run


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('data')
    write_data(folder)
    return folder


@pytest.fixture(scope='module')
def config(data: Path) -> Path:
    return write_config(data, name='small')


def losses(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / 'log.jsonl').read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != 'elapsed_s'} for line in lines]


def test_interrupted_run_goes_on_as_if_nothing_had_happened(
    data: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Run(load_config(config), data, tmp_path / 'whole')
    assert whole.train()

    original = Run._train_step

    def interrupt_after_two(run: Run, batch: Any) -> dict[str, float]:
        facts = original(run, batch)
        if run.step == 1:
            signal.raise_signal(signal.SIGINT)
        return facts

    with monkeypatch.context() as patch:
        patch.setattr(Run, '_train_step', interrupt_after_two)
        first = Run(load_config(config), data, tmp_path / 'parts')
        assert not first.train()
        assert first.step == 2
    second = Run(load_config(config), data, tmp_path / 'parts')
    assert second.step == 2
    assert second.train()

    assert losses(tmp_path / 'parts') == losses(tmp_path / 'whole')
    assert not list(tmp_path.glob('**/*.partial'))
    one, _ = load_network('lite', tmp_path / 'whole' / 'lite.safetensors')
    other, provenance = load_network('lite', tmp_path / 'parts' / 'lite.safetensors')
    assert provenance.training['steps'] == f'{STEPS} of {STEPS}'
    for name, value in one.state_dict().items():
        assert (value == other.state_dict()[name]).all(), name


def test_run_starts_from_a_checkpoint(data: Path, config: Path, tmp_path: Path) -> None:
    first = Run(load_config(config), data, tmp_path / 'first')
    first.train()
    content = yaml.safe_load(config.read_text())
    content['start'] = str(tmp_path / 'first' / 'lite.safetensors')
    path = data / 'second.yaml'
    path.write_text(yaml.safe_dump(content))
    second = Run(load_config(path), data, tmp_path / 'second')
    saved, _ = load_network('lite', tmp_path / 'first' / 'lite.safetensors')
    started = second.network.state_dict()
    for name, value in saved.state_dict().items():
        assert (started[name] == value).all(), name
    assert second.step == 0


@pytest.mark.parametrize(
    ('flags', 'precision'), [(('avx512_bf16',), 'bf16-mixed'), (('avx2',), '32-true')]
)
def test_bfloat16_is_used_only_where_the_processor_computes_it(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], precision: str
) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setattr(Processor, 'here', lambda: Processor('some', 2, flags))
    assert fastest_precision() == precision


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        ('picture', 'not a readable picture'),
        ('joint', 'labels.json: annotations[0].keypoints[0]: expected a finite number'),
        ('config', 'no such file'),
    ],
)
def test_bad_input_ends_with_one_message_and_no_checkpoint(
    data: Path,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: str,
    message: str,
) -> None:
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if damage == 'picture':
        for path in tmp_path.glob('*.png'):
            path.write_bytes(b'broken')
    if damage == 'joint':
        content = json.loads((tmp_path / 'labels.json').read_text())
        content['annotations'][0]['keypoints'][0] = float('nan')
        (tmp_path / 'labels.json').write_text(json.dumps(content))
    path = tmp_path / ('none.yaml' if damage == 'config' else config.name)
    output = tmp_path / 'run'
    arguments = ['training', str(path), '--data-root', str(tmp_path), '--output', str(output)]
    monkeypatch.setattr(sys, 'argv', arguments)
    assert command.main() == 2
    errors = capsys.readouterr().err
    assert errors.startswith('error: ')
    assert message in errors
    assert errors.count('\n') == 1
    assert not list(output.glob('*.safetensors'))
