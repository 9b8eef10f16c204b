"""Which way people face: made-up torsos with known answers, and rendered people."""

from __future__ import annotations

import numpy as np
import pytest
from close_people import camera_model_of, close_scene
from scipy.spatial.transform import Rotation

from pose_tracking_ros.lifting.body_orientation import (
    quaternions_from_rotations,
    torso_rotations,
)
from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.lifting.depth_image import DepthImage
from pose_tracking_ros.lifting.joints import lift_joints
from pose_tracking_ros.lifting.lifter import Lifter
from pose_tracking_ros.lifting.rigid_transform import RigidTransform
from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.simulation.depth import as_sensed
from pose_tracking_ros.skeleton import COCO_17

JOINTS = len(COCO_17)
TORSO = ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')
FRAMES = range(0, 40, 5)


def torso(turn_deg: float = 0.0, bend_deg: float = 0.0) -> np.ndarray:
    """Joints of a torso 3 m before the camera; turned by 0 it faces it, by 90 the image's left.

    In the optical frame, whose y points down: turning to the person's left is a positive angle
    about y, bending forward one about x.
    """
    offsets = {
        'left_shoulder': (0.17, -0.5, 0.0),
        'right_shoulder': (-0.17, -0.5, 0.0),
        'left_hip': (0.1, 0.0, 0.0),
        'right_hip': (-0.1, 0.0, 0.0),
    }
    joints = np.full((1, JOINTS, 3), np.nan)
    # Forward is -z for whom faces the camera; bending brings the shoulders there.
    turn = Rotation.from_euler('yx', [turn_deg, bend_deg], degrees=True)
    for name, offset in offsets.items():
        joints[0, COCO_17.index(name)] = turn.apply(offset) + np.array([0.2, 0.1, 3.0])
    return joints


def rays_of(joints: np.ndarray) -> np.ndarray:
    return np.asarray(joints / joints[..., 2:])


def without(joints: np.ndarray, *names: str) -> np.ndarray:
    changed = joints.copy()
    for name in names:
        changed[:, COCO_17.index(name)] = np.nan
    return changed


def axes(joints: np.ndarray, rays: np.ndarray | None = None) -> np.ndarray:
    """Forward, left and up, one row each."""
    rays = rays_of(joints) if rays is None else rays
    return np.asarray(torso_rotations(joints, rays, COCO_17)[0].T)


def angle_deg(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(np.degrees(np.arccos(np.clip((one * other).sum(axis=-1), -1, 1))))


def test_who_faces_the_camera_looks_along_minus_z() -> None:
    forward, left, up = axes(torso())
    np.testing.assert_allclose(forward, [0, 0, -1], atol=1e-9)
    np.testing.assert_allclose(left, [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(up, [0, -1, 0], atol=1e-9)


@pytest.mark.parametrize('turn_deg', [-170, -90, -30, 45, 90, 135, 180])
def test_a_turned_torso_is_turned_by_so_much(turn_deg: float) -> None:
    forward, left, up = axes(torso(turn_deg))
    angle = np.radians(turn_deg)
    assert angle_deg(forward, np.array([-np.sin(angle), 0, -np.cos(angle)])) < 3
    np.testing.assert_allclose(np.cross(forward, left), up, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm([forward, left, up], axis=1), 1)


def test_up_follows_the_torso_of_who_bends_over() -> None:
    forward, _, up = axes(torso(0, 40))
    assert angle_deg(up, np.array([0, -1, 0])) == pytest.approx(40)
    assert angle_deg(forward, np.array([0, 0, -1])) == pytest.approx(40)
    # Forward goes down, not up.
    assert forward[1] > 0.6


@pytest.mark.parametrize(('turn_deg', 'hidden'), [(90, 'right'), (-90, 'left'), (60, 'right')])
def test_of_the_side_that_a_body_hides_the_line_of_sight_will_do(
    turn_deg: float, hidden: str
) -> None:
    """Turned to the image's left it is the right side that is behind."""
    full = torso(turn_deg)
    joints = without(full, f'{hidden}_shoulder', f'{hidden}_hip')
    forward = axes(joints, rays_of(full))[0]
    assert angle_deg(forward, axes(full)[0]) < 5
    # Without a line of sight, nothing tells.
    assert np.isnan(axes(joints)).all()


def with_nose(turn_deg: float, forward_m: float = 0.12) -> np.ndarray:
    """A torso with a nose so far ahead of its neck."""
    joints = torso(turn_deg)
    turn = Rotation.from_euler('y', turn_deg, degrees=True)
    nose = turn.apply([0.0, -0.65, -forward_m]) + np.array([0.2, 0.1, 3.0])
    joints[0, COCO_17.index('nose')] = nose
    return joints


@pytest.mark.parametrize('turn_deg', [-100, -80, 80, 100, 120])
def test_the_nose_tells_front_from_back_when_depths_do_not(turn_deg: float) -> None:
    """The hidden shoulder was found, too: on the surface before it."""
    full = with_nose(turn_deg)
    seen = full.copy()
    shoulders = [COCO_17.index('left_shoulder'), COCO_17.index('right_shoulder')]
    seen[0, shoulders, 2] = full[0, shoulders, 2].min()
    found = axes(seen, rays_of(full))
    assert angle_deg(found[0], axes(full)[0]) < 10
    # Neither depths nor a nose: nobody knows.
    assert np.isnan(axes(seen, without(rays_of(full), 'nose'))).all()


def test_left_and_right_exchanged_are_noticed() -> None:
    full = with_nose(70)
    swapped = full.copy()
    for part in ('shoulder', 'hip'):
        left, right = COCO_17.index(f'left_{part}'), COCO_17.index(f'right_{part}')
        swapped[:, [left, right]] = full[:, [right, left]]
    assert np.isfinite(axes(full)).all()
    assert np.isnan(axes(swapped)).all()


def test_hips_do_not_tell_left_from_right() -> None:
    """Both seem to lie on the surface before them, whichever way the body turns."""
    joints = torso(70)
    for name in ('left_hip', 'right_hip'):
        joints[0, COCO_17.index(name), 2] = 2.95
    assert angle_deg(axes(joints)[0], axes(torso(70))[0]) < 6


@pytest.mark.parametrize(
    'unknown',
    [
        ('left_shoulder', 'right_shoulder'),
        ('left_hip', 'right_hip'),
        ('left_shoulder', 'right_hip'),
        TORSO,
    ],
)
def test_without_enough_joints_it_is_unknown(unknown: tuple[str, ...]) -> None:
    full = torso(20)
    rotations = torso_rotations(without(full, *unknown), without(rays_of(full), *unknown), COCO_17)
    assert np.isnan(rotations).all()
    assert np.isnan(quaternions_from_rotations(rotations)).all()


def test_a_hip_is_enough_with_both_shoulders() -> None:
    joints = without(torso(30), 'right_hip')
    assert angle_deg(axes(joints)[0], axes(torso(30))[0]) < 1


def test_what_cannot_be_a_torso_is_unknown() -> None:
    full = torso()
    far = full.copy()
    # Guessed 0.8 m aside of where it can be.
    far[0, COCO_17.index('left_shoulder'), 0] += 0.8
    assert np.isnan(axes(without(full, 'left_shoulder'), rays_of(far))).all()
    one_place = full.copy()
    one_place[0, COCO_17.index('left_shoulder')] = one_place[0, COCO_17.index('right_shoulder')]
    assert np.isnan(axes(one_place)).all()
    lying = full.copy()
    lying[0, COCO_17.index('left_shoulder'), :2] += [-0.15, -0.6]
    assert np.isnan(axes(lying)).all()


def test_everybody_counts_alone_and_nobody_is_fine() -> None:
    three = np.concatenate([torso(10), np.full((1, JOINTS, 3), np.nan), torso(-50)])
    found = torso_rotations(three, rays_of(three), COCO_17)
    np.testing.assert_allclose(found[0], axes(torso(10)).T)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], axes(torso(-50)).T)
    assert torso_rotations(three[:0], three[:0], COCO_17).shape == (0, 3, 3)
    assert quaternions_from_rotations(found[:0]).shape == (0, 4)


def test_quaternions_are_those_of_the_rotations() -> None:
    rotations = Rotation.random(20, random_state=0).as_matrix()
    quaternions = quaternions_from_rotations(rotations)
    assert (quaternions[:, 3] >= 0).all()
    np.testing.assert_allclose(Rotation.from_quat(quaternions).as_matrix(), rotations)


def track_of(keypoints: np.ndarray, visible: np.ndarray, box: np.ndarray) -> Track:
    return Track(
        track_id=1,
        state=TrackState.CONFIRMED,
        is_matched=True,
        box=box,
        score=0.9,
        visibility=1.0,
        velocity=np.zeros(2, np.float32),
        keypoints=keypoints,
        keypoint_scores=np.full(JOINTS, 0.9, np.float32),
        keypoint_states=np.where(visible, KeypointState.VISIBLE, KeypointState.OCCLUDED),
        embedding=np.zeros(0, np.float32),
        age_s=0.0,
        time_since_update_s=0.0,
    )


def test_in_a_frame_whose_z_is_up_the_yaw_tells_where_somebody_faces() -> None:
    """The camera looks along the map's x axis, so that who faces it has a yaw of 180 degrees."""
    camera = CameraModel((200, 200), (200.0, 200.0), (100.0, 100.0))
    keypoints = np.full((JOINTS, 2), np.nan)
    places = {'shoulder': (17, 60), 'hip': (10, 110)}
    for name in TORSO:
        side, part = name.split('_')
        dx, y = places[part]
        keypoints[COCO_17.index(name)] = 100 + (dx if side == 'left' else -dx), y
    track = track_of(keypoints, np.isfinite(keypoints[:, 0]), np.array([60.0, 30, 140, 190]))
    to_map = RigidTransform(
        np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.array([0.0, 0.0, 1.5])
    )
    depth = DepthImage(np.full((200, 200), 2.0, np.float32))
    Lifter(COCO_17).lift(
        [track], depth, camera, stamp_s=1.0, session_id=1, to_target=to_map
    )  # fmt: skip
    assert track.in_space is not None
    rotation = Rotation.from_quat(track.in_space.orientation_xyzw)
    np.testing.assert_allclose(rotation.apply([1, 0, 0])[:2], [-1, 0], atol=0.05)
    np.testing.assert_allclose(rotation.apply([0, 1, 0]), [0, -1, 0], atol=0.05)
    assert rotation.apply([0, 0, 1])[2] > 0.95


def test_rendered_people_face_where_they_are_seen_to_face() -> None:
    """Depth as a camera senses it, pixels off by 2 px, those of hidden joints by 6 px."""
    scene = close_scene()
    camera = camera_model_of(scene)
    rng = np.random.default_rng(0)
    errors = []
    for index in FRAMES:
        truth = scene.truth(index)
        frames = scene.bodies(index).frames[truth.person_ids - 1]
        # Between pelvis and chest, which twist against each other.
        ahead = frames[:, :2, 1].sum(axis=1) @ scene.camera(index).rotation.T
        ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
        depth = as_sensed(scene.render_depth(index), camera.focal_px[0], rng)
        spread = np.where(truth.keypoint_visible, 2.0, 6.0)[..., None]
        keypoints = truth.keypoints + rng.normal(0, 1, truth.keypoints.shape) * spread
        lifted = lift_joints(
            DepthImage(depth), camera, keypoints, truth.keypoint_visible, truth.boxes, COCO_17
        )
        rotations = torso_rotations(lifted.joints_m, camera.rays_from_pixels(keypoints), COCO_17)
        errors.append(angle_deg(rotations[:, :, 0], ahead))
    error = np.concatenate(errors)
    assert np.isfinite(error).mean() > 0.8
    assert np.nanmedian(error) < 6
    assert np.nanquantile(error, 0.9) < 15
