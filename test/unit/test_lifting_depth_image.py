"""Depth images: every encoding and byte order, and what counts as unknown."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pose_tracking_ros.lifting.depth_image import (
    DepthImage,
    DepthImageError,
    fill_depth_message,
)

METRES = np.array([[0.5, 1.25, 3.0], [np.nan, 8.0, 65.0]], dtype=np.float32)


def message(
    metres: np.ndarray = METRES, encoding: str = '32FC1', big: bool = False, padding: int = 0
) -> SimpleNamespace:
    order = '>' if big else '<'
    if encoding == '32FC1':
        stored = metres.astype(order + 'f4')
    else:
        stored = np.rint(np.nan_to_num(metres) * 1000).astype(order + 'u2')
    height, width = metres.shape
    row_bytes = width * stored.itemsize
    rows = np.full((height, row_bytes + padding), 0xAB, dtype=np.uint8)
    rows[:, :row_bytes] = stored.view(np.uint8).reshape(height, row_bytes)
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=int(big),
        step=row_bytes + padding, data=rows.tobytes(),
    )  # fmt: skip


@pytest.mark.parametrize('padding', [0, 3, 8])
@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('encoding', ['32FC1', '16UC1', 'mono16'])
def test_every_form_gives_the_same_metres(encoding: str, big: bool, padding: int) -> None:
    depth = DepthImage.from_message(message(encoding=encoding, big=big, padding=padding))
    assert depth.size == (3, 2)
    np.testing.assert_allclose(depth.metres(), METRES, rtol=1e-6)
    assert depth.metres().dtype == np.float32


def test_zero_negative_and_infinite_are_unknown() -> None:
    values = np.array([[0.0, -1.0, np.inf, -np.inf, np.nan, 2.0]], dtype=np.float32)
    known = np.isfinite(DepthImage.from_message(message(values)).metres())
    np.testing.assert_array_equal(known, [[False] * 5 + [True]])


def test_beyond_the_range_is_unknown() -> None:
    depth = DepthImage.from_message(message(), min_m=1.0, max_m=8.0)
    np.testing.assert_array_equal(
        np.isfinite(depth.metres()), [[False, True, True], [False, True, False]]
    )


def test_outside_of_the_image_is_unknown() -> None:
    depth = DepthImage.from_message(message())
    rows, columns = np.array([0, -1, 0, 2, 0]), np.array([2, 0, -1, 0, 3])
    np.testing.assert_array_equal(
        depth.metres_at(rows, columns), np.array([3.0] + [np.nan] * 4, np.float32)
    )


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_what_is_filled_in_is_read_again(encoding: str) -> None:
    filled = SimpleNamespace()
    fill_depth_message(filled, METRES, encoding)
    assert filled.step == 3 * (4 if encoding == '32FC1' else 2)
    np.testing.assert_allclose(DepthImage.from_message(filled).metres(), METRES, atol=5e-4)


def test_what_millimetres_cannot_hold_is_unknown() -> None:
    filled = SimpleNamespace()
    fill_depth_message(filled, np.array([[66.0, np.inf, 1.0]]), '16UC1')
    np.testing.assert_array_equal(
        np.isfinite(DepthImage.from_message(filled).metres()), [[False, False, True]]
    )
    with pytest.raises(DepthImageError, match="got 'rgb8'"):
        fill_depth_message(filled, METRES, 'rgb8')


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        ({'encoding': 'rgb8'}, r"16UC1, mono16, 32FC1; got 'rgb8'. Remap depth/image"),
        ({'height': 0}, 'at least one pixel'),
        ({'step': 11}, '12 bytes per row, got 3 x 2 with step 11'),
        ({'data': b'\0' * 23}, 'expected 24 bytes for 2 rows of 12 bytes, got 23'),
    ],
)
def test_what_cannot_be_read_is_told(changes: dict[str, object], told: str) -> None:
    with pytest.raises(DepthImageError, match=told):
        DepthImage.from_message(SimpleNamespace(**{**vars(message()), **changes}))
