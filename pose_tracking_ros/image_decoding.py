"""Turn ROS image messages into RGB arrays and back, with NumPy and OpenCV alone.

`cv_bridge` is left out on purpose: its binary breaks on NumPy 2 in Humble and Jazzy. The functions
that touch pixels take plain arguments, so they also serve bag replay and run without ROS.

Names of encodings are those of `sensor_msgs/image_encodings.hpp`, plus `nv12`. Conventions:

- 16-bit samples keep their high byte, so the full range of 16 bits becomes the full range of 8.
- `8UC3` and `8UC4` say nothing about colour; they are read as OpenCV writes them, BGR(A).
- YUV is BT.601 with the limited range, which is what cameras send.
- Bayer names tell the colours of the first two rows as ROS does; OpenCV's short constants name
  the second row, so `bayer_rggb8` is `COLOR_BayerBG2RGB` there.
"""

from __future__ import annotations

import array
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8


class ImageError(ValueError):
    """An image message cannot be read. The text says what was expected, what came, what to do."""


class _Packed(NamedTuple):
    """How one row of pixels is stored.

    Attributes:
        channels: samples per pixel.
        sample_bytes: bytes per sample, 1 or 2.
        to_rgb: OpenCV conversion code, None where the samples are RGB already.
    """

    channels: int
    sample_bytes: int
    to_rgb: int | None


_PACKED: dict[str, _Packed] = {
    'rgb8': _Packed(3, 1, None),
    'bgr8': _Packed(3, 1, cv2.COLOR_BGR2RGB),
    'rgba8': _Packed(4, 1, cv2.COLOR_RGBA2RGB),
    'bgra8': _Packed(4, 1, cv2.COLOR_BGRA2RGB),
    'rgb16': _Packed(3, 2, None),
    'bgr16': _Packed(3, 2, cv2.COLOR_BGR2RGB),
    'rgba16': _Packed(4, 2, cv2.COLOR_RGBA2RGB),
    'bgra16': _Packed(4, 2, cv2.COLOR_BGRA2RGB),
    'mono8': _Packed(1, 1, cv2.COLOR_GRAY2RGB),
    'mono16': _Packed(1, 2, cv2.COLOR_GRAY2RGB),
    '8UC1': _Packed(1, 1, cv2.COLOR_GRAY2RGB),
    '8UC3': _Packed(3, 1, cv2.COLOR_BGR2RGB),
    '8UC4': _Packed(4, 1, cv2.COLOR_BGRA2RGB),
    '16UC1': _Packed(1, 2, cv2.COLOR_GRAY2RGB),
    'yuv422': _Packed(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': _Packed(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': _Packed(2, 1, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': _Packed(2, 1, cv2.COLOR_YUV2RGB_YUY2),
}
for _pattern, _code in (
    ('rggb', cv2.COLOR_BayerBG2RGB),
    ('bggr', cv2.COLOR_BayerRG2RGB),
    ('gbrg', cv2.COLOR_BayerGR2RGB),
    ('grbg', cv2.COLOR_BayerGB2RGB),
):
    _PACKED[f'bayer_{_pattern}8'] = _Packed(1, 1, _code)
    _PACKED[f'bayer_{_pattern}16'] = _Packed(1, 2, _code)

# One plane of luma, then one of interleaved chroma: at half size, or at full size for nv24.
_HALF_CHROMA = {'nv12': cv2.COLOR_YUV2RGB_NV12, 'nv21': cv2.COLOR_YUV2RGB_NV21}
_FULL_CHROMA = 'nv24'

ENCODINGS: tuple[str, ...] = (*_PACKED, *_HALF_CHROMA, _FULL_CHROMA)
"""Every encoding of `sensor_msgs/Image` that can be read."""

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_PNG_START, _PNG_END = b'\x89PNG', b'IEND'


def rgb_from_message(message: Any) -> UInt8[np.ndarray, 'height width 3']:
    """Return the RGB image of a `sensor_msgs` Image or CompressedImage.

    Args:
        message: of either type, from rclpy or from a bag reader; told apart by their fields.

    Raises:
        ImageError: see `rgb_from_pixels` and `rgb_from_compressed`.
    """
    if hasattr(message, 'encoding'):
        return rgb_from_pixels(
            message.height,
            message.width,
            message.encoding,
            message.step,
            bool(message.is_bigendian),
            message.data,
        )
    return rgb_from_compressed(message.format, message.data)


def rgb_from_pixels(
    height: int, width: int, encoding: str, step: int, is_bigendian: bool, data: Any
) -> UInt8[np.ndarray, 'height width 3']:
    """Return RGB from the fields of a `sensor_msgs/Image`.

    Args:
        height: rows.
        width: columns.
        encoding: one of `ENCODINGS`.
        step: bytes from the start of one row to the next; rows may be padded at their end.
        is_bigendian: byte order of 16-bit samples.
        data: any contiguous buffer of bytes.

    Returns:
        A C-contiguous array. For unpadded rgb8 it is a view of `data`: do not write to it.

    Raises:
        ImageError: unknown encoding, no pixels, `step` too small, too few bytes, or a size that
            the encoding does not allow.
    """
    if encoding not in ENCODINGS:
        raise ImageError(
            f'encoding: expected one of {", ".join(ENCODINGS)}; got {encoding!r}. '
            'Set the camera driver to one of these, or convert before this node'
        )
    if height <= 0 or width <= 0:
        raise ImageError(
            f'size: expected at least one pixel, got {width}x{height}. '
            'The driver published an image without content; look at its log'
        )
    planar = encoding in _HALF_CHROMA or encoding == _FULL_CHROMA
    layout = _Packed(1, 1, None) if planar else _PACKED[encoding]
    row_bytes = width * layout.channels * layout.sample_bytes
    if step < row_bytes:
        raise ImageError(
            f'step: expected at least {row_bytes} bytes per row for {encoding} of width {width}, '
            f'got {step}. The driver fills the message wrongly'
        )
    samples = np.frombuffer(data, dtype=np.uint8)
    if planar:
        return _rgb_from_planes(samples, height, width, encoding, step)
    if encoding.startswith('bayer_') and min(height, width) < 3:
        raise ImageError(f'size: expected at least 3x3 for {encoding}, got {width}x{height}')
    if layout.channels == 2 and width % 2:
        raise ImageError(f'width: expected an even number for {encoding}, got {width}')
    rows = _rows(samples, height, step, row_bytes, encoding)
    if layout.sample_bytes == 2:
        rows = rows[:, 0::2] if is_bigendian else rows[:, 1::2]
    pixels = np.ascontiguousarray(rows).reshape(height, width, layout.channels)
    if layout.to_rgb is None:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, layout.to_rgb))


def _rows(
    samples: UInt8[np.ndarray, 'bytes'], height: int, step: int, row_bytes: int, encoding: str
) -> UInt8[np.ndarray, 'height row_bytes']:
    """Return a view of the rows without their padding; the last row's padding may be missing."""
    needed = (height - 1) * step + row_bytes
    if len(samples) < needed:
        raise ImageError(
            f'data: expected {needed} bytes for {height} rows of {step} bytes in {encoding}, '
            f'got {len(samples)}. The image was cut off; look at the driver or the recording'
        )
    return np.lib.stride_tricks.as_strided(
        samples, shape=(height, row_bytes), strides=(step, 1), writeable=False
    )


def _rgb_from_planes(
    samples: UInt8[np.ndarray, 'bytes'], height: int, width: int, encoding: str, step: int
) -> UInt8[np.ndarray, 'height width 3']:
    """Return RGB from a plane of luma followed by one of chroma pairs."""
    if encoding == _FULL_CHROMA:
        # A row of chroma is twice as long as one of luma and fills two steps.
        luma = _rows(samples, 3 * height, step, width, encoding)[:height]
        chroma = _rows(samples[height * step :], height, 2 * step, 2 * width, encoding)
        return _rgb_from_limited_range(
            np.dstack([luma, np.ascontiguousarray(chroma).reshape(height, width, 2)])
        )
    if height % 2 or width % 2:
        raise ImageError(f'size: expected even numbers for {encoding}, got {width}x{height}')
    rows = _rows(samples, height + height // 2, step, width, encoding)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rows), _HALF_CHROMA[encoding]))


def _rgb_from_limited_range(
    yuv: UInt8[np.ndarray, 'height width 3'],
) -> UInt8[np.ndarray, 'height width 3']:
    """Return RGB from full-size Y, U, V of BT.601, limited range."""
    luma = 1.164383 * (yuv[..., 0].astype(np.float32) - 16)
    blue = yuv[..., 1].astype(np.float32) - 128
    red = yuv[..., 2].astype(np.float32) - 128
    rgb = np.stack(
        [luma + 1.596027 * red, luma - 0.391762 * blue - 0.812968 * red, luma + 2.017232 * blue],
        axis=-1,
    )
    return np.asarray(np.clip(np.rint(rgb), 0, 255), dtype=np.uint8)


def rgb_from_compressed(image_format: str, data: Any) -> UInt8[np.ndarray, 'height width 3']:
    """Return RGB from the fields of a `sensor_msgs/CompressedImage` holding JPEG or PNG.

    The content decides, not `image_format`: drivers fill that field in many ways. It is read for
    one thing, a Bayer mosaic that was compressed as it is (`bayer_rggb8; jpeg compressed`). A
    rotation noted in the file is ignored, since `camera_info` describes the stored pixels.

    Args:
        image_format: the message's `format`.
        data: any contiguous buffer of bytes.

    Raises:
        ImageError: empty, cut off, damaged, or neither JPEG nor PNG.
    """
    content = np.frombuffer(data, dtype=np.uint8)
    start = content[:4].tobytes()
    if 'compressedDepth' in image_format:
        raise ImageError(
            f'format: expected a colour image in JPEG or PNG, got {image_format!r}. '
            'This is a depth image; subscribe to the colour topic instead'
        )
    if start.startswith(_JPEG_START):
        end, name = _JPEG_END, 'JPEG'
    elif start == _PNG_START:
        end, name = _PNG_END, 'PNG'
    else:
        raise ImageError(
            f'data: expected JPEG or PNG, got {len(content)} bytes starting with '
            f'{start.hex(" ") or "nothing"} (format {image_format!r}). '
            'Set the publisher to JPEG or PNG; video codecs need to be decoded before this node'
        )
    # Webcams pad their JPEGs, so the end marker may be some way before the end. Older OpenCV
    # decodes a cut-off file without complaint and leaves the rest grey.
    if end not in content[-4096:].tobytes():
        raise ImageError(
            f'data: expected a {name} with its end marker, got {len(content)} bytes without it. '
            'The image was cut off; look at the driver or the recording'
        )
    source = image_format.split(';')[0].strip()
    is_mosaic = source.startswith('bayer_') and not image_format.rstrip().endswith(
        ('bgr8', 'rgb8', 'bgr16', 'rgb16')
    )
    flags = cv2.IMREAD_GRAYSCALE if is_mosaic else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(content, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(f'data: OpenCV cannot decode this {name}: {error}') from error
    if pixels is None:
        raise ImageError(
            f'data: expected a readable {name}, but OpenCV cannot decode these {len(content)} '
            'bytes. The image is damaged; look at the driver or the recording'
        )
    if is_mosaic:
        height, width = pixels.shape
        mosaic = f'{source.removesuffix("16").removesuffix("8")}8'
        return rgb_from_pixels(height, width, mosaic, width, False, pixels.reshape(-1))
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def fill_image_message(
    message: Any, image: UInt8[np.ndarray, 'height width 3'], encoding: str = 'rgb8'
) -> None:
    """Put an RGB image into a `sensor_msgs/Image`; the header is left alone.

    Args:
        message: its size, encoding, step and data are overwritten.
        image: RGB; it is copied.
        encoding: `rgb8` or `bgr8`.

    Raises:
        ImageError: the image is not uint8 with three channels, or the encoding is another.
    """
    if encoding not in ('rgb8', 'bgr8'):
        raise ImageError(f'encoding: expected rgb8 or bgr8, got {encoding!r}')
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f'image: expected uint8 of shape height x width x 3, got {image.dtype} '
            f'of shape {" x ".join(map(str, image.shape))}'
        )
    if encoding == 'bgr8':
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    height, width = image.shape[:2]
    message.height = height
    message.width = width
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = 3 * width
    # Of all that rclpy accepts here only array.array is taken over without a loop in Python:
    # assigning an ndarray costs 39 ms for 1080p, this 0.3 ms.
    pixels = array.array('B')
    pixels.frombytes(np.ascontiguousarray(image).data.cast('B'))
    message.data = pixels
