"""Where joints of unseen people are expected: between the last place and the usual one."""

import numpy as np
import pytest

from pose_tracking_ros.people import KeypointState, People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.pose_motion import (
    expect_poses,
    learn_usual_poses,
    relative_poses,
)
from pose_tracking_ros.tracking.tracker import Tracker

BOX = np.array([[100.0, 50.0, 140.0, 150.0]])
MOVED = np.array([[200.0, 50.0, 280.0, 250.0]])
SEEN = np.ones((1, 2), dtype=bool)


def expected(last, usual, unseen_s, *, seen=SEEN, to=MOVED):
    return expect_poses(
        np.array([last], np.float32), seen, BOX, np.array([usual]), to, np.array([unseen_s])
    )[0]


def test_relative_places_are_offsets_from_the_centre_in_heights():
    joints = np.array([[[120.0, 100.0], [140.0, 150.0], [np.nan, np.nan]]])
    np.testing.assert_allclose(
        relative_poses(joints, BOX)[0], [[0, 0], [0.2, 0.5], [np.nan, np.nan]]
    )


def test_at_once_the_last_pose_moves_and_scales_with_the_box():
    got = expected([[120, 100], [140, 150]], [[0.3, 0.3], [0.1, 0.1]], 0.0)
    np.testing.assert_allclose(got, [[240, 150], [280, 250]])


def test_after_long_joints_are_where_they_usually_are():
    got = expected([[120, 100], [140, 150]], [[0.3, 0.3], [0.1, -0.1]], 5.0)
    np.testing.assert_allclose(got, [[300, 210], [260, 130]], atol=0.01)


def test_the_way_between_is_exponential():
    got = expected([[120, 100], [120, 100]], [[1.0, 0.0], [0.0, 0.0]], 0.2, to=BOX)
    assert got[0, 0] == pytest.approx(120 + 100 * (1 - np.exp(-1)))
    assert got[1, 0] == pytest.approx(120)


def test_a_joint_that_was_not_really_seen_is_expected_at_its_usual_place_at_once():
    seen = np.array([[False, True]])
    got = expected([[120, 100], [120, 100]], [[0.1, 0.0], [0.1, 0.0]], 0.0, seen=seen, to=BOX)
    np.testing.assert_allclose(got, [[130, 100], [120, 100]])


def test_joints_without_any_estimate_stay_unknown():
    got = expected([[np.nan, np.nan], [120, 100]], [[np.nan, np.nan], [0.0, 0.0]], 0.3)
    assert np.isnan(got[0]).all()
    assert np.isfinite(got[1]).all()


def test_the_usual_place_is_the_mean_at_any_frame_rate():
    for rate_hz in (10, 60):
        usual = np.zeros((1, 2, 2))
        for number in range(4 * rate_hz):
            swing = 10.0 * np.sin(2 * np.pi * number / rate_hz)
            joints = np.array([[[120.0 + 20.0 + swing, 100.0], [120.0, 100.0]]])
            usual = learn_usual_poses(usual, joints, BOX, SEEN, 1 / rate_hz)
        assert usual[0, 0, 0] == pytest.approx(0.2, abs=0.04)
        np.testing.assert_allclose(usual[0, 1], 0.0, atol=1e-9)


def test_nothing_is_learnt_from_joints_that_were_not_seen_except_a_first_guess():
    guess = np.array([[[130.0, 100.0], [130.0, 100.0]]])
    unsure = np.zeros((1, 2), dtype=bool)
    known = np.array([[[0.0, 0.0], [np.nan, np.nan]]])
    np.testing.assert_allclose(
        learn_usual_poses(known, guess, BOX, unsure, 1.0)[0], [[0.0, 0.0], [0.1, 0.0]]
    )
    missing = np.full((1, 2, 2), np.nan)
    np.testing.assert_array_equal(learn_usual_poses(known, missing, BOX, SEEN, 1.0), known)


def test_a_hidden_persons_swinging_arm_is_predicted_near_its_usual_place():
    tracker = Tracker(TrackerSettings(max_lost_s=3.0))
    joints = np.random.default_rng(0).uniform(0.1, 0.9, (17, 2))

    def people(reach: float) -> People:
        places = joints.copy()
        places[9] = (0.5 + reach, 0.5)
        return People(
            boxes=np.array([[100.0, 50.0, 200.0, 250.0]]),
            scores=np.array([0.9]),
            keypoints=(np.array([100.0, 50.0]) + places * [100.0, 200.0])[None],
            keypoint_scores=np.full((1, 17), 0.9),
            embeddings=np.eye(1, 4),
            image_size=(640, 480),
        )

    for number in range(41):
        # Ends with the arm stretched out.
        reach = 0.4 * np.cos(np.pi * number / 5)
        tracker.update(people(reach), number / 10)
    for number in range(10):
        (track,) = tracker.update(People.none((640, 480), dim=4), 4.1 + number / 10)
    wrist_x = track.keypoints[9, 0] - 0.5 * (track.box[0] + track.box[2])
    assert abs(wrist_x) < 12.0
    assert track.keypoint_states[9] == KeypointState.PREDICTED
