"""Sums along the rows of small matrices, as products with ones.

For a few people that is twice as fast as NumPy's own sums, which are made for long rows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float


def row_sums(
    matrix: Float[np.ndarray, 'row column'] | Bool[np.ndarray, 'row column'],
) -> Float[np.ndarray, 'row']:
    """Return the sum of each row in the matrix's precision; of flags, how many are set, float64.

    Rows without columns give 0.
    """
    sums: Float[np.ndarray, 'row'] = matrix.dot(_ones(matrix.shape[1], matrix.dtype))
    return sums


@lru_cache(maxsize=16)
def _ones(length: int, dtype: np.dtype) -> Float[np.ndarray, 'length']:
    """Return ones of a type; float64 for flags."""
    ones = np.ones(length, dtype=np.float64 if dtype == np.bool_ else dtype)
    # All callers get the same array.
    ones.setflags(write=False)
    return ones
