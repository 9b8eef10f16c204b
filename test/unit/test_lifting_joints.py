"""From joints and depth to metres: on rendered people, and on made-up surfaces."""

from __future__ import annotations

import numpy as np
import pytest
from close_people import camera_model_of, close_scene

from pose_tracking_ros.lifting.anthropometry import (
    LONGEST_M,
    impossible_joints,
    reach_m,
    under_skin_m,
)
from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.lifting.depth_image import DepthImage, DepthImageError
from pose_tracking_ros.lifting.joints import lift_joints
from pose_tracking_ros.lifting.surfaces import find_surfaces, nearest_surface
from pose_tracking_ros.simulation.depth import as_sensed
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

FRAMES = range(0, 40, 3)
SIZE = (320, 240)
CAMERA = CameraModel(SIZE, (300.0, 300.0), (160.0, 120.0))
JOINTS = len(COCO_17)


@pytest.fixture(scope='module')
def lifted() -> dict[str, np.ndarray]:
    """Errors and truth of rendered people at 2.4 to 3.6 m, by exact and by sensed depth."""
    scene = close_scene()
    camera = camera_model_of(scene)
    rng = np.random.default_rng(0)
    parts: dict[str, list[np.ndarray]] = {'visible': [], 'depth': []}
    for index in FRAMES:
        truth = scene.truth(index)
        exact = scene.render_depth(index)
        parts['visible'].append(truth.keypoint_visible)
        parts['depth'].append(truth.joints_m[..., 2])
        noisy = truth.keypoints + rng.normal(0, 2.0, truth.keypoints.shape)
        for name, depth, keypoints in (
            ('exact', exact, truth.keypoints),
            ('sensed', as_sensed(exact, camera.focal_px[0], rng), noisy),
        ):
            result = lift_joints(
                DepthImage(depth), camera, keypoints, truth.keypoint_visible, truth.boxes, COCO_17
            )
            error = result.joints_m - truth.joints_m
            parts.setdefault(name, []).append(np.linalg.norm(error, axis=-1))
            parts.setdefault(f'{name}_covariance', []).append(result.covariances_m2)
            parts.setdefault(f'{name}_error', []).append(error)
    return {name: np.concatenate(values) for name, values in parts.items()}


def test_visible_joints_are_right_to_three_centimetres(lifted: dict[str, np.ndarray]) -> None:
    assert 2 < np.median(lifted['depth']) < 4
    errors = np.where(lifted['visible'], lifted['exact'], np.nan)
    assert np.nanmedian(errors) <= 0.03
    for joint, median in zip(COCO_17.joints, np.nanmedian(errors, axis=0), strict=True):
        assert median <= 0.05, joint
    assert np.nanquantile(errors, 0.95) <= 0.10


def test_noise_and_holes_of_a_depth_camera_cost_little(lifted: dict[str, np.ndarray]) -> None:
    errors = lifted['sensed'][lifted['visible']]
    assert np.nanmedian(errors) <= 0.03
    assert np.isnan(errors).mean() < 0.05


def test_joints_that_are_not_seen_are_nan(lifted: dict[str, np.ndarray]) -> None:
    assert np.isnan(lifted['exact'][~lifted['visible']]).all()
    assert (~lifted['visible']).sum() > 50
    assert np.isfinite(lifted['exact'][lifted['visible']]).mean() > 0.97


def test_covariances_tell_how_large_errors_are(lifted: dict[str, np.ndarray]) -> None:
    known = np.isfinite(lifted['sensed'])
    covariance, error = lifted['sensed_covariance'][known], lifted['sensed_error'][known]
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    distance = np.einsum('ni,nij,nj->n', error, np.linalg.inv(covariance), error)
    # Three degrees of freedom: a median of 2.4, if the errors were normal and all of this kind.
    assert 0.2 < np.median(distance) < 5


def person(depth_m: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints of somebody who stands upright and faces the camera, and the box."""
    width_m = {'eye': 0.03, 'ear': 0.07, 'shoulder': 0.18, 'hip': 0.1, 'knee': 0.1, 'ankle': 0.1,
               'elbow': 0.25, 'wrist': 0.25}  # fmt: skip
    height_m = {'nose': 0.6, 'eye': 0.63, 'ear': 0.62, 'shoulder': 0.45, 'elbow': 0.2,
                'wrist': 0.0, 'hip': 0.0, 'knee': -0.4, 'ankle': -0.7}  # fmt: skip
    metres = np.zeros((1, JOINTS, 3))
    for index, name in enumerate(COCO_17.joints):
        part = name.rsplit('_', 1)[-1]
        side = 1 if name.startswith('left') else -1
        metres[0, index] = side * width_m.get(part, 0.0), -height_m[part], depth_m
    keypoints = CAMERA.pixels_from_points(metres)
    low, high = keypoints.min(1) - 8, keypoints.max(1) + 8
    return keypoints, np.concatenate([low, high], axis=1)


def lift(depth: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
    keypoints, boxes = person()
    seen = np.ones((1, JOINTS), bool) if seen is None else seen
    return lift_joints(DepthImage(depth), CAMERA, keypoints, seen, boxes, COCO_17).joints_m[0]


def flat(depth_m: float = 3.0) -> np.ndarray:
    return np.full(SIZE[::-1], depth_m, np.float32)


def window(name: str, half: int) -> tuple[slice, slice]:
    x, y = person()[0][0, COCO_17.index(name)].astype(int)
    return slice(y - half, y + half + 1), slice(x - half, x + half + 1)


def test_a_joint_lies_behind_the_skin_on_the_line_of_sight() -> None:
    joints = lift(flat())
    keypoints, _ = person()
    np.testing.assert_allclose(CAMERA.pixels_from_points(joints), keypoints[0], atol=1e-6)
    skin = CAMERA.rays_from_pixels(keypoints[0]) * 3.0
    depth_m = np.linalg.norm(joints, axis=-1) - np.linalg.norm(skin, axis=-1)
    np.testing.assert_allclose(depth_m, under_skin_m(COCO_17), atol=1e-6)


def test_the_wall_beside_a_wrist_is_not_the_wrist() -> None:
    """Half of the window, and more, looks past a thin limb."""
    depth = flat()
    wrist = COCO_17.index('left_wrist')
    rows, columns = window('left_wrist', 10)
    depth[rows, columns.start + 11 :] = 5.0
    # The pixel of the joint itself shows the wall, too.
    depth[rows, columns.start + 10] = 5.0
    assert lift(depth)[wrist, 2] == pytest.approx(3.0 + under_skin_m(COCO_17)[wrist], abs=0.01)


def test_what_stands_far_before_or_behind_the_person_is_refused() -> None:
    for other_m in (0.8, 6.0):
        depth = flat()
        depth[window('right_ankle', 12)] = other_m
        joints = lift(depth)
        assert np.isnan(joints[COCO_17.index('right_ankle')]).all()
        assert np.isfinite(np.delete(joints, COCO_17.index('right_ankle'), 0)).all()


def test_samples_beyond_the_reach_of_the_body_are_no_joint() -> None:
    depth = flat()
    depth[window('right_ankle', 12)] = 6.0
    keypoints, boxes = person()
    found = find_surfaces(DepthImage(depth), keypoints, np.ones((1, JOINTS), bool), boxes, COCO_17)
    ankle = COCO_17.index('right_ankle')
    assert np.isnan(found.depth_m[0, ankle])
    assert found.torso_m[0] == pytest.approx(3.0)
    np.testing.assert_allclose(np.delete(found.depth_m[0], ankle), 3.0)


def test_a_joint_within_reach_that_no_limb_allows_is_nan() -> None:
    depth = flat()
    depth[window('left_wrist', 12)] = 4.0
    joints = lift(depth)
    assert np.isnan(joints[COCO_17.index('left_wrist')]).all()
    assert np.isfinite(joints[COCO_17.index('left_elbow')]).all()


def test_holes_are_bridged_and_large_ones_are_unknown() -> None:
    depth = flat()
    depth[::2, ::2] = np.nan
    depth[window('nose', 8)] = np.nan
    joints = lift(depth)
    assert np.isnan(joints[COCO_17.index('nose')]).all()
    assert np.isfinite(joints[COCO_17.index('left_hip')]).all()


def test_a_person_without_visible_torso_is_placed_by_the_joints_seen() -> None:
    seen = np.zeros((1, JOINTS), bool)
    seen[0, [COCO_17.index(name) for name in ('nose', 'left_eye', 'right_eye')]] = True
    joints = lift(flat(), seen)
    assert np.isfinite(joints[seen[0]]).all()
    assert np.isnan(joints[~seen[0]]).all()


def test_nothing_known_and_nobody_there() -> None:
    assert np.isnan(lift(np.full(SIZE[::-1], np.nan, np.float32))).all()
    nobody = lift_joints(
        DepthImage(flat()), CAMERA, np.zeros((0, JOINTS, 2)), np.zeros((0, JOINTS), bool),
        np.zeros((0, 4)), COCO_17,
    )  # fmt: skip
    assert nobody.joints_m.shape == (0, JOINTS, 3)
    assert nobody.covariances_m2.shape == (0, JOINTS, 3, 3)


def test_depth_of_half_the_size_gives_the_same_place() -> None:
    x = np.arange(SIZE[0]) / SIZE[0]
    slope = np.broadcast_to((2.8 + 0.4 * x).astype(np.float32), SIZE[::-1])
    half = np.ascontiguousarray(slope[::2, ::2])
    np.testing.assert_allclose(lift(half), lift(slope), atol=0.01)


def test_depth_of_another_view_is_refused() -> None:
    with pytest.raises(DepthImageError, match='320 x 240 px, got 320 x 180'):
        lift(np.full((180, 320), 3.0, np.float32))


def test_the_nearest_surface_needs_a_share_of_the_samples() -> None:
    rng = np.random.default_rng(0)
    near, far = 2 + rng.normal(0, 0.004, 10), 3 + rng.normal(0, 0.004, 30)
    samples = np.concatenate([near, far, np.full(20, np.nan)])
    rng.shuffle(samples)
    surface = nearest_surface(samples, 0.03, 0.2)
    assert surface.depth_m == pytest.approx(2, abs=0.01)
    assert surface.spread_m == pytest.approx(0.004, rel=0.7)
    assert nearest_surface(samples, 0.03, 0.3).depth_m == pytest.approx(3, abs=0.01)
    # Two samples are no surface.
    assert np.isnan(nearest_surface(np.array([1.0, 1.0, np.nan]), 0.03, 0.0).depth_m)
    several = nearest_surface(np.stack([samples, samples + 1]), 0.03, 0.2)
    np.testing.assert_allclose(several.depth_m, [surface.depth_m, surface.depth_m + 1], atol=1e-6)


def upright(depth_m: float = 3.0) -> np.ndarray:
    keypoints, _ = person()
    return np.asarray(CAMERA.rays_from_pixels(keypoints) * depth_m)


def test_humans_are_possible_whatever_their_size() -> None:
    for size in (0.5, 1.0, 1.15):
        joints = size * (upright() - [0, 0, 3]) + [0, 0, 3]
        assert not impossible_joints(joints, np.array([3.0]), COCO_17).any()


@pytest.mark.parametrize(
    'joint', ['left_elbow', 'right_wrist', 'left_knee', 'right_ankle', 'nose']
)
def test_a_limb_too_long_loses_its_outer_end(joint: str) -> None:
    joints = upright()
    joints[0, COCO_17.index(joint), 2] += 1.2
    wrong = impossible_joints(joints, np.array([3.0]), COCO_17)[0]
    # A wrist or ankle is measured from the next joint that is left.
    assert [COCO_17.joints[i] for i in np.flatnonzero(wrong)] == [joint]


def test_of_two_torso_joints_the_one_off_the_torso_goes() -> None:
    joints = upright()
    joints[0, COCO_17.index('left_shoulder'), 2] += 1.0
    wrong = impossible_joints(joints, np.array([3.0]), COCO_17)[0]
    assert [COCO_17.joints[i] for i in np.flatnonzero(wrong)] == ['left_shoulder']


def test_unknown_joints_are_not_impossible() -> None:
    joints = np.full((1, JOINTS, 3), np.nan)
    assert not impossible_joints(joints, np.array([np.nan]), COCO_17).any()


def test_body_tables_are_those_of_humans() -> None:
    assert 0.4 < LONGEST_M['upper_arm'] < 0.55
    assert 0.5 < LONGEST_M['thigh'] < 0.7
    for skeleton in (COCO_17, POSETRACK_15):
        assert ((under_skin_m(skeleton) >= 0) & (under_skin_m(skeleton) < 0.15)).all()
        assert ((reach_m(skeleton) > 0.3) & (reach_m(skeleton) < 1.5)).all()
