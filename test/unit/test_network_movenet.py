"""`lite` starts from MoveNet MultiPose: what was published computes the same here."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from movenet_files import computed, movenet_arrays, write_graph_model

from pose_tracking_ros.network.movenet import load_movenet, read_graph_model
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import WeightsError


@pytest.fixture(scope='module')
def arrays():
    return movenet_arrays()


@pytest.fixture
def model_file(tmp_path, arrays):
    return write_graph_model(tmp_path, arrays)


def test_backbone_and_way_down_compute_what_movenet_does(model_file, arrays):
    network = build_network('lite').eval()
    left = load_movenet(network, model_file)
    # Smooth: what lies beyond the border is zero here in normalised pixels, there in others.
    pixels = F.interpolate(
        torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(2)) * 255,
        size=(192, 256),
        mode='bicubic',
    )
    expected = computed(arrays, pixels)
    with torch.no_grad():
        maps = network.backbone(network.normalise(pixels))
        pyramid, down = network.pyramid, network.pyramid.top(maps['c5'])
        sides = (maps['c4'], maps['c3'], maps['c2'])
        for lateral, smooth, side in zip(pyramid.lateral, pyramid.smooth, sides, strict=True):
            down = smooth(F.interpolate(down, scale_factor=2.0, mode='bilinear') + lateral(side))
    inner = slice(4, -4)
    assert torch.allclose(
        maps['c2'][..., inner, inner], expected['c2'][..., inner, inner], atol=1e-4
    )
    for name, ours in (maps | {'down': down}).items():
        theirs = expected[name]
        assert ours.shape == theirs.shape
        assert theirs.std() > 0.01
        assert (ours - theirs).abs().mean() < 0.05 * theirs.std(), name
    assert not [n for n in left if n.startswith(('backbone', 'pyramid.top', 'pyramid.lateral'))]
    assert 'pose_head.mix.0.weight' in left


def test_half_precision_reads_alike(tmp_path, arrays, model_file):
    folder = tmp_path / 'half'
    folder.mkdir()
    half = read_graph_model(write_graph_model(folder, arrays, half=True))
    for name, value in read_graph_model(model_file).items():
        assert half[name].dtype == value.dtype
        assert half[name] == pytest.approx(value, abs=2e-3)


def test_only_lite_starts_from_it(model_file):
    with pytest.raises(WeightsError, match='only preset lite'):
        load_movenet(build_network('fastpose-18'), model_file)


def test_another_movenet_is_refused(tmp_path, arrays):
    name = next(name for name in arrays if name.endswith('block_3_project/Conv2D_weights'))
    path = write_graph_model(tmp_path, arrays | {name: arrays[name][..., :32]})
    with pytest.raises(WeightsError, match=r'c3.0.*expected shape \(48, 240, 1, 1\), got \(32,'):
        load_movenet(build_network('lite'), path)


def test_a_missing_array_is_named(tmp_path, arrays):
    name = next(name for name in arrays if name.endswith('conv2d_2/BiasAdd/ReadVariableOp'))
    path = write_graph_model(tmp_path, {n: a for n, a in arrays.items() if n != name})
    with pytest.raises(WeightsError, match='has no array.*conv2d_2/BiasAdd'):
        load_movenet(build_network('lite'), path)


def test_damaged_files_are_named(tmp_path, model_file):
    shard = model_file.with_name('movenet-shard2of2.bin')
    whole = shard.read_bytes()
    shard.write_bytes(whole + b'more')
    with pytest.raises(WeightsError, match='movenet.json.*bytes of arrays'):
        read_graph_model(model_file)
    shard.write_bytes(whole[:-100])
    with pytest.raises(WeightsError, match='movenet.json'):
        read_graph_model(model_file)
    shard.unlink()
    with pytest.raises(WeightsError, match='shard2of2'):
        read_graph_model(model_file)
    model_file.write_text(json.dumps([1]))
    with pytest.raises(WeightsError, match='expected a TensorFlow.js graph model'):
        read_graph_model(model_file)


def test_weights_in_whole_numbers_are_refused(model_file):
    content = json.loads(model_file.read_text())
    entry = content['weightsManifest'][0]['weights'][0]
    entry['quantization'] = {'dtype': 'uint8', 'scale': 0.1, 'min': -1.0}
    model_file.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match='Conv1/Conv2D_weights is stored as uint8'):
        read_graph_model(model_file)
