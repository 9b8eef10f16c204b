"""Positions and velocities of tracks, and the frames they are in."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracking_ros.lifting.body_motion import BodyMotion
from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.lifting.depth_image import DepthImage
from pose_tracking_ros.lifting.lifter import Lifter
from pose_tracking_ros.lifting.rigid_transform import RigidTransform
from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.skeleton import COCO_17

JOINTS = len(COCO_17)
HIPS = [COCO_17.index('left_hip'), COCO_17.index('right_hip')]
SPREAD = np.tile(0.0009 * np.eye(3), (JOINTS, 1, 1))


def body_at(position: np.ndarray | list[float]) -> np.ndarray:
    """A stiff body: joints spread over 1.6 m, hips to both sides of the position."""
    joints = np.zeros((JOINTS, 3))
    joints[:, 1] = np.linspace(-0.7, 0.9, JOINTS)
    joints[HIPS] = [[0.1, 0, 0], [-0.1, 0, 0]]
    return joints + position


def walk(motion: BodyMotion, velocity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Walk for two seconds with 1 cm of noise; return the last velocity."""
    result = np.full(3, np.nan)
    for number in range(30):
        stamp_s = 100 + number / 15
        joints = body_at([0, 0, 3] + velocity * number / 15) + rng.normal(0, 0.01, (JOINTS, 3))
        _, result = motion.update(1, stamp_s, joints, SPREAD)
    return result


@pytest.mark.parametrize('velocity', [[0.0, 0, 0], [1.2, 0, -0.5], [0, 0, -2.0]])
def test_the_velocity_of_a_walker_is_found(velocity: list[float]) -> None:
    found = walk(BodyMotion(COCO_17), np.array(velocity), np.random.default_rng(0))
    np.testing.assert_allclose(found, velocity, atol=0.15)


def test_the_position_is_the_middle_of_the_hips_or_of_what_is_known() -> None:
    motion = BodyMotion(COCO_17)
    joints = body_at([1, 0, 3])
    position, velocity = motion.update(1, 0.0, joints, SPREAD)
    np.testing.assert_allclose(position, [1, 0, 3])
    assert np.isnan(velocity).all()
    joints[HIPS[0]] = np.nan
    position, _ = motion.update(1, 0.1, joints, SPREAD)
    np.testing.assert_allclose(position, np.nanmean(joints, axis=0))
    unknown = np.full((JOINTS, 3), np.nan)
    position, velocity = motion.update(1, 0.2, unknown, SPREAD)
    assert np.isnan([*position, *velocity]).all()


def test_losing_sight_of_a_hip_is_no_motion() -> None:
    motion = BodyMotion(COCO_17)
    for number in range(40):
        joints = body_at([0, 0, 3])
        if number % 3:
            # The middle of the others lies 10 cm lower.
            joints[HIPS[0]] = np.nan
        _, velocity = motion.update(1, number / 30, joints, SPREAD)
    np.testing.assert_allclose(velocity, 0, atol=0.02)


def test_after_a_gap_or_a_jump_back_a_track_starts_anew() -> None:
    for stamp_s in (105.0, 50.0):
        motion = BodyMotion(COCO_17)
        assert np.isfinite(walk(motion, np.array([1.0, 0, 0]), np.random.default_rng(0))).all()
        _, velocity = motion.update(1, stamp_s, body_at([9, 0, 3]), SPREAD)
        assert np.isnan(velocity).all()


def test_tracks_are_apart_and_forgotten() -> None:
    motion = BodyMotion(COCO_17)
    for track_id in range(100):
        motion.update(track_id, 0.0, body_at([track_id, 0, 3]), SPREAD)
    assert len(motion) == 100
    motion.keep([7])
    assert len(motion) == 1
    motion.reset()
    assert len(motion) == 0


def test_a_transform_turns_points_and_covariances() -> None:
    half = np.sqrt(0.5)
    turn = RigidTransform.from_quaternion((0, 0, half, half), (1, 2, 3))
    np.testing.assert_allclose(turn.points(np.array([[1.0, 0, 0]])), [[1, 3, 3]], atol=1e-12)
    turned = turn.covariances(np.diag([4.0, 1.0, 2.0]))
    np.testing.assert_allclose(turned, np.diag([1.0, 4.0, 2.0]), atol=1e-12)
    same = RigidTransform.from_quaternion((0, 0, 0, 1.001), (0, 0, 0))
    np.testing.assert_allclose(same.rotation, np.eye(3))


@pytest.mark.parametrize(
    ('quaternion', 'shift'),
    [((0, 0, 0, 0), (0, 0, 0)), ((np.nan, 0, 0, 1), (0, 0, 0)), ((0, 0, 0, 1), (0, np.inf, 0))],
)
def test_what_is_no_transform_is_refused(
    quaternion: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match='quaternion of length 1'):
        RigidTransform.from_quaternion(quaternion, shift)


CAMERA = CameraModel((100, 100), (100.0, 100.0), (50.0, 50.0))
DEPTH = DepthImage(np.full((100, 100), 2.0, np.float32))


def track(track_id: int = 1, **changes: object) -> Track:
    fields: dict[str, object] = {
        'track_id': track_id,
        'state': TrackState.CONFIRMED,
        'is_matched': True,
        'box': np.array([30, 20, 70, 90], np.float32),
        'score': 0.9,
        'visibility': 1.0,
        'velocity': np.zeros(2, np.float32),
        'keypoints': np.column_stack([np.full(JOINTS, 50.0), np.linspace(40, 60, JOINTS)]),
        'keypoint_scores': np.full(JOINTS, 0.9, np.float32),
        'keypoint_states': np.full(JOINTS, KeypointState.VISIBLE),
        'embedding': np.zeros(0, np.float32),
        'age_s': 0.0,
        'time_since_update_s': 0.0,
    }
    return Track(**{**fields, **changes})  # type: ignore[arg-type]


def test_only_what_the_image_shows_is_lifted() -> None:
    states = np.full(JOINTS, KeypointState.VISIBLE)
    for joint, state in enumerate(KeypointState):
        states[joint] = state
    one, missed = track(keypoint_states=states), track(2, is_matched=False)
    Lifter(COCO_17).lift([one, missed], DEPTH, CAMERA, stamp_s=1.0, session_id=1)
    assert one.in_space is not None
    assert missed.in_space is not None
    known = np.isfinite(one.in_space.joints_m[:, 0])
    np.testing.assert_array_equal(known, states == KeypointState.VISIBLE)
    assert np.isnan(missed.in_space.joints_m).all()
    assert np.isnan(missed.in_space.position_m).all()


@pytest.mark.parametrize(('depth', 'camera'), [(None, CAMERA), (DEPTH, None)])
def test_without_depth_or_camera_everything_is_nan(
    depth: DepthImage | None, camera: CameraModel | None
) -> None:
    one = track()
    Lifter(COCO_17).lift([one], depth, camera, stamp_s=1.0, session_id=1)
    assert one.in_space is not None
    for values in vars(one.in_space).values():
        assert np.isnan(values).all()


def test_poses_come_in_the_target_frame() -> None:
    here, there = track(), track()
    shift = RigidTransform(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 5.0]))
    Lifter(COCO_17).lift([here], DEPTH, CAMERA, stamp_s=1.0, session_id=1)
    Lifter(COCO_17).lift([there], DEPTH, CAMERA, stamp_s=1.0, session_id=1, to_target=shift)
    assert here.in_space is not None
    assert there.in_space is not None
    np.testing.assert_allclose(
        there.in_space.joints_m, here.in_space.joints_m * [1, -1, -1] + [0, 0, 5]
    )
    np.testing.assert_allclose(
        there.in_space.position_m, there.in_space.joints_m[HIPS].mean(axis=0)
    )


def test_removed_tracks_and_sessions_past_are_forgotten() -> None:
    lifter = Lifter(COCO_17)
    lifter.lift([track(1), track(2)], DEPTH, CAMERA, stamp_s=1.0, session_id=1)
    assert len(lifter) == 2
    gone = track(2, state=TrackState.REMOVED, is_matched=False)
    lifter.lift([track(1), gone], DEPTH, CAMERA, stamp_s=1.1, session_id=1)
    assert len(lifter) == 1
    one = track(1)
    lifter.lift([one], DEPTH, CAMERA, stamp_s=1.2, session_id=2)
    assert one.in_space is not None
    assert np.isnan(one.in_space.velocity_m_s).all()
