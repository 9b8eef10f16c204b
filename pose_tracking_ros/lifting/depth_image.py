"""Depth images: distances along the optical axis, as ROS sends them (REP 118).

`16UC1` (and `mono16`, which some drivers write for the same thing) holds millimetres with 0 for
unknown, `32FC1` metres with NaN for unknown. Pixels are read where they are asked for, since a
few hundred of a million are: nothing is converted as a whole. Compressed depth is decoded as a
whole (`compressed_depth`).
"""

from __future__ import annotations

import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from pose_tracking_ros.lifting.compressed_depth import (
    CompressedDepthError,
    decode_compressed_depth,
)

_METRES_PER_UNIT = {'16UC1': 0.001, 'mono16': 0.001, '32FC1': 1.0}
_TYPES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}

DEPTH_ENCODINGS = tuple(_TYPES)
"""Every encoding of depth that can be read."""


class DepthImageError(ValueError):
    """A depth image cannot be read. The text says what was expected, what came, what to do."""


@dataclass(frozen=True, eq=False)
class DepthImage:
    """Depth by pixel.

    Attributes:
        raw: as stored; not positive, infinite or NaN where unknown.
        metres_per_unit: of the stored numbers.
        min_m: nearer is unknown, m.
        max_m: farther is unknown, m.
    """

    raw: Shaped[np.ndarray, 'height width']
    metres_per_unit: float = 1.0
    min_m: float = 0.0
    max_m: float = float('inf')

    @classmethod
    def from_message(
        cls, message: Any, min_m: float = 0.0, max_m: float = float('inf')
    ) -> DepthImage:
        """Return a view of a `sensor_msgs/Image`, or what a `CompressedImage` of depth holds.

        Args:
            message: depth, from rclpy or a bag reader, told apart by its fields; the bytes of an
                Image are not copied.
            min_m: nearer counts as unknown, m.
            max_m: farther counts as unknown, m.

        Raises:
            DepthImageError: another encoding, no pixels, fewer bytes than those take, or
                compressed data that cannot be read.
        """
        if not hasattr(message, 'encoding'):
            try:
                decoded = decode_compressed_depth(message.format, message.data)
            except CompressedDepthError as error:
                raise DepthImageError(str(error)) from error
            return cls(decoded.raw, decoded.metres_per_unit, min_m, max_m)
        encoding, width, height = message.encoding, message.width, message.height
        if encoding not in _TYPES:
            raise DepthImageError(
                f'encoding: expected {", ".join(DEPTH_ENCODINGS)}; got {encoding!r}. Remap '
                'depth/image to the depth of the camera (not to its picture for people)'
            )
        order = '>' if message.is_bigendian else '<'
        dtype = np.dtype(order + _TYPES[encoding])
        row_bytes = width * dtype.itemsize
        if height <= 0 or width <= 0 or message.step < row_bytes:
            raise DepthImageError(
                f'size: expected at least one pixel and {row_bytes} bytes per row, got '
                f'{width} x {height} with step {message.step}. The driver fills the message '
                'wrongly'
            )
        data = np.frombuffer(message.data, dtype=np.uint8)
        needed = (height - 1) * message.step + row_bytes
        if len(data) < needed:
            raise DepthImageError(
                f'data: expected {needed} bytes for {height} rows of {message.step} bytes, got '
                f'{len(data)}. The image was cut off; look at the driver or the recording'
            )
        # Rows may be padded to any number of bytes, so numbers need not be aligned.
        raw = np.ndarray((height, width), dtype, data, strides=(message.step, dtype.itemsize))
        return cls(raw, _METRES_PER_UNIT[encoding], min_m, max_m)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.raw.shape[1], self.raw.shape[0]

    def metres_at(
        self, rows: Int[np.ndarray, '*batch'], columns: Int[np.ndarray, '*batch']
    ) -> Float[np.ndarray, '*batch']:
        """Return depth in m, float32; NaN where it is unknown or outside of the image."""
        width, height = self.size
        inside = (rows >= 0) & (columns >= 0) & (rows < height) & (columns < width)
        values = self.raw[np.where(inside, rows, 0), np.where(inside, columns, 0)]
        return self._metres(values, inside)

    def metres(self) -> Float[np.ndarray, 'height width']:
        """Return the whole image in m, float32; NaN where unknown."""
        return self._metres(self.raw, np.True_)

    def _metres(self, values: np.ndarray, inside: Any) -> np.ndarray:
        metres = values.astype(np.float32) * np.float32(self.metres_per_unit)
        # Written so that NaN fails.
        known = inside & (metres > 0) & np.isfinite(metres)
        known &= (metres >= self.min_m) & (metres <= self.max_m)
        return np.where(known, metres, np.float32(np.nan))


def fill_depth_message(
    message: Any, depth: Float[np.ndarray, 'height width'], encoding: str
) -> None:
    """Put depth into a `sensor_msgs/Image`; the header is left alone.

    Args:
        message: its size, encoding, step and data are overwritten.
        depth: m; NaN where unknown. Copied.
        encoding: `32FC1` (metres) or `16UC1` (whole millimetres; 0 for unknown and for what is
            farther than 65.535 m).

    Raises:
        DepthImageError: the encoding is another.
    """
    if encoding == '32FC1':
        stored = np.ascontiguousarray(depth, dtype='<f4')
    elif encoding == '16UC1':
        millimetres = np.rint(np.nan_to_num(depth, nan=0.0, posinf=0.0) * 1e3)
        in_range = (millimetres > 0) & (millimetres <= np.iinfo(np.uint16).max)
        stored = np.where(in_range, millimetres, 0).astype('<u2')
    else:
        raise DepthImageError(f'encoding: expected 32FC1 or 16UC1, got {encoding!r}')
    message.height, message.width = depth.shape
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = stored.strides[0]
    # Of all that rclpy accepts here only array.array is taken over without a loop in Python.
    content = array.array('B')
    content.frombytes(stored.data.cast('B'))
    message.data = content
