"""Overlays and trails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.viewing.overlay import colour_of, draw_tracks, line_width_of
from pose_tracking_ros.viewing.trails import Trails

CANVAS = np.full((240, 320, 3), 128, dtype=np.uint8)


def track(track_id: int = 1, x: float = 150.0, state: TrackState = TrackState.CONFIRMED) -> Track:
    """A person with joints spread over a grid, so that every limb has a length."""
    number = np.arange(17)
    keypoints = np.stack([x - 24 + 12 * (number % 5), 60 + 8.0 * number], axis=1)
    return Track(
        track_id=track_id,
        state=state,
        is_matched=state != TrackState.LOST,
        box=np.array([x - 40, 40, x + 40, 210.0]),
        score=0.9,
        visibility=1.0,
        velocity=np.zeros(2),
        keypoints=keypoints,
        keypoint_scores=np.ones(17),
        keypoint_states=np.full(17, KeypointState.VISIBLE),
        embedding=np.zeros(0),
        age_s=1.0,
        time_since_update_s=0.0,
    )


def changed(drawn: np.ndarray) -> np.ndarray:
    return np.asarray((drawn != CANVAS).any(-1))


def test_colours_are_stable_and_neighbours_differ() -> None:
    assert colour_of(7) == colour_of(7)
    colours = np.array([colour_of(i) for i in range(1, 31)], dtype=float)
    assert ((colours >= 0) & (colours <= 255)).all()
    assert np.linalg.norm(np.diff(colours, axis=0), axis=-1).min() > 60
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert apart[~np.eye(30, dtype=bool)].min() > 10


def test_lines_grow_with_the_image() -> None:
    assert line_width_of((160, 120)) == 1
    assert line_width_of((640, 480)) < line_width_of((1280, 720)) < line_width_of((3840, 2160))


def test_the_given_image_is_left_alone() -> None:
    image = CANVAS.copy()
    drawn = draw_tracks(image, [track()])
    np.testing.assert_array_equal(image, CANVAS)
    assert changed(drawn).sum() > 500


def test_no_track_draws_nothing() -> None:
    np.testing.assert_array_equal(draw_tracks(CANVAS, []), CANVAS)
    np.testing.assert_array_equal(draw_tracks(CANVAS, [track(state=TrackState.REMOVED)]), CANVAS)


def test_joints_are_drawn_in_place_in_the_colour_of_the_id() -> None:
    one = track()
    drawn = draw_tracks(CANVAS, [one])
    at = np.floor(one.keypoints).astype(int)
    found = drawn[at[:, 1], at[:, 0]].astype(float)
    assert np.abs(found - colour_of(1)).max(-1).mean() < 40


def test_hidden_joints_are_rings_and_unknown_ones_missing() -> None:
    one = track()
    states = one.keypoint_states.copy()
    states[0] = KeypointState.OCCLUDED
    keypoints = one.keypoints.copy()
    keypoints[0] = (250.0, 120.0)
    limbless = replace(one, keypoints=keypoints, keypoint_states=states)
    # A large image has room for a ring.
    big = np.full((960, 1280, 3), 128, dtype=np.uint8)
    drawn = draw_tracks(big, [limbless])
    around = drawn[110:131, 240:261].astype(int)
    assert np.abs(around - colour_of(1)).max(-1).min() < 80, 'the ring has the colour of the id'
    x, y = keypoints[0].astype(int)
    assert drawn[y, x].max() < 60, 'dark inside'
    for unknown in (
        replace(one, keypoints=np.where(np.arange(17)[:, None] == 0, np.nan, keypoints)),
        replace(limbless, keypoint_states=np.where(np.arange(17) == 0, 4, states)),
        replace(limbless, keypoint_states=np.where(np.arange(17) == 0, 0, states)),
    ):
        assert (draw_tracks(big, [unknown])[110:131, 240:261] == 128).all()


def test_predicted_limbs_are_dashed() -> None:
    one = track()
    solid = changed(draw_tracks(CANVAS, [one])).sum()
    dashed = changed(
        draw_tracks(CANVAS, [replace(one, keypoint_states=np.full(17, KeypointState.PREDICTED))])
    ).sum()
    assert 0.3 * solid < dashed < 0.8 * solid


def test_hidden_tracks_have_dashed_boxes_and_lost_ones_no_skeleton() -> None:
    def edge(state: TrackState) -> np.ndarray:
        drawn = draw_tracks(CANVAS, [track(state=state)])
        return changed(drawn)[100:205, 110]

    assert edge(TrackState.CONFIRMED).all()
    assert 0.2 < edge(TrackState.OCCLUDED).mean() < 0.9
    assert 0.2 < edge(TrackState.LOST).mean() < 0.9
    inside = changed(draw_tracks(CANVAS, [track(state=TrackState.LOST)]))[70:200, 116:185]
    assert not inside.any()


def test_labels_stay_inside_the_image_and_tell_the_state() -> None:
    corner = replace(track(), box=np.array([300.0, -30, 360, 50]))
    drawn = changed(draw_tracks(CANVAS, [corner]))
    assert drawn[:20, 280:].sum() > 40
    plain = changed(draw_tracks(CANVAS, [track()]))[20:40].sum()
    worded = changed(draw_tracks(CANVAS, [track(state=TrackState.OCCLUDED)]))[20:40].sum()
    assert worded > 1.5 * plain


def test_far_away_coordinates_do_no_harm() -> None:
    far = replace(track(), box=np.array([-1e7, -1e7, 1e7, 1e7]))
    far.keypoints[:] = 1e9
    assert draw_tracks(CANVAS, [far]).shape == CANVAS.shape


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((9, 9, 4), np.uint8),
    ],
)
def test_other_images_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match='expected height x width x 3 of uint8'):
        draw_tracks(image, [])


def test_another_skeleton_is_refused() -> None:
    few = replace(
        track(),
        keypoints=np.zeros((5, 2)),
        keypoint_scores=np.zeros(5),
        keypoint_states=np.zeros(5, dtype=int),
    )
    with pytest.raises(ValueError, match='track 1: expected 17 joints of coco_17, got 5'):
        draw_tracks(CANVAS, [few], skeleton=COCO_17)


def test_trails_follow_the_feet() -> None:
    trails = Trails(max_age_s=1.0)
    for step in range(5):
        trails.update([track(x=100.0 + 10 * step)], 0.1 * step)
    np.testing.assert_allclose(trails.points(1), [[100 + 10 * i, 210] for i in range(5)])
    assert trails.points(2).shape == (0, 2)
    one = track(x=140.0)
    with_trail = draw_tracks(CANVAS, [one], trails)
    assert changed(with_trail)[208:213, 98:104].any()


def test_trails_are_bounded_in_time() -> None:
    trails = Trails(max_age_s=1.0)
    for step in range(100):
        trails.update([track(x=float(step))], 0.1 * step)
    assert 10 <= len(trails.points(1)) <= 11
    trails.update([], 20.0)
    assert len(trails.points(1)) == 0


def test_predictions_and_removed_tracks_leave_no_trail() -> None:
    trails = Trails()
    trails.update([track(1), track(2, state=TrackState.LOST)], 0.0)
    assert len(trails.points(1)) == 1
    assert len(trails.points(2)) == 0
    trails.update([track(1, state=TrackState.REMOVED)], 0.1)
    assert len(trails.points(1)) == 0


def test_time_that_jumps_back_forgets_trails() -> None:
    trails = Trails()
    trails.update([track()], 5.0)
    trails.update([track()], 1.0)
    assert len(trails.points(1)) == 1


def test_trails_need_a_duration() -> None:
    with pytest.raises(ValueError, match='expected more than 0 s, got 0'):
        Trails(0.0)
