"""int8: the file beside the weights, the command that makes it, and what it finds."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pose_tracking_ros.benchmark.scenes import group_scene
from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.inference.__main__ import main
from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.openvino_parts import openvino_parts
from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.inference.quantised import quantised_file, read_quantised
from pose_tracking_ros.inference.runtimes import Job, build, network_of
from pose_tracking_ros.network.weights import shipped_weights
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.tracking.similarity import pairwise_iou

pytest.importorskip('openvino', reason='requirements/engines.txt is not installed')

INT8 = NetworkSettings(device='cpu', engine='openvino', precision='int8', threads=1)
ABLE = Processor('Some CPU', 2, ('avx512_vnni',))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Return a copy of the shipped weights, and of their int8 form."""
    shipped = shipped_weights('lite')
    path = tmp_path / 'mine.safetensors'
    shutil.copy(shipped, path)
    shutil.copy(quantised_file(shipped), tmp_path / 'mine.int8.zip')
    return path


def job_of(settings: NetworkSettings) -> Job:
    network, provenance = network_of(settings)
    return Job(network, provenance, settings, torch.device('cpu'), print)


def test_the_shipped_form_finds_the_same_people_less_exactly() -> None:
    if gap := Processor.here().gap('int8'):
        pytest.skip(gap)
    image = make_scene('crowd', seed=3).render(0)
    engine = load_engine(INT8)
    assert engine.device_name.endswith(', int8')
    wanted = load_engine(dataclasses.replace(INT8, precision='f32')).infer(image)
    found = engine.infer(image)
    assert len(wanted) >= 8
    overlap = pairwise_iou(wanted.boxes, found.boxes)
    pairs = [(i, int(row.argmax())) for i, row in enumerate(overlap) if row.max() > 0.7]
    assert len(pairs) >= 0.8 * max(len(wanted), len(found))
    ours, theirs = map(list, zip(*pairs, strict=True))
    likeness = (wanted.embeddings[ours] * found.embeddings[theirs]).sum(1)
    assert np.median(likeness) > 0.95
    # Not full precision under another name.
    assert np.abs(wanted.boxes[ours] - found.boxes[theirs]).max() > 0.05


def test_embeddings_of_what_was_never_seen_have_unit_length() -> None:
    _, provenance = network_of(INT8)
    models = read_quantised(quantised_file(shipped_weights('lite')), provenance)
    parts, _ = openvino_parts(models, 1, 'int8')
    for size in (0.0, 1e-3, 1.0, 1000.0):
        features = size * torch.randn(8, 24, 18, 64, generator=torch.Generator().manual_seed(0))
        lengths = parts.person(features)[1].norm(dim=1)
        assert torch.allclose(lengths, torch.ones(8), atol=1e-5), size


def test_int8_is_refused_where_it_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(INT8)
    monkeypatch.setattr(Processor, 'here', lambda: ABLE)
    with pytest.raises(EngineError, match='engines openvino for int8, got torch'):
        build('torch', job)
    unable = Processor('Old CPU', 2, ('avx2', 'avx512_bf16'))
    monkeypatch.setattr(Processor, 'here', lambda: unable)
    with pytest.raises(EngineError, match='Old CPU has neither VNNI nor AMX.*choose f32'):
        build('openvino', job)


@pytest.mark.parametrize('engine', ['auto', 'openvino'])
def test_weights_without_int8_form_are_told_how_to_get_one(
    engine: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processor, 'here', lambda: ABLE)
    quantised_file(weights).unlink()
    settings = dataclasses.replace(INT8, weights=str(weights), engine=engine)
    with pytest.raises(EngineError, match=r'needs .*mine\.int8\.zip, which is not there; make it'):
        load_engine(settings)


def changed(path: Path, **facts: str) -> None:
    """Change facts in an int8 form."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content['facts.json'] = json.dumps(json.loads(content['facts.json']) | facts).encode()
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in content.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ('key', 'value'), [('weights', 'f' * 64), ('graph_revision', '0'), ('format', 'other')]
)
def test_a_form_of_something_else_is_refused(key: str, value: str, weights: Path) -> None:
    changed(quantised_file(weights), **{key: value})
    _, provenance = network_of(NetworkSettings(weights=str(weights)))
    with pytest.raises(EngineError, match=f'expected {key} .*, got {value}; make it by'):
        read_quantised(quantised_file(weights), provenance)


def test_a_damaged_form_is_told(weights: Path) -> None:
    path = quantised_file(weights)
    whole = path.read_bytes()
    _, provenance = network_of(NetworkSettings(weights=str(weights)))
    middle = len(whole) // 2
    for content in (b'', whole[:middle], whole[:middle] + b'damage' + whole[middle + 6 :]):
        path.write_bytes(content)
        with pytest.raises(EngineError, match=r'mine\.int8\.zip is damaged \(.+\); make it by'):
            read_quantised(path, provenance)


def quantise(weights: Path, images: Path, *more: str) -> int:
    few = ['--weights', str(weights), '--images', str(images), '--long-side', '256']
    return main(['quantise', *few, '--threads', '1', *more])


def test_the_command_makes_a_form_that_finds_people(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pytest.importorskip('nncf', reason='requirements/int8.txt is not installed')
    monkeypatch.setattr(Processor, 'here', lambda: ABLE)
    images = tmp_path / 'images' / 'deep'
    images.mkdir(parents=True)
    scene = group_scene(5, (480, 640))
    for number in range(6):
        image = scene.render(0)[:, 40 * number :]
        cv2.imwrite(str(images / f'{number}.png'), image[..., ::-1])
    shipped = quantised_file(weights).read_bytes()
    assert quantise(weights, tmp_path / 'images', '--count', '4') == 0
    out = ''.join(capsys.readouterr().out.split())
    assert 'mine.int8.zip:' in out
    assert 'MB,from4pictures;partswith5people:' in out
    # It would tell its makers otherwise.
    assert os.environ['NNCF_CI']
    assert quantised_file(weights).read_bytes() != shipped
    with zipfile.ZipFile(quantised_file(weights)) as archive:
        facts = json.loads(archive.read('facts.json'))
    assert (facts['pictures'], facts['image_long_side_px']) == ('4', '256')
    settings = dataclasses.replace(INT8, weights=str(weights), image_long_side_px=256)
    assert len(load_engine(settings).infer(scene.render(0))) >= 3


def test_the_command_wants_pictures_with_people(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('nncf', reason='requirements/int8.txt is not installed')
    images = tmp_path / 'images'
    images.mkdir()
    assert quantise(weights, images) == 2
    assert 'expected pictures' in capsys.readouterr().err
    (images / 'broken.png').write_bytes(b'no picture')
    assert quantise(weights, images) == 2
    assert 'broken.png: expected a picture' in capsys.readouterr().err
    cv2.imwrite(str(images / 'broken.png'), np.full((300, 400, 3), 90, np.uint8))
    before = quantised_file(weights).read_bytes()
    assert quantise(weights, images) == 2
    assert 'the network finds nobody in 1 pictures' in capsys.readouterr().err
    assert quantise(weights, images, '--count', '0') == 2
    assert '--count: expected at least 1 picture, got 0' in capsys.readouterr().err
    assert quantised_file(weights).read_bytes() == before


def test_the_command_says_that_nncf_is_missing(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, 'nncf', None)
    cv2.imwrite(str(tmp_path / 'one.png'), np.zeros((64, 64, 3), np.uint8))
    assert quantise(weights, tmp_path) == 2
    assert 'needs the Python package nncf' in capsys.readouterr().err
