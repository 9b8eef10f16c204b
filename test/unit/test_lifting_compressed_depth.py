"""Compressed depth: every format of the transport, against an encoder written from its format."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
import pytest
from compressed_depth_samples import CODERS, header, png, rvl

from pose_tracking_ros.lifting.compressed_depth import (
    CompressedDepthError,
    decode_compressed_depth,
)
from pose_tracking_ros.lifting.depth_image import DepthImage, DepthImageError

Z0, MAX_M = 100.0, 10.0
A = Z0 * (Z0 + 1)
B = 1 - A / MAX_M


def scene() -> np.ndarray:
    """Millimetres of a slope with a step, noise, and holes."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:60, 0:80]
    depth = 800 + 40 * rows + np.where(columns > 40, 2500, 0) + rng.integers(-5, 6, rows.shape)
    depth[rng.random(depth.shape) < 0.1] = 0
    depth[:7] = 0
    depth[-3:, -9:] = 0
    return depth.astype(np.uint16)


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize('coding', ['png', 'rvl'])
def test_millimetres_come_back_without_loss(coding: str, encoding: str) -> None:
    data = header() + CODERS[coding](scene())
    decoded = decode_compressed_depth(f'{encoding}; compressedDepth {coding}', data)
    assert decoded.metres_per_unit == 0.001
    assert decoded.raw.dtype == np.uint16
    np.testing.assert_array_equal(decoded.raw, scene())


@pytest.mark.parametrize('coding', ['png', 'rvl'])
def test_metres_come_back_as_exactly_as_they_are_quantised(coding: str) -> None:
    metres = np.where(scene() > 0, scene() / 1000, np.nan).astype(np.float32)
    inverse = np.where(metres < MAX_M, A / metres + B, 0)
    data = header(A, B) + CODERS[coding](np.nan_to_num(inverse).astype(np.uint16))
    decoded = decode_compressed_depth(f'32FC1; compressedDepth {coding}', data)
    assert decoded.metres_per_unit == 1.0
    np.testing.assert_array_equal(np.isnan(decoded.raw), np.isnan(metres))
    # A step of the quantisation is z²/A.
    step = metres**2 / A
    assert (np.abs(decoded.raw - metres) <= 1.01 * step)[np.isfinite(metres)].all()


@pytest.mark.parametrize('image_format', ['16UC1; compressedDepth', '16UC1;compressedDepth png'])
def test_older_publishers_name_no_coding(image_format: str) -> None:
    raw = decode_compressed_depth(image_format, header() + png(scene())).raw
    np.testing.assert_array_equal(raw, scene())


def test_images_of_every_kind_survive_rvl() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        shape, share = rng.integers(1, 13, 2), rng.choice([0.0, 0.2, 0.9, 1.0])
        # The largest steps that 16 bits allow are among them.
        pixels = rng.choice([1, 2, 900, 1000, 0x7FFF, 0x8000, 0xFFFF], shape)
        pixels = np.where(rng.random(shape) < share, pixels, 0).astype(np.uint16)
        data = header() + rvl(pixels)
        raw = decode_compressed_depth('16UC1; compressedDepth rvl', data).raw
        np.testing.assert_array_equal(raw, pixels)


def test_the_example_of_the_format_by_hand() -> None:
    """3 unknown, then 5, 4: numbers 3, 2, zigzag(5) = 10, zigzag(-1) = 1."""
    words = struct.pack('<I', 0x3_2_A_1_1_000)
    raw = decode_compressed_depth(
        '16UC1; compressedDepth rvl', header() + struct.pack('<II', 5, 1) + words
    ).raw
    np.testing.assert_array_equal(raw, [[0, 0, 0, 5, 4]])


def test_a_depth_image_is_made_of_it() -> None:
    message = SimpleNamespace(
        format='16UC1; compressedDepth rvl', data=memoryview(header() + rvl(scene()))
    )
    depth = DepthImage.from_message(message, min_m=0.9995, max_m=3.0005)
    assert depth.size == (80, 60)
    known = (scene() >= 1000) & (scene() <= 3000)
    np.testing.assert_array_equal(np.isfinite(depth.metres()), known)
    np.testing.assert_allclose(depth.metres()[known], scene()[known] / 1000, rtol=1e-5)
    message.data = message.data[:-40]
    with pytest.raises(DepthImageError, match='cut off'):
        DepthImage.from_message(message)


@pytest.mark.parametrize(
    'image_format',
    ['', '16UC1', 'rgb8; jpeg compressed bgr8', 'bgr8; compressedDepth png',
     '16UC1; compressedDepth zstd', '16UC1; png compressed'],
)  # fmt: skip
def test_other_formats_are_refused_by_name(image_format: str) -> None:
    with pytest.raises(CompressedDepthError, match='compressedDepth png') as told:
        decode_compressed_depth(image_format, header() + png(scene()))
    assert repr(image_format) in str(told.value)
    assert 'depth_transport' in str(told.value)


@pytest.mark.parametrize(
    ('coding', 'data', 'told'),
    [
        ('png', b'', 'got 0 bytes'),
        ('png', header(), 'got 12 bytes'),
        ('png', header() + b'garbage' * 9, 'whole PNG'),
        ('png', header() + png(scene())[:-20], 'whole PNG'),
        ('png', header() + b'\x89PNG' + bytes(300) + b'IEND', 'cannot decode'),
        ('png', header() + png(scene().astype(np.uint8)), 'got 8 bits and 1'),
        ('png', header() + png(np.zeros((4, 4, 3), np.uint16)), 'got 16 bits and 3'),
        ('rvl', header() + bytes(5), 'got 5'),
        ('rvl', header() + struct.pack('<III', 0, 480, 0), 'got 0 x 480'),
        ('rvl', header() + struct.pack('<III', 1 << 31, 1 << 31, 0), 'pixels in RVL'),
        ('rvl', header() + rvl(scene())[:-40], '4800 pixels'),
        ('rvl', header() + rvl(scene())[:-1], '4800 pixels'),
        ('rvl', header() + struct.pack('<II', 8, 8), 'behind 0'),
        ('rvl', header() + struct.pack('<II', 8, 8) + bytes(64), 'behind 0'),
        ('rvl', header() + struct.pack('<II', 8, 8) + b'\x88' * 12 + bytes(8), 'up to 32 bits'),
        ('rvl', header() + struct.pack('<III', 2, 2, 0x70000000), 'behind 4'),
    ],
)  # fmt: skip
def test_what_is_cut_off_or_damaged_is_refused(coding: str, data: bytes, told: str) -> None:
    with pytest.raises(CompressedDepthError, match=told):
        decode_compressed_depth(f'16UC1; compressedDepth {coding}', data)


@pytest.mark.parametrize(('a', 'b'), [(0.0, 0.0), (np.nan, 0.0), (A, np.inf), (-1.0, 0.0)])
def test_a_quantisation_without_sense_is_refused(a: float, b: float) -> None:
    with pytest.raises(CompressedDepthError, match='quantisation'):
        decode_compressed_depth('32FC1; compressedDepth png', header(a, b) + png(scene()))


@pytest.mark.parametrize('coding', ['png', 'rvl'])
def test_garbage_is_told_and_never_more_than_that(coding: str) -> None:
    whole = CODERS[coding](scene()[:10, :12])
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(200):
        noise = rng.bytes(int(rng.integers(0, 200)))
        at = int(rng.integers(0, len(whole)))
        data = (noise, whole[:at] + noise, noise + whole, whole[:at])[rng.integers(4)]
        try:
            raw = decode_compressed_depth(f'16UC1; compressedDepth {coding}', header() + data).raw
        except CompressedDepthError:
            refused += 1
        else:
            assert raw.dtype == np.uint16
    assert refused > 120
