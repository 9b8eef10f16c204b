"""Letterbox, device choice, and the engine on untrained weights, run by torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pose_tracking_ros.inference import load_engine, loading
from pose_tracking_ros.inference.letterbox import Letterbox
from pose_tracking_ros.inference.loading import DeviceError, choose_device
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import WeightsError, save_weights
from pose_tracking_ros.settings import NetworkSettings

SIZES = [(640, 480), (480, 640), (1280, 720), (64, 48), (1, 1), (4096, 3072), (3, 900)]


@pytest.mark.parametrize('size', SIZES)
def test_letterbox_sides(size: tuple[int, int]) -> None:
    box = Letterbox.fit(size, 320, 32)
    assert max(box.size) == 320
    assert all(side % 32 == 0 for side in box.padded_size)
    assert all(0 <= p - s < 32 for p, s in zip(box.padded_size, box.size, strict=True))


@pytest.mark.parametrize('size', SIZES)
def test_letterbox_points_return_to_the_image(size: tuple[int, int]) -> None:
    box = Letterbox.fit(size, 320, 32)
    corner = np.array([box.size], np.float32)
    assert np.allclose(box.to_image(corner), [size], rtol=1e-5)


@pytest.mark.parametrize('size', [(1280, 720), (768, 576), (320, 240)])
def test_letterbox_takes_images_that_are_read_only(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    letterbox = Letterbox.fit(size, 448, 32)
    wanted = letterbox.apply(image)
    image.setflags(write=False)
    np.testing.assert_array_equal(letterbox.apply(image), wanted)


@pytest.mark.parametrize('size', [(1280, 720), (768, 576), (2000, 1500)])
def test_letterbox_averages_what_it_shrinks(size: tuple[int, int]) -> None:
    fine = np.zeros((size[1], size[0], 3), np.uint8)
    fine[::2, ::2] = 200
    fine[1::2, 1::2] = 200
    letterbox = Letterbox.fit(size, 448, 32)
    width, height = letterbox.size
    inside = letterbox.apply(fine)[2 : height - 2, 2 : width - 2].astype(float)
    assert inside.mean() == pytest.approx(100, abs=2)
    # Nearest or plain linear sampling would leave stripes of full contrast.
    assert inside.std() < 15


def test_letterbox_keeps_positions() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    image[196:204, 296:304] = 255
    box = Letterbox.fit((600, 400), 320, 32)
    scaled = box.apply(image)
    assert scaled.shape == (224, 320, 3)
    ys, xs = np.nonzero(scaled[: box.size[1], : box.size[0], 0] > 40)
    middle = np.array([[xs.mean() + 0.5, ys.mean() + 0.5]], np.float32)
    assert np.abs(box.to_image(middle) - [300, 200]).max() < 1.0


def test_padding_is_not_black() -> None:
    padded = Letterbox.fit((300, 100), 320, 64).apply(np.zeros((100, 300, 3), np.uint8))
    assert padded[-1, -1].tolist() == [124, 116, 104]


def test_device_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device('cpu') == (torch.device('cpu'), '')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    device, reason = choose_device('auto')
    assert device.type == 'cpu'
    assert 'sees no usable GPU' in reason
    with pytest.raises(DeviceError, match='cuda:1 is not there .*use device:=cpu'):
        choose_device('cuda:1')
    with pytest.raises(DeviceError, match="got 'gpu'"):
        choose_device('gpu')
    with pytest.raises(DeviceError, match="got 'cuda:x'"):
        choose_device('cuda:x')


def test_a_gpu_that_is_there_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert choose_device('auto') == (torch.device('cuda'), '')
    assert choose_device('cuda:1') == (torch.device('cuda:1'), '')
    with pytest.raises(DeviceError, match='cuda:2 is not there'):
        choose_device('cuda:2')


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network('lite')
    torch.nn.init.normal_(network.box_head.score.weight, std=2.0)
    path = tmp_path_factory.mktemp('engine') / 'lite.safetensors'
    save_weights(network, path, 'lite', {})
    return path


def settings_for(weights: Path, **changes: object) -> NetworkSettings:
    values: dict[str, object] = {
        'weights': str(weights),
        'device': 'cpu',
        'engine': 'torch',
        'image_long_side_px': 192,
        'min_person_score': 0.0,
        'max_people': 5,
    }
    return NetworkSettings(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize('size', [(640, 480), (48, 64), (1, 1), (2000, 30)])
def test_engine_answers_in_image_pixels(weights: Path, size: tuple[int, int]) -> None:
    engine = load_engine(settings_for(weights))
    image = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    people = engine.infer(image)
    assert people.image_size == size
    assert len(people) <= 5
    assert (people.boxes <= [*size, *size]).all()
    assert (people.boxes >= 0).all()
    assert people.embeddings.shape[1] == 128


def test_engine_without_people(weights: Path) -> None:
    engine = load_engine(settings_for(weights, min_person_score=1.0))
    people = engine.infer(np.zeros((100, 100, 3), np.uint8))
    assert len(people) == 0
    assert people.keypoints.shape == (0, 17, 2)


def test_engine_takes_over_live_settings(weights: Path) -> None:
    engine = load_engine(settings_for(weights))
    image = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    assert len(engine.infer(image)) > 1
    engine.apply_settings(settings_for(weights, max_people=1))
    assert len(engine.infer(image)) == 1


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_engine_refuses_what_is_no_image(weights: Path, image: np.ndarray) -> None:
    engine = load_engine(settings_for(weights))
    with pytest.raises(ValueError, match='image: expected uint8 RGB'):
        engine.infer(image)


def test_engine_names_its_model(weights: Path) -> None:
    engine = load_engine(settings_for(weights))
    assert engine.model_id.startswith('lite@')
    assert len(engine.model_id) == len('lite@') + 12
    assert engine.device_name.startswith('cpu (')
    engine.warm_up()


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match='no file .*gone'):
        load_engine(settings_for(tmp_path / 'gone'))


def test_auto_reports_the_fallback(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, 'choose_device', lambda name: (torch.device('cpu'), 'no GPU'))
    assert load_engine(settings_for(weights, device='auto')).fallback_reason == 'no GPU'
