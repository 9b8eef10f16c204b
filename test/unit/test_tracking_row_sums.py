"""Sums along rows, and the type they have."""

import numpy as np
import pytest

from pose_tracking_ros.tracking.row_sums import row_sums


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_rows_are_summed_in_their_precision(dtype):
    sums = row_sums(np.arange(6, dtype=dtype).reshape(2, 3))
    assert sums.dtype == dtype
    assert sums.tolist() == [3.0, 12.0]


def test_flags_are_counted():
    counts = row_sums(np.array([[True, False, True], [False, False, False]]))
    assert counts.dtype == np.float64
    assert counts.tolist() == [2.0, 0.0]


def test_no_columns_and_no_rows():
    assert row_sums(np.zeros((2, 0))).tolist() == [0.0, 0.0]
    assert row_sums(np.zeros((0, 2), bool)).shape == (0,)
