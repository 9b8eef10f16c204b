"""The border where arrays are checked: what `People` accepts, refuses and promises."""

import numpy as np
import pytest

from pose_tracking_ros.people import (
    EventKind,
    FrameResult,
    KeypointState,
    People,
    TrackEvent,
    TrackState,
)

SIZE = (640, 480)


def _arrays(count: int = 2, joints: int = 17, dim: int = 4) -> dict:
    corner = np.arange(count, dtype=np.float64)[:, None] * 50
    return {
        'boxes': corner + np.array([0, 0, 40, 100]),
        'scores': np.linspace(0.9, 0.5, count),
        'keypoints': np.full((count, joints, 2), 7.0),
        'keypoint_scores': np.full((count, joints), 0.5),
        'embeddings': np.eye(max(count, dim))[:count, :dim],
    }


def test_arrays_become_contiguous_float32():
    people = People(**_arrays(), image_size=SIZE)
    for name in _arrays():
        array = getattr(people, name)
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    assert len(people) == 2


def test_lists_are_as_good_as_arrays():
    arrays = {name: array.tolist() for name, array in _arrays().items()}
    np.testing.assert_array_equal(
        People(**arrays, image_size=SIZE).boxes, People(**_arrays(), image_size=SIZE).boxes
    )


def test_nobody_is_a_result():
    people = People.none(SIZE, joints=17, dim=128)
    assert len(people) == 0
    assert people.keypoints.shape == (0, 17, 2)
    assert people.embeddings.shape == (0, 128)
    assert people.image_size == SIZE


def test_joints_and_embeddings_may_be_absent():
    people = People(**_arrays(joints=0, dim=0), image_size=SIZE)
    assert people.keypoints.shape == (2, 0, 2)
    assert people.embeddings.shape == (2, 0)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('boxes', np.zeros((2, 5)), r'boxes: expected shape any x 4, got 2 x 5'),
        ('boxes', np.zeros(4), r'boxes: expected shape any x 4, got 4'),
        ('scores', np.zeros(3), r'scores: expected shape 2, got 3'),
        ('keypoints', np.zeros((2, 17, 3)), r'keypoints: expected shape 2 x any x 2'),
        ('keypoint_scores', np.zeros((2, 16)), r'keypoint_scores: expected shape 2 x 17'),
        ('embeddings', np.zeros((3, 4)), r'embeddings: expected shape 2 x any'),
    ],
)
def test_a_wrong_shape_is_named(name, value, message):
    with pytest.raises(ValueError, match=message):
        People(**{**_arrays(), name: value}, image_size=SIZE)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('boxes', np.nan, 'finite corners'),
        ('boxes', np.inf, 'finite corners'),
        ('boxes', -1000.0, 'x1 <= x2'),
        ('scores', 1.1, r'scores: expected values in \[0, 1\]'),
        ('scores', np.nan, r'scores: expected values in \[0, 1\]'),
        ('keypoint_scores', -0.1, 'keypoint_scores: expected values'),
        ('embeddings', np.nan, 'embeddings: expected finite'),
    ],
)
def test_a_value_out_of_range_is_named(name, value, message):
    arrays = _arrays()
    arrays[name].flat[-1] = value
    with pytest.raises(ValueError, match=message):
        People(**arrays, image_size=SIZE)


def test_joints_that_were_not_estimated_are_nan():
    arrays = _arrays()
    arrays['keypoints'][0, 3] = np.nan
    arrays['keypoint_scores'][0, 3] = 0.0
    assert np.isnan(People(**arrays, image_size=SIZE).keypoints[0, 3]).all()


@pytest.mark.parametrize('which', [[1, 0], np.array([True, False]), slice(0, 1), []])
def test_select_takes_indices_masks_and_slices(which):
    arrays = _arrays()
    chosen = People(**arrays, image_size=SIZE).select(which)
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(chosen, name), array[which].astype(np.float32))


def test_selecting_shares_no_memory_with_the_input():
    arrays = _arrays()
    people = People(**arrays, image_size=SIZE)
    arrays['boxes'][:] = 0
    assert people.boxes.any()


def test_enumerations_are_those_of_the_messages():
    """The numbers are part of the ROS interface: recorded bags rely on them."""
    assert [state.value for state in KeypointState] == [0, 1, 2, 3, 4]
    assert [state.value for state in TrackState] == [1, 2, 3, 4, 5]
    assert [kind.value for kind in EventKind] == [1, 2, 3, 4, 5]
    assert KeypointState.PREDICTED == 3
    assert TrackState.LOST == 4
    assert EventKind.REIDENTIFIED == 4


def test_results_do_not_share_their_timings():
    first, second = (FrameResult(People.none(SIZE), [], [], 1) for _ in range(2))
    first.timings_s['track'] = 1.0
    assert second.timings_s == {}


def test_events_compare_by_value():
    assert TrackEvent(EventKind.BORN, 3, 1.5) == TrackEvent(EventKind.BORN, 3, 1.5)
    assert TrackEvent(EventKind.BORN, 3, 1.5) != TrackEvent(EventKind.BORN, 4, 1.5)
