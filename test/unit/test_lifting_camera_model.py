"""Cameras: from pixels to lines of sight and back, and what cannot be used."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pose_tracking_ros.lifting.camera_model import CameraModel, CameraModelError

SIZE = (640, 480)
DISTORTIONS = {
    'none': ('plumb_bob', ()),
    'webcam': ('plumb_bob', (-0.28, 0.09, 0.001, -0.0007, -0.02)),
    'eight': ('rational_polynomial', (0.4, 0.1, 0.001, 0.0005, 0.02, 0.7, 0.2, 0.03)),
    'fisheye': ('equidistant', (0.05, -0.01, 0.003, -0.0005)),
}


def camera(distortion: str = 'none') -> CameraModel:
    model, coefficients = DISTORTIONS[distortion]
    return CameraModel(SIZE, (520.0, 515.0), (322.5, 236.0), model, coefficients)


def info(**changes: object) -> SimpleNamespace:
    fields: dict[str, object] = {
        'width': 640,
        'height': 480,
        'distortion_model': 'plumb_bob',
        'd': [-0.28, 0.09, 0.001, -0.0007, -0.02],
        'k': [520.0, 0, 322.0, 0, 515.0, 235.5, 0, 0, 1],
        'p': [500.0, 0, 319.5, 0, 0, 500.0, 239.5, 0, 0, 0, 1, 0],
        'binning_x': 0,
        'binning_y': 0,
        'roi': SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }
    return SimpleNamespace(**{**fields, **changes})


@pytest.mark.parametrize('distortion', DISTORTIONS)
def test_pixels_become_points_and_pixels_again(distortion: str) -> None:
    model = camera(distortion)
    x, y = np.meshgrid(np.linspace(0, 640, 9), np.linspace(0, 480, 7))
    pixels = np.stack([x, y], axis=-1)
    depth = np.linspace(0.5, 9.0, pixels[..., 0].size).reshape(x.shape)
    points = model.rays_from_pixels(pixels) * depth[..., None]
    np.testing.assert_allclose(points[..., 2], depth)
    np.testing.assert_allclose(model.pixels_from_points(points), pixels, atol=1e-3)


def test_distortion_is_not_left_out() -> None:
    corner = np.array([[10.0, 10.0]])
    straight = camera('none').rays_from_pixels(corner)
    for name in ('webcam', 'eight', 'fisheye'):
        bent = camera(name).rays_from_pixels(corner)
        # In pixels; a few would be a few centimetres at 3 m.
        assert np.abs(bent - straight).max() * 520 > 5, name


def test_the_middle_of_the_axis_looks_straight_ahead() -> None:
    np.testing.assert_allclose(camera().rays_from_pixels(np.array([322.5, 236.0])), [0, 0, 1])


def test_unknown_pixels_and_points_behind_are_nan() -> None:
    model = camera('webcam')
    rays = model.rays_from_pixels(np.array([[np.nan, np.nan], [320.0, 240.0]]))
    assert np.isnan(rays[0]).all()
    assert np.isfinite(rays[1]).all()
    pixels = model.pixels_from_points(np.array([[0.0, 0, -1], [np.nan] * 3, [0.0, 0, 1]]))
    np.testing.assert_array_equal(np.isnan(pixels[:, 0]), [True, True, False])
    assert model.rays_from_pixels(np.zeros((0, 17, 2))).shape == (0, 17, 3)


def test_ros_counts_pixel_middles_as_whole_numbers() -> None:
    model = CameraModel.from_message(info(), SIZE)
    assert model.centre_px == (322.5, 236.0)
    assert model.focal_px == (520.0, 515.0)
    assert model.coefficients == (-0.28, 0.09, 0.001, -0.0007, -0.02)


def test_rectified_images_follow_p_without_distortion() -> None:
    model = CameraModel.from_message(info(), SIZE, is_rectified=True)
    assert (model.focal_px, model.centre_px) == ((500.0, 500.0), (320.0, 240.0))
    assert model.coefficients == ()


def test_binning_and_region_of_interest_count() -> None:
    roi = SimpleNamespace(x_offset=100, y_offset=60, width=320, height=240)
    model = CameraModel.from_message(info(binning_x=2, binning_y=2, roi=roi), (160, 120))
    assert model.image_size == (160, 120)
    assert model.focal_px == (260.0, 257.5)
    assert model.centre_px == ((322.5 - 100) / 2, (236.0 - 60) / 2)


def test_a_smaller_image_of_the_same_view_has_the_same_lines_of_sight() -> None:
    pixels = np.array([[12.0, 30.0], [600.0, 470.0]])
    small = camera('webcam').scaled_to((320, 240))
    np.testing.assert_allclose(
        small.rays_from_pixels(pixels / 2), camera('webcam').rays_from_pixels(pixels), atol=1e-6
    )


def test_another_view_is_refused() -> None:
    with pytest.raises(CameraModelError, match=r'640 x 360.*got 640 x 480.*Remap camera_info'):
        CameraModel.from_message(info(), (640, 360))


def test_a_calibration_without_size_fits_any_image() -> None:
    assert CameraModel.from_message(info(width=0, height=0), (800, 300)).image_size == (800, 300)


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        ({'k': [0.0] * 9}, 'focal length above 0 px, got 0'),
        ({'k': [np.nan, 0, 1, 0, 1, 1, 0, 0, 1]}, 'finite numbers'),
        ({'d': [np.inf] * 5}, 'finite numbers'),
        ({'k': []}, 'matrix of 9 numbers, got 0'),
        ({'distortion_model': 'thin_prism'}, "got 'thin_prism'"),
        ({'d': [0.1] * 3}, '0 or 4 or 5 coefficients for plumb_bob, got 3'),
    ],
)
def test_what_cannot_be_used_is_told_with_the_remedy(
    changes: dict[str, object], told: str
) -> None:
    with pytest.raises(CameraModelError, match=told) as caught:
        CameraModel.from_message(info(**changes), SIZE)
    assert 'Calibrate the camera' in str(caught.value)
