"""Decoding against images whose colours are known by construction, not by another decoder."""

import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pose_tracking_ros.image_decoding import (
    ENCODINGS,
    ImageError,
    fill_image_message,
    rgb_from_compressed,
    rgb_from_message,
    rgb_from_pixels,
)

COLOURS = {'red': (200, 30, 40), 'green': (20, 190, 60), 'blue': (50, 40, 210)}
HEIGHT, WIDTH = 12, 16


def plain(colour, height=HEIGHT, width=WIDTH):
    return np.full((height, width, 3), colour, dtype=np.uint8)


@pytest.fixture
def picture():
    """An image in which no two pixels are alike, so that a shifted row or channel shows."""
    return np.arange(HEIGHT * WIDTH * 3, dtype=np.uint32).reshape(HEIGHT, WIDTH, 3).astype(
        np.uint8
    ) ^ np.uint8(0x5A)


def yuv_of(colour):
    """BT.601, limited range, from the definition in ITU-R BT.601."""
    red, green, blue = (value / 255 for value in colour)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.772),
        round(128 + 224 * (red - luma) / 1.402),
    )


def decode(encoding, pixels, *, step=None, is_bigendian=False, size=None):
    height, width = size or pixels.shape[:2]
    data = pixels.tobytes()
    return rgb_from_pixels(
        height, width, encoding, step or len(data) // len(pixels), is_bigendian, data
    )


@pytest.mark.parametrize(
    ('encoding', 'order'),
    [
        ('rgb8', [0, 1, 2]),
        ('bgr8', [2, 1, 0]),
        ('8UC3', [2, 1, 0]),
        ('rgba8', [0, 1, 2, 3]),
        ('bgra8', [2, 1, 0, 3]),
        ('8UC4', [2, 1, 0, 3]),
    ],
)
def test_colour_channels_come_out_as_rgb(picture, encoding, order):
    with_alpha = np.dstack([picture, np.full(picture.shape[:2], 7, np.uint8)])
    np.testing.assert_array_equal(decode(encoding, with_alpha[..., order]), picture)


@pytest.mark.parametrize(
    ('encoding', 'order'),
    [
        ('rgb16', [0, 1, 2]),
        ('bgr16', [2, 1, 0]),
        ('rgba16', [0, 1, 2, 3]),
        ('bgra16', [2, 1, 0, 3]),
    ],
)
@pytest.mark.parametrize('is_bigendian', [False, True])
def test_16_bit_colour_keeps_the_high_byte(picture, encoding, order, is_bigendian):
    wide = picture.astype(np.uint16) * 256 + 99
    with_alpha = np.dstack([wide, wide[..., 0]])[..., order]
    stored = with_alpha.astype('>u2' if is_bigendian else '<u2')
    np.testing.assert_array_equal(decode(encoding, stored, is_bigendian=is_bigendian), picture)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_is_repeated_in_three_channels(picture, encoding):
    grey = picture[..., 0]
    np.testing.assert_array_equal(decode(encoding, grey), np.dstack([grey] * 3))


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('is_bigendian', [False, True])
def test_16_bit_grey_in_both_byte_orders(picture, encoding, is_bigendian):
    grey = picture[..., 0]
    stored = (grey.astype(np.uint16) * 256 + 0x21).astype('>u2' if is_bigendian else '<u2')
    np.testing.assert_array_equal(
        decode(encoding, stored, is_bigendian=is_bigendian), np.dstack([grey] * 3)
    )


@pytest.mark.parametrize('name', COLOURS)
@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv')],
)
def test_yuv422_in_both_orders(name, encoding, order):
    luma, blue, red = yuv_of(COLOURS[name])
    pair = {'uyvy': [blue, luma, red, luma], 'yuyv': [luma, blue, luma, red]}[order]
    stored = np.tile(np.array(pair, np.uint8), (HEIGHT, WIDTH // 2))
    rgb = decode(encoding, stored, size=(HEIGHT, WIDTH))
    np.testing.assert_allclose(rgb, plain(COLOURS[name]).astype(int), atol=3)


@pytest.mark.parametrize('name', COLOURS)
@pytest.mark.parametrize(
    ('encoding', 'is_red_first', 'rows'),
    [('nv12', False, HEIGHT // 2), ('nv21', True, HEIGHT // 2), ('nv24', False, 2 * HEIGHT)],
)
@pytest.mark.parametrize('padding', [0, 5])
def test_planes_of_luma_and_chroma(name, encoding, is_red_first, rows, padding):
    luma, blue, red = yuv_of(COLOURS[name])
    pair = [red, blue] if is_red_first else [blue, red]
    # nv24 stores a row of chroma in two steps of luma, padded at its very end.
    wide = 2 if encoding == 'nv24' else 1
    chroma = np.tile(np.array(pair, np.uint8), (rows // wide, wide * WIDTH // 2))
    planes = [
        np.pad(np.full((HEIGHT, WIDTH), luma, np.uint8), ((0, 0), (0, padding))),
        np.pad(chroma, ((0, 0), (0, wide * padding))),
    ]
    data = b''.join(plane.tobytes() for plane in planes)
    rgb = rgb_from_pixels(HEIGHT, WIDTH, encoding, WIDTH + padding, False, data)
    np.testing.assert_allclose(rgb, plain(COLOURS[name]).astype(int), atol=3)


def test_nv24_keeps_colour_per_pixel():
    """A column of one colour between others: at half chroma it would bleed."""
    picture = plain(COLOURS['red'])
    picture[:, 5] = COLOURS['blue']
    yuv = np.array([[yuv_of(pixel) for pixel in row] for row in picture], np.uint8)
    data = yuv[..., 0].tobytes() + np.ascontiguousarray(yuv[..., 1:]).tobytes()
    rgb = rgb_from_pixels(HEIGHT, WIDTH, 'nv24', WIDTH, False, data)
    np.testing.assert_allclose(rgb, picture.astype(int), atol=3)


def mosaic_of(picture, pattern):
    """What a sensor with this colour filter sees; the pattern names rows 0 and 1 left to right."""
    channel = {'r': 0, 'g': 1, 'b': 2}
    seen = np.empty(picture.shape[:2], np.uint8)
    for place, letter in enumerate(pattern):
        row, column = divmod(place, 2)
        seen[row::2, column::2] = picture[row::2, column::2, channel[letter]]
    return seen


@pytest.mark.parametrize('name', COLOURS)
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('depth', ['8', '16le', '16be'])
def test_bayer_mosaics_of_a_known_colour(name, pattern, depth):
    seen = mosaic_of(plain(COLOURS[name]), pattern)
    if depth == '8':
        rgb = decode(f'bayer_{pattern}8', seen)
    else:
        stored = (seen.astype(np.uint16) * 256 + 77).astype('>u2' if depth == '16be' else '<u2')
        rgb = decode(f'bayer_{pattern}16', stored, is_bigendian=depth == '16be')
    np.testing.assert_array_equal(rgb, plain(COLOURS[name]))


@pytest.mark.parametrize('missing', [0, 7])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_padding_of_rows_is_left_out(picture, encoding, missing):
    """The last row's padding may be missing, as some drivers send it."""
    pixels = picture if encoding == 'rgb8' else picture[..., ::-1]
    padded = np.full((HEIGHT, WIDTH * 3 + 7), 0xEE, np.uint8)
    padded[:, : WIDTH * 3] = pixels.reshape(HEIGHT, -1)
    data = padded.tobytes()[: padded.size - missing]
    rgb = rgb_from_pixels(HEIGHT, WIDTH, encoding, WIDTH * 3 + 7, False, data)
    np.testing.assert_array_equal(rgb, picture)
    assert rgb.flags.c_contiguous


def test_unpadded_rgb_is_not_copied(picture):
    data = array.array('B', picture.tobytes())
    rgb = rgb_from_pixels(HEIGHT, WIDTH, 'rgb8', WIDTH * 3, False, data)
    assert np.shares_memory(rgb, np.frombuffer(data, np.uint8))


def test_every_encoding_gives_rgb_of_the_stated_size():
    for encoding in ENCODINGS:
        data = bytes(8 * HEIGHT * WIDTH * 3)
        rgb = rgb_from_pixels(HEIGHT, WIDTH, encoding, 8 * WIDTH, False, data)
        assert rgb.shape == (HEIGHT, WIDTH, 3), encoding
        assert rgb.dtype == np.uint8, encoding
        assert rgb.flags.c_contiguous, encoding


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'encoding': 'jpeg2000'}, ['encoding', 'rgb8', "'jpeg2000'"]),
        ({'encoding': ''}, ['encoding', "''"]),
        ({'encoding': '32FC1'}, ['encoding', "'32FC1'"]),
        ({'height': 0}, ['size', '16x0']),
        ({'width': 0}, ['size', '0x12']),
        ({'step': 47}, ['step', '48', '47']),
        ({'step': 0}, ['step', '48', 'got 0']),
        ({'data': bytes(HEIGHT * WIDTH * 3 - 1)}, ['data', '576', '575']),
        ({'data': b''}, ['data', '576', 'got 0']),
        ({'encoding': 'rgba8', 'step': 64}, ['data', '768', '576']),
        ({'encoding': 'yuv422', 'width': 15}, ['width', 'even', '15']),
        ({'encoding': 'nv12', 'height': 11}, ['size', 'even', '16x11']),
        ({'encoding': 'nv12', 'height': 100, 'step': 16}, ['data', '2400', '576']),
        ({'encoding': 'nv24', 'height': 100, 'step': 16}, ['data', '4800', '576']),
        ({'encoding': 'bayer_rggb8', 'height': 2}, ['3x3', '16x2']),
    ],
)
def test_unreadable_images_say_what_was_expected_and_what_came(changes, words):
    fields = {
        'height': HEIGHT,
        'width': WIDTH,
        'encoding': 'rgb8',
        'step': WIDTH * 3,
        'is_bigendian': False,
        'data': bytes(HEIGHT * WIDTH * 3),
    }
    with pytest.raises(ImageError) as caught:
        rgb_from_pixels(**{**fields, **changes})
    for word in words:
        assert word in str(caught.value)


def encoded(extension, pixels):
    succeeded, data = cv2.imencode(extension, pixels)
    assert succeeded
    return data.tobytes()


@pytest.mark.parametrize('name', COLOURS)
@pytest.mark.parametrize(
    ('extension', 'image_format'),
    [('.jpg', 'jpeg'), ('.jpg', 'rgb8; jpeg compressed bgr8'), ('.png', 'png'), ('.png', '')],
)
def test_compressed_colours_come_out_as_rgb(name, extension, image_format):
    data = encoded(extension, plain(COLOURS[name])[..., ::-1])
    rgb = rgb_from_compressed(image_format, array.array('B', data))
    np.testing.assert_allclose(rgb, plain(COLOURS[name]).astype(int), atol=3)


def test_16_bit_grey_png_becomes_8_bit_rgb():
    data = encoded('.png', np.full((HEIGHT, WIDTH), 0x8040, np.uint16))
    np.testing.assert_array_equal(rgb_from_compressed('png', data), plain((0x80,) * 3))


def test_png_with_alpha_loses_it(picture):
    data = encoded('.png', np.dstack([picture[..., ::-1], picture[..., 0]]))
    np.testing.assert_array_equal(rgb_from_compressed('png', data), picture)


def test_padding_after_the_end_of_a_jpeg_is_harmless():
    data = encoded('.jpg', plain(COLOURS['red'])) + bytes(100)
    assert rgb_from_compressed('jpeg', data).shape == (HEIGHT, WIDTH, 3)


def test_a_rotation_noted_in_the_file_is_ignored():
    """camera_info describes the stored pixels, so a turned image would not fit it."""
    jpeg = encoded('.jpg', plain(COLOURS['red']))
    # EXIF with the one tag Orientation (0x0112) = 6, a quarter turn.
    tiff = b'MM\0*\0\0\0\x08' + b'\0\x01' + b'\x01\x12\0\x03\0\0\0\x01\0\x06\0\0' + bytes(4)
    segment = b'Exif\0\0' + tiff
    header = b'\xff\xe1' + (len(segment) + 2).to_bytes(2, 'big') + segment
    turned = jpeg[:2] + header + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (
        WIDTH,
        HEIGHT,
    )
    assert rgb_from_compressed('jpeg', turned).shape == (HEIGHT, WIDTH, 3)


def test_a_compressed_mosaic_is_coloured():
    seen = mosaic_of(plain(COLOURS['green']), 'grbg')
    rgb = rgb_from_compressed('bayer_grbg8; png compressed', encoded('.png', seen))
    np.testing.assert_array_equal(rgb, plain(COLOURS['green']))


def test_a_mosaic_coloured_before_compression_is_left_alone():
    data = encoded('.png', plain(COLOURS['green'])[..., ::-1])
    rgb = rgb_from_compressed('bayer_grbg8; png compressed bgr8', data)
    np.testing.assert_array_equal(rgb, plain(COLOURS['green']))


def _cut(data):
    return data[: len(data) // 2]


def _scrambled(data):
    return data[:4] + bytes(len(data) - 60) + data[-12:]


@pytest.mark.parametrize(
    ('image_format', 'data', 'words'),
    [
        ('jpeg', b'', ['JPEG or PNG', '0 bytes']),
        ('h264', b'\0\0\0\x01\x67abc', ['JPEG or PNG', "'h264'", '00 00 00 01']),
        ('jpeg', _cut(encoded('.jpg', plain((9, 9, 9)))), ['JPEG', 'cut off']),
        ('png', _cut(encoded('.png', plain((9, 9, 9)))), ['PNG', 'cut off']),
        ('jpeg', _scrambled(encoded('.jpg', plain((9, 9, 9)))), ['JPEG', 'decode']),
        ('16UC1; compressedDepth png', bytes(12), ['depth', 'colour']),
    ],
)
def test_unreadable_files_say_what_was_expected_and_what_came(image_format, data, words):
    with pytest.raises(ImageError) as caught:
        rgb_from_compressed(image_format, data)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_a_message_survives_the_way_out_and_back(picture, encoding):
    message = SimpleNamespace()
    fill_image_message(message, picture[:, ::-1], encoding)  # not contiguous
    assert message.encoding == encoding
    assert (message.height, message.width, message.step) == (HEIGHT, WIDTH, WIDTH * 3)
    assert isinstance(message.data, array.array)
    assert message.data.typecode == 'B'
    np.testing.assert_array_equal(rgb_from_message(message), picture[:, ::-1])


def test_a_compressed_message_is_told_apart_by_its_fields(picture):
    message = SimpleNamespace(format='png', data=encoded('.png', picture[..., ::-1]))
    np.testing.assert_array_equal(rgb_from_message(message), picture)


@pytest.mark.parametrize(
    'image', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_only_rgb_goes_into_a_message(image):
    with pytest.raises(ImageError, match='expected uint8 of shape height x width x 3'):
        fill_image_message(SimpleNamespace(), image)


def test_only_two_encodings_are_written(picture):
    with pytest.raises(ImageError, match="expected rgb8 or bgr8, got 'mono8'"):
        fill_image_message(SimpleNamespace(), picture, 'mono8')
