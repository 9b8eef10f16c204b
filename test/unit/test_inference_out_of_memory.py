"""Full memory: a smaller image once, then a clear error; and everything else as it was."""

import numpy as np
import pytest
import torch

from pose_tracking_ros.inference.out_of_memory import SparingEngine, is_out_of_memory
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings

IMAGE = np.zeros((48, 64, 3), np.uint8)


class SmallMemory:
    """Has room for images up to a size; fails in a way of choice beyond it."""

    model_id = 'small@1'
    device_name = 'cuda:0 (paper)'
    embedding_dim = 4
    fallback_reason = ''

    def __init__(self, fits_px, error=None):
        self.fits_px = fits_px
        self.error = error or torch.OutOfMemoryError('CUDA out of memory. Tried 2 GiB\nmore')
        self.settings = NetworkSettings(image_long_side_px=448)
        self.sides = []

    def apply_settings(self, settings):
        self.settings = settings

    def warm_up(self):
        self.infer(IMAGE)

    def infer(self, image):
        self.sides.append(self.settings.image_long_side_px)
        if self.settings.image_long_side_px > self.fits_px:
            raise self.error
        return People.none((image.shape[1], image.shape[0]), dim=4)


def sparing(engine):
    told = []
    return SparingEngine(engine, engine.settings, told.append), told


@pytest.mark.parametrize(
    'error',
    [
        torch.OutOfMemoryError('CUDA out of memory'),
        RuntimeError('CUDA error: out of memory'),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError('[ONNXRuntimeError] : Failed to allocate memory for requested buffer'),
        MemoryError(),
    ],
)
def test_full_memory_is_tried_at_half_the_size_and_stays_there(error):
    engine = SmallMemory(300, error)
    spared, told = sparing(engine)
    assert spared.infer(IMAGE).image_size == (64, 48)
    spared.infer(IMAGE)
    assert engine.sides == [448, 224, 224]
    (text,) = told
    for word in ('out of memory', '448', '224', 'image_long_side_px', 'cuda:0 (paper)'):
        assert word in text
    # Only what matters of a long message.
    assert 'more' not in text


def test_new_settings_bring_the_full_size_back():
    engine = SmallMemory(300)
    spared, _ = sparing(engine)
    spared.infer(IMAGE)
    engine.fits_px = 1000
    spared.apply_settings(NetworkSettings(image_long_side_px=640))
    spared.infer(IMAGE)
    assert engine.sides == [448, 224, 640]


def test_one_retry_and_then_a_clear_error():
    engine = SmallMemory(10)
    spared, told = sparing(engine)
    with pytest.raises(
        RuntimeError, match='with image_long_side_px 448 and again with 224'
    ) as error:
        spared.infer(IMAGE)
    assert 'smaller preset' in str(error.value)
    assert engine.sides == [448, 224]
    assert told == []
    # The next image is tried at full size: somebody may have freed memory.
    engine.fits_px = 1000
    spared.infer(IMAGE)
    assert engine.sides[-1] == 448


def test_the_smallest_size_has_no_half():
    engine = SmallMemory(10)
    engine.settings = NetworkSettings(image_long_side_px=64)
    spared, _ = sparing(engine)
    with pytest.raises(RuntimeError, match='at the smallest size, 64 px'):
        spared.infer(IMAGE)
    assert engine.sides == [64]


@pytest.mark.parametrize('error', [RuntimeError('illegal address'), ValueError('image: no')])
def test_other_errors_go_through_at_once(error):
    engine = SmallMemory(10, error)
    spared, _ = sparing(engine)
    with pytest.raises(type(error), match=str(error)):
        spared.infer(IMAGE)
    assert engine.sides == [448]
    assert not is_out_of_memory(error)


def test_warming_up_is_spared_too_and_the_rest_is_handed_through():
    engine = SmallMemory(300)
    spared, told = sparing(engine)
    spared.warm_up()
    assert len(told) == 1
    assert (spared.model_id, spared.embedding_dim) == ('small@1', 4)
    assert (spared.device_name, spared.fallback_reason) == ('cuda:0 (paper)', '')
