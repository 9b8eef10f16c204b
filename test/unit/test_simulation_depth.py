"""Rendered depth: exact where it can be worked out, and as a depth camera sees it."""

from __future__ import annotations

import numpy as np
import pytest
from close_people import close_scene

from pose_tracking_ros.simulation.camera import Camera
from pose_tracking_ros.simulation.depth import as_sensed, render_depth
from pose_tracking_ros.simulation.figures import figures_of
from pose_tracking_ros.simulation.obstacles import Obstacle
from pose_tracking_ros.simulation.scenes import make_scene

CAMERA = Camera((320, 240), 300.0, np.array([0.0, 0.0, 1.6]), pitch_rad=-0.1, yaw_rad=0.2)


def test_the_ground_lies_where_geometry_says() -> None:
    depth = render_depth(CAMERA, [], [], [])
    points = np.array([[0.0, 4.0, 0.0], [-2.0, 7.0, 0.0], [0.3, 12.0, 0.0]])
    pixels, depths = CAMERA.project(points)
    for (x, y), expected in zip(pixels, depths, strict=True):
        # To half a pixel, which is the more the flatter the look.
        assert depth[int(y), int(x)] == pytest.approx(expected, rel=0.03)
    # Its row is exactly known where the camera is level with its columns.
    level = Camera((320, 240), 300.0, np.array([0.0, 0.0, 1.6]))
    rows = np.arange(130, 240)
    expected = 1.6 * 300.0 / (rows + 0.5 - 120)
    flat = render_depth(level, [], [], [])
    np.testing.assert_allclose(flat[130:, 7], expected, rtol=1e-6)
    assert np.isnan(flat[:120]).all()


def test_a_box_hides_the_ground_and_has_an_even_front() -> None:
    level = Camera((320, 240), 300.0, np.array([0.0, 0.0, 1.0]))
    wall = Obstacle('wall', (0.0, 4.5), (1.0, 1.0, 2.0))
    depth = render_depth(level, [], [wall], [])
    x, y = level.project(np.array([[-0.5, 4.0, 2.0], [0.5, 4.0, 0.0]]))[0].T
    inside = depth[int(y[0]) + 2 : int(y[1]) - 1, int(x[0]) + 2 : int(x[1]) - 1]
    assert inside.size > 5000
    np.testing.assert_allclose(inside, 4.0, rtol=1e-6)
    assert np.isnan(depth[int(y[0]) + 2, int(x[1]) + 3])


def test_people_stand_where_their_joints_are() -> None:
    scene = close_scene()
    for index in (0, 20, 39):
        truth = scene.truth(index)
        depth = scene.render_depth(index)
        assert depth.shape == (480, 640)
        assert depth.dtype == np.float32
        seen = truth.keypoint_visible
        columns, rows = np.floor(truth.keypoints[seen]).astype(int).T
        behind = truth.joints_m[seen][:, 2] - depth[rows, columns]
        # Joints lie under the skin, some millimetres (ears) to decimetres (hips in clothes).
        assert np.median(behind) == pytest.approx(0.04, abs=0.03)
        # A nose in profile may lie on the edge of the silhouette.
        assert (np.abs(behind) < 0.25).mean() > 0.9


def test_truth_in_metres_is_the_truth_in_pixels() -> None:
    scene = make_scene('street', image_size=(320, 240))
    truth = scene.truth(50)
    fx, fy, cx, cy = scene.camera_intrinsics
    assert len(truth) > 3
    x, y, z = np.moveaxis(truth.joints_m, -1, 0)
    pixels = np.stack([fx * x / z + cx, fy * y / z + cy], axis=-1)
    np.testing.assert_allclose(pixels, truth.keypoints, atol=0.01)


def test_silhouettes_of_depth_and_picture_agree() -> None:
    scene = close_scene()
    truth = scene.truth(10)
    figures = figures_of(scene.bodies(10), [actor.look for actor in scene.cast], scene.camera(10))
    depth = render_depth(scene.camera(10), figures, [], [])
    empty = render_depth(scene.camera(10), [], [], [])
    changed = np.nan_to_num(depth, nan=99.0) < np.nan_to_num(empty, nan=99.0) - 1e-4
    rows, columns = np.nonzero(changed)
    low, high = truth.boxes[:, :2].min(0), truth.boxes[:, 2:].max(0)
    np.testing.assert_allclose([columns.min(), rows.min()], low, atol=1.6)
    np.testing.assert_allclose([columns.max() + 1, rows.max() + 1], high, atol=1.6)


def test_a_depth_camera_adds_noise_that_grows_and_holes() -> None:
    exact = np.tile(np.linspace(1.0, 8.0, 200, dtype=np.float32), (200, 1))
    sensed = as_sensed(exact, 600.0, np.random.default_rng(0))
    error = sensed - exact
    for part in (slice(0, 40), slice(-40, None)):
        expected = 0.0012 + 0.0019 * (exact[0, part] - 0.4) ** 2
        assert np.nanstd(error[:, part]) == pytest.approx(np.sqrt((expected**2).mean()), rel=0.05)
    assert np.isnan(sensed).mean() < 0.02
    again = as_sensed(exact, 600.0, np.random.default_rng(0))
    np.testing.assert_array_equal(sensed, again)


def test_a_depth_camera_sees_nothing_beside_a_near_edge_nor_out_of_range() -> None:
    exact = np.full((40, 200), 4.0, np.float32)
    exact[:, 80:120] = 1.0
    holes = np.isnan(as_sensed(exact, 600.0, np.random.default_rng(0))).mean(axis=0) > 0.9
    # The projector's shadow: 7.5 cm * 600 px * (1/1 m - 1/4 m) = 34 px, on one side.
    assert 30 <= holes[:80].sum() + holes[120:].sum() <= 40
    assert holes[:80].sum() <= 2 or holes[120:].sum() <= 2
    assert not holes[85:115].any()
    for distance_m in (0.3, 12.0):
        flat = np.full((5, 5), distance_m, np.float32)
        assert np.isnan(as_sensed(flat, 600.0, np.random.default_rng(0))).all()
