"""Checkpoints: round trip, and one clear message for each thing that can be wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import mobilenet_v2

from pose_tracking_ros.network import weights as weights_module
from pose_tracking_ros.network.backbone import mobilenet_stages
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.starting_points import load_backbone
from pose_tracking_ros.network.weights import (
    FORMAT,
    WeightsError,
    load_network,
    save_weights,
    shipped_weights,
)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'lite.safetensors'
    save_weights(build_network('lite'), path, 'lite', {'steps': '0'})
    return path


def test_round_trip_in_half_precision(checkpoint: Path) -> None:
    torch.manual_seed(0)
    original = build_network('lite').state_dict()
    network, provenance = load_network('lite', checkpoint)
    assert provenance.preset == 'lite'
    assert provenance.skeleton == 'coco_17'
    assert provenance.training == {'steps': '0'}
    assert len(provenance.sha256) == 64
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, original[name].half().to(value.dtype)), name
    assert checkpoint.stat().st_size < 16e6


def test_nothing_half_written_is_left(checkpoint: Path) -> None:
    assert [path.name for path in checkpoint.parent.iterdir()] == ['lite.safetensors']


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match='no file .*nothing.safetensors'):
        load_network('lite', tmp_path / 'nothing.safetensors')


@pytest.mark.parametrize('keep', [0, 7, 1000, -1])
def test_truncated_file(checkpoint: Path, tmp_path: Path, keep: int) -> None:
    cut = tmp_path / 'cut.safetensors'
    cut.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(WeightsError, match='not a readable safetensors file'):
        load_network('lite', cut)


def test_pickle_is_not_executed(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / 'executed',)

    path = tmp_path / 'hostile.safetensors'
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(WeightsError, match='not a readable safetensors file'):
        load_network('lite', path)
    assert not (tmp_path / 'executed').exists()


def test_hostile_backbone_is_not_executed(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / 'executed',)

    path = tmp_path / 'backbone.pt'
    torch.save({'features.0.0.weight': Hostile()}, path)
    with pytest.raises(WeightsError, match='holds more than arrays'):
        load_backbone(mobilenet_stages(), path)
    assert not (tmp_path / 'executed').exists()


def test_other_preset(checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match='expected preset fastpose-18, got lite'):
        load_network('fastpose-18', checkpoint)


def test_foreign_safetensors(tmp_path: Path) -> None:
    path = tmp_path / 'foreign.safetensors'
    save_file({'x': torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=f'expected format {FORMAT}, got None'):
        load_network('lite', path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('drop', '1 arrays missing'),
        ('add', '1 unknown'),
        ('reshape', r'expected shape \(192,\), got \(3,\)'),
        ('skeleton', 'expected one of the skeletons coco_17, posetrack_15, got body_25'),
    ],
)
def test_arrays_that_do_not_fit(
    checkpoint: Path, tmp_path: Path, change: str, message: str
) -> None:
    tensors = load_file(checkpoint)
    metadata = {'format': FORMAT, 'preset': 'lite', 'skeleton': 'coco_17', 'training': '{}'}
    if change == 'drop':
        del tensors['box_head.score.bias']
    elif change == 'add':
        tensors['surprise'] = torch.zeros(1)
    elif change == 'reshape':
        tensors['box_head.layers.1.bias'] = torch.zeros(3)
    else:
        metadata['skeleton'] = 'body_25'
    path = tmp_path / 'changed.safetensors'
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match=message):
        load_network('lite', path)


def test_no_shipped_weights_says_where_it_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights_module, 'model_folders', lambda: [tmp_path])
    with pytest.raises(
        WeightsError, match='no checkpoint is shipped for preset lite .*looked for'
    ):
        shipped_weights('lite')
    (tmp_path / 'lite.safetensors').touch()
    assert shipped_weights('lite') == tmp_path / 'lite.safetensors'


def test_mobilenet_start_computes_what_torchvision_computes(tmp_path: Path) -> None:
    torch.manual_seed(1)
    reference = mobilenet_v2(weights=None)
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
    path = tmp_path / 'imagenet.pt'
    torch.save(reference.state_dict(), path)
    backbone = mobilenet_stages()
    load_backbone(backbone, path)
    x = torch.rand(1, 3, 64, 64)
    expected = reference.eval().features[:18](x)
    assert torch.allclose(backbone.eval()(x)['c5'], expected, atol=1e-4)


def test_mobilenet_start_from_something_else(tmp_path: Path) -> None:
    path = tmp_path / 'other.pt'
    torch.save({'layer.weight': torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match='arrays are missing, for example features.0.0.weight'):
        load_backbone(mobilenet_stages(), path)
