"""The tracker's memory moved along with the camera: worked by hand."""

import numpy as np
import pytest
from tracker_frames import frame, person

from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.camera_warp import (
    move_boxes,
    move_moments,
    move_points,
    move_tracks,
)
from pose_tracking_ros.tracking.occlusion import judge_visibility
from pose_tracking_ros.tracking.track_arrays import TrackArrays

MODEL = motion.MotionModel()
SHIFT = np.array([[1.0, 0, 7], [0, 1, -3]])
ZOOM = np.array([[2.0, 0, 10], [0, 2, 20]])
# A quarter turn clockwise as seen: right becomes down, down becomes left.
TURN = np.array([[0.0, -1, 100], [1, 0, 0]])
MOMENTS = np.array(
    [
        [
            [50.0, 60, 40, 100],  # position: centre, width, height
            [3, 4, 0, 0],  # velocity
            [1, 2, 3, 4],  # variance of the position
            [0.1, 0.2, 0, 0],  # covariance
            [5, 6, 0, 0],  # variance of the velocity
        ]
    ]
)


def test_a_pan_moves_positions_and_nothing_else():
    expected = MOMENTS.copy()
    expected[0, motion.POSITION, :2] += [7, -3]
    np.testing.assert_allclose(move_moments(MOMENTS, SHIFT), expected)


def test_a_zoom_scales_lengths_and_speeds_and_squares_variances():
    expected = [
        [110, 140, 80, 200],
        [6, 8, 0, 0],
        [4, 8, 12, 16],
        [0.4, 0.8, 0, 0],
        [20, 24, 0, 0],
    ]
    np.testing.assert_allclose(move_moments(MOMENTS, ZOOM), [expected])


def test_a_quarter_turn_swaps_the_axes():
    expected = [
        [40, 50, 100, 40],
        [-4, 3, 0, 0],
        [2, 1, 4, 3],
        [0.2, 0.1, 0, 0],
        [6, 5, 0, 0],
    ]
    np.testing.assert_allclose(move_moments(MOMENTS, TURN), [expected], atol=1e-12)


def test_variances_under_a_slanted_map_are_the_diagonal_of_the_full_product():
    linear = np.array([[1.1, 0.3], [-0.2, 0.9]])
    moved = move_moments(MOMENTS, np.column_stack([linear, [0, 0]]))
    for row in (motion.VAR_POSITION, motion.COVARIANCE, motion.VAR_VELOCITY):
        full = linear @ np.diag(MOMENTS[0, row, :2]) @ linear.T
        np.testing.assert_allclose(moved[0, row, :2], np.diag(full))


def test_the_variance_of_sides_follows_their_change():
    linear = np.array([[1.1, 0.3], [-0.2, 0.9]])
    affine = np.column_stack([linear, [0, 0]])

    def sides(width, height):
        moments = MOMENTS.copy()
        moments[0, motion.POSITION, 2:] = width, height
        return move_moments(moments, affine)[0, motion.POSITION, 2:]

    step = 1e-5
    by_width = (sides(40 + step, 100) - sides(40 - step, 100)) / (2 * step)
    by_height = (sides(40, 100 + step) - sides(40, 100 - step)) / (2 * step)
    expected = by_width**2 * 3 + by_height**2 * 4
    moved = move_moments(MOMENTS, affine)
    np.testing.assert_allclose(moved[0, motion.VAR_POSITION, 2:], expected, rtol=1e-6)


def test_a_box_turned_to_and_fro_stays_as_it_is():
    box = np.array([[100.0, 100, 140, 200]])
    moved = box
    for turn in np.deg2rad([0.2, -0.2]).tolist() * 150:
        linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        centre = np.array([120.0, 150])
        moved = move_boxes(moved, np.column_stack([linear, centre - linear @ centre]))
    # The box around turned corners would be 148 px wider by now.
    np.testing.assert_allclose(moved, box, atol=1.5)


def test_boxes_and_the_filter_agree():
    affine = np.array([[1.02, -0.05, 4], [0.05, 1.02, -6]])
    by_filter = motion.boxes_of(move_moments(MOMENTS, affine))
    np.testing.assert_allclose(move_boxes(motion.boxes_of(MOMENTS), affine), by_filter)


@pytest.mark.parametrize('affine', [SHIFT, ZOOM, TURN])
def test_there_and_back_again(affine):
    linear = np.linalg.inv(affine[:, :2])
    back = np.column_stack([linear, -linear @ affine[:, 2]])
    np.testing.assert_allclose(move_moments(move_moments(MOMENTS, affine), back), MOMENTS)


def test_joints_move_and_the_unknown_stay_unknown():
    joints = np.array([[[10.0, 20.0], [np.nan, np.nan]]], dtype=np.float32)
    moved = move_points(joints, ZOOM)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved[0, 0], [30, 60])
    assert np.isnan(moved[0, 1]).all()


def test_boxes_without_size_survive():
    moments = np.zeros((1, 5, 4))
    assert np.isfinite(move_moments(moments, TURN)).all()
    assert move_moments(np.zeros((0, 5, 4)), TURN).shape == (0, 5, 4)


def test_all_of_a_track_moves_together():
    people = frame(person(100), person(300))
    visibility = judge_visibility(people, TrackerSettings())
    trusted = np.zeros(2, dtype=bool)
    tracks = TrackArrays.begin(people, visibility, np.arange(2), trusted, 1, 0.0, MODEL)
    move_tracks(tracks, SHIFT)
    shift = [7, -3, 7, -3]
    for boxes in (tracks.boxes, tracks.last_boxes, motion.boxes_of(tracks.moments)):
        np.testing.assert_allclose(boxes, people.boxes + shift, rtol=1e-6)
    np.testing.assert_allclose(tracks.keypoints, people.keypoints + np.array([7, -3]), rtol=1e-6)
