"""Depth as `compressed_depth_image_transport` sends it, in a `sensor_msgs/CompressedImage`.

Its `format` is the encoding of the image and the coding, `16UC1; compressedDepth png` or `rvl`;
older versions leave out the coding, which is PNG. The data begin with 12 bytes, least byte first:
a number that means nothing (4), and the two parameters A and B of the quantisation (4 each,
float). 16UC1 is coded as it is, without loss. 32FC1 is coded as 16-bit inverse depth q, where
depth = A / (q - B) in metres and q = 0 is unknown.

RVL: A. D. Wilson, Fast Lossless Depth Image Compression, ISS 2017. Width and height (4 bytes each)
come first. Then numbers in groups of 3 bits, lowest first, each in 4 bits of which the highest
says that more follows; 8 of these make a word of 32 bits, the first in its highest bits. The
numbers are, in turns: how many pixels are 0; how many are not; and for each of these its
difference from the one before, zigzag coded.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16

_HEADER_BYTES = 12
_PNG_START, _PNG_END = b'\x89PNG', b'IEND'
_CODINGS = ('png', 'rvl')
_MILLIMETRES = ('16UC1', 'mono16')
_METRES = '32FC1'
_EXPECTED = "expected '16UC1; compressedDepth png' (or mono16, or 32FC1; or rvl in place of png)"
_CUT_OFF = 'It was cut off or damaged; look at the driver or the recording'
# No depth camera has so many: damaged data shall not ask for gigabytes.
_MAX_PIXELS = 1 << 26
# 32 bits in groups of 3.
_MAX_GROUPS = 11


class CompressedDepthError(ValueError):
    """Compressed depth cannot be read. The text says what was expected, what came, what to do."""


class DecodedDepth(NamedTuple):
    """Depth as the camera's driver published it.

    Attributes:
        raw: whole units, 0 for unknown, or metres in float32, NaN for unknown.
        metres_per_unit: of the numbers.
    """

    raw: UInt16[np.ndarray, 'height width'] | Float[np.ndarray, 'height width']
    metres_per_unit: float


def decode_compressed_depth(image_format: str, data: Any) -> DecodedDepth:
    """Return the depth of a message's fields.

    Args:
        image_format: the message's `format`.
        data: any contiguous buffer of bytes.

    Raises:
        CompressedDepthError: another format, or data that are cut off or damaged.
    """
    encoding, coding = _parse(image_format)
    content = np.frombuffer(data, dtype=np.uint8)
    if len(content) <= _HEADER_BYTES:
        raise CompressedDepthError(
            f'data: expected a header of {_HEADER_BYTES} bytes and depth behind it, got '
            f'{len(content)} bytes. {_CUT_OFF}'
        )
    pixels = (_from_png if coding == 'png' else _from_rvl)(content[_HEADER_BYTES:])
    if encoding in _MILLIMETRES:
        return DecodedDepth(pixels, 0.001)
    a, b = content[4:_HEADER_BYTES].view('<f4')
    # Written so that NaN fails.
    if not (0 < a < np.inf and abs(b) < np.inf):
        raise CompressedDepthError(
            f'data: expected a quantisation of depth with A above 0 and finite B, got A = {a:g} '
            f'and B = {b:g}. {_CUT_OFF}'
        )
    inverse = pixels.astype(np.float32) - b
    known = (pixels > 0) & (inverse > 0)
    metres = np.full(pixels.shape, np.nan, np.float32)
    return DecodedDepth(np.divide(a, inverse, out=metres, where=known), 1.0)


def _parse(image_format: str) -> tuple[str, str]:
    """Return the encoding and the coding."""
    encoding, _, rest = image_format.partition(';')
    words = rest.split()
    if words == ['compressedDepth']:
        words.append('png')
    is_known = encoding.strip() in (*_MILLIMETRES, _METRES)
    if (
        not is_known
        or len(words) != 2
        or words[0] != 'compressedDepth'
        or words[1] not in _CODINGS
    ):
        raise CompressedDepthError(
            f'format: {_EXPECTED}, got {image_format!r}. Remap depth/image to the depth of the '
            'camera, published by compressed_depth_image_transport, or set depth_transport to raw'
        )
    return encoding.strip(), words[1]


def _from_png(content: UInt8[np.ndarray, 'bytes']) -> UInt16[np.ndarray, 'height width']:
    start = content[:4].tobytes()
    # OpenCV decodes a cut-off file without complaint and leaves the rest black.
    if start != _PNG_START or _PNG_END not in content[-16:].tobytes():
        raise CompressedDepthError(
            f'data: expected a whole PNG behind the header, got {len(content)} bytes starting '
            f'with {start.hex(" ")}. {_CUT_OFF}'
        )
    try:
        pixels = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise CompressedDepthError(f'data: OpenCV cannot decode this PNG: {error}') from error
    if pixels is None:
        raise CompressedDepthError(
            f'data: OpenCV cannot decode the PNG of {len(content)} bytes. {_CUT_OFF}'
        )
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        raise CompressedDepthError(
            f'data: expected a PNG of 16 bits and one channel, got {8 * pixels.itemsize} bits and '
            f'{channels}. The publisher sends a picture for people; remap depth/image to depth'
        )
    return np.asarray(pixels)


def _from_rvl(content: UInt8[np.ndarray, 'bytes']) -> UInt16[np.ndarray, 'height width']:
    if len(content) < 8:
        raise CompressedDepthError(
            f'data: expected width and height in 8 bytes before RVL, got {len(content)} bytes. '
            f'{_CUT_OFF}'
        )
    width, height = (int(number) for number in content[:8].view('<u4'))
    pixels = width * height
    if not 0 < pixels <= _MAX_PIXELS:
        raise CompressedDepthError(
            f'data: expected 1 to {_MAX_PIXELS} pixels in RVL, got {width} x {height}. {_CUT_OFF}'
        )
    numbers = _numbers_of(content[8 : len(content) - len(content) % 4].view('<u4'))
    is_difference = np.zeros(len(numbers), dtype=bool)
    is_known = np.zeros(pixels, dtype=bool)
    place, at = 0, 0
    # Once per run of pixels with depth, of which an image has some thousands.
    while place < pixels:
        if at >= len(numbers):
            raise _rvl_error(width, height, place)
        place += int(numbers[at])
        # The last run of unknown pixels is followed by a 0, which some encoders leave out.
        run = int(numbers[at + 1]) if at + 1 < len(numbers) else 0
        if place + run > pixels or at + 2 + run > len(numbers) or (run == 0 and place < pixels):
            raise _rvl_error(width, height, min(place, pixels))
        is_difference[at + 2 : at + 2 + run] = True
        is_known[place : place + run] = True
        place, at = place + run, at + 2 + run
    zigzag = numbers[is_difference]
    differences = (zigzag >> 1) ^ -(zigzag & 1)
    decoded = np.zeros(pixels, dtype=np.uint16)
    # The last 16 bits, as the encoder counts.
    decoded[is_known] = np.cumsum(differences).astype(np.uint16)
    return decoded.reshape(height, width)


def _numbers_of(words: np.ndarray) -> Int[np.ndarray, 'number']:
    """Return all numbers that end within the words."""
    # The highest 4 bits of a word come first: of its bytes the last, and of these the upper half.
    pairs = words.view(np.uint8).reshape(-1, 4)[:, ::-1].reshape(-1)
    groups = np.empty(2 * len(pairs), dtype=np.uint8)
    groups[0::2], groups[1::2] = pairs >> 4, pairs & 0xF
    ends = np.flatnonzero(groups < 8)
    if not len(ends):
        return np.zeros(0, dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    longest = int(lengths.max())
    if longest > _MAX_GROUPS:
        raise CompressedDepthError(
            f'data: expected numbers of up to 32 bits in RVL, got {3 * longest}. {_CUT_OFF}'
        )
    numbers: Int[np.ndarray, 'number'] = (groups[starts] & 7).astype(np.int64)
    which = np.arange(len(numbers))
    for order in range(1, longest):
        # Fewer and fewer are so long.
        which = which[lengths[which] > order]
        numbers[which] |= (groups[starts[which] + order] & 7).astype(np.int64) << (3 * order)
    return numbers


def _rvl_error(width: int, height: int, place: int) -> CompressedDepthError:
    return CompressedDepthError(
        f'data: expected {width * height} pixels of RVL ({width} x {height}), got data that end '
        f'or contradict themselves behind {place}. {_CUT_OFF}'
    )
