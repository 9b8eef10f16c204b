"""Choosing a target, keeping it through occlusion, losing it and finding it by name."""

import math

import numpy as np
import pytest

from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.tracking.target import (
    TargetError,
    TargetKeeper,
    TargetState,
    TargetWish,
)


def track(track_id, person_id='', *, box=(0, 0, 10, 20), unseen_s=0.0, state=None):
    state = state or (TrackState.OCCLUDED if unseen_s else TrackState.CONFIRMED)
    return Track(
        track_id=track_id,
        state=state,
        is_matched=unseen_s == 0,
        box=np.array(box, np.float32),
        score=0.9,
        visibility=1.0,
        velocity=np.zeros(2),
        keypoints=np.zeros((17, 2)),
        keypoint_scores=np.ones(17),
        keypoint_states=np.ones(17, int),
        embedding=np.zeros(0),
        age_s=1.0,
        time_since_update_s=unseen_s,
        person_id=person_id,
    )


def keeper(*tracks, session_id=1):
    keeper = TargetKeeper()
    keeper.update(tracks, session_id)
    return keeper


def followed(report):
    """The id of the track that is followed, 0 for none."""
    return report.track.track_id if report.track is not None else 0


def test_without_a_wish_there_is_no_target():
    people = keeper(track(1))
    assert people.update([track(1)], 1) is None
    assert people.description == 'none'


def test_a_track_is_followed_until_nobody_is_wanted():
    people = keeper(track(1), track(2))
    report = people.choose(TargetWish(track_id=2))
    assert (report.state, report.track_id) == (TargetState.FOLLOWED, 2)
    report = people.update([track(1), track(2)], 1)
    assert followed(report) == 2
    assert people.description == 'track 2: seen'
    assert people.choose(TargetWish()) is None
    assert people.update([track(2)], 1) is None


def test_a_hidden_target_stays_the_target():
    people = keeper(track(1), track(2))
    people.choose(TargetWish(track_id=2))
    for state in (TrackState.OCCLUDED, TrackState.LOST):
        report = people.update([track(1), track(2, unseen_s=1.2, state=state)], 1)
        assert (report.state, followed(report)) == (TargetState.FOLLOWED, 2)
    assert people.description == 'track 2: not seen for 1.2 s'


def test_a_target_without_a_name_is_lost_once_and_for_good():
    people = keeper(track(1))
    people.choose(TargetWish(track_id=1))
    report = people.update([track(2)], 1)
    assert (report.before, report.state) == (TargetState.FOLLOWED, TargetState.LOST)
    assert followed(report) == 0
    report = people.update([track(1), track(2, 'Anna')], 1)
    assert (report.before, report.state) == (TargetState.LOST, TargetState.LOST)
    assert people.description == 'track 1: lost'


def test_a_removed_track_is_gone_even_if_it_is_still_told_of():
    people = keeper(track(1))
    people.choose(TargetWish(track_id=1))
    report = people.update([track(1, state=TrackState.REMOVED)], 1)
    assert report.state is TargetState.LOST


def test_a_lost_target_is_taken_up_in_the_track_that_gets_its_name():
    people = keeper(track(1))
    people.choose(TargetWish(track_id=1))
    # Recognised only later; the name counts from then on.
    people.update([track(1, 'Anna')], 1)
    assert people.update([track(5)], 1).state is TargetState.LOST
    assert people.description == "track 1, 'Anna': lost"
    assert people.update([track(5), track(6, 'Bert')], 1).state is TargetState.LOST
    report = people.update([track(5, 'Anna'), track(6, 'Bert')], 1)
    assert (report.before, report.state) == (TargetState.LOST, TargetState.FOLLOWED)
    assert followed(report) == 5
    # Without its name again, it is the same track.
    assert followed(people.update([track(5)], 1)) == 5


def test_chosen_by_track_the_target_stays_that_track_whatever_it_is_called():
    people = keeper(track(1, 'Anna'))
    people.choose(TargetWish(track_id=1))
    assert followed(people.update([track(1), track(2, 'Anna')], 1)) == 1
    assert followed(people.update([track(1, 'Bert'), track(2, 'Anna')], 1)) == 1


def test_chosen_by_name_the_target_is_whoever_has_the_name():
    people = keeper(track(1, 'Anna'))
    assert people.choose(TargetWish(person_id='Anna')).track_id == 1
    assert followed(people.update([track(1), track(2)], 1)) == 1
    assert followed(people.update([track(1), track(2, 'Anna')], 1)) == 2
    report = people.update([track(1), track(2, 'Bert')], 1)
    assert report.state is TargetState.LOST


def test_a_known_person_may_be_chosen_before_they_come_into_view():
    people = keeper(track(1))
    report = people.choose(TargetWish(person_id='Anna'), known=('Anna', 'Bert'))
    assert (report.state, report.track_id) == (TargetState.AWAITED, 0)
    assert people.update([track(1)], 1).state is TargetState.AWAITED
    assert people.description == "'Anna': not in view yet"
    report = people.update([track(1, 'Anna')], 1)
    assert (report.before, followed(report)) == (TargetState.AWAITED, 1)


def test_of_two_tracks_with_the_name_the_one_seen_is_meant():
    people = keeper(track(1, 'Anna', unseen_s=2.0), track(2, 'Anna'))
    assert people.choose(TargetWish(person_id='Anna')).track_id == 2


@pytest.mark.parametrize(
    ('name', 'state', 'expected'),
    [('', TargetState.LOST, 0), ('Anna', TargetState.FOLLOWED, 1)],
)
def test_a_new_session_ends_tracks_but_not_names(name, state, expected):
    people = keeper(track(1, name), session_id=1)
    people.choose(TargetWish(track_id=1))
    # The number is that of somebody else, or of the same person if the name says so.
    report = people.update([track(1, name)], 2)
    assert (report.state, followed(report)) == (state, expected)


def test_a_point_means_the_person_whose_box_contains_it():
    people = keeper(
        track(1, box=(0, 0, 100, 200)),
        track(2, box=(60, 0, 160, 200)),
        track(3, box=(300, 0, 400, 200)),
    )
    assert people.choose(TargetWish(point_px=(70.0, 100.0))).track_id == 1
    assert people.choose(TargetWish(point_px=(95.0, 100.0))).track_id == 2
    assert people.choose(TargetWish(point_px=(310.0, 10.0))).track_id == 3


def test_a_point_never_means_somebody_whom_nobody_sees():
    lost = track(1, box=(0, 0, 100, 200), unseen_s=1.0, state=TrackState.LOST)
    people = keeper(lost)
    with pytest.raises(TargetError, match='nobody is there'):
        people.choose(TargetWish(point_px=(50.0, 50.0)))


@pytest.mark.parametrize(
    ('wish', 'message'),
    [
        ({'track_id': 7}, r'expected a track of the latest image \(1, 2\), got 7'),
        ({'person_id': 'Carl'}, r"known person \('Anna'\), got 'Carl'"),
        ({'point_px': (500.0, 5.0)}, r'track 1: 0, 0, 10, 20.*got 500, 5'),
    ],
)
def test_a_wish_that_cannot_be_met_leaves_the_target_as_it_was(wish, message):
    people = keeper(track(1), track(2))
    people.choose(TargetWish(track_id=2))
    with pytest.raises(TargetError, match=message):
        people.choose(TargetWish(**wish), known=('Anna',))
    assert followed(people.update([track(1), track(2)], 1)) == 2


@pytest.mark.parametrize(
    ('wish', 'message'),
    [
        ({'track_id': 1, 'person_id': 'Anna'}, "got track_id 1 and person_id 'Anna'"),
        ({'person_id': 'Anna', 'point_px': (0.0, 0.0)}, 'Leave the others empty'),
        ({'point_px': (math.nan, 1.0)}, 'expected finite x and y'),
    ],
)
def test_a_wish_must_make_sense(wish, message):
    with pytest.raises(TargetError, match=message):
        TargetWish(**wish)


def test_the_corner_of_the_image_is_a_point_too():
    people = keeper(track(1, box=(0, 0, 10, 20)))
    assert people.choose(TargetWish(point_px=(0.0, 0.0))).track_id == 1


def test_nobody_can_be_chosen_by_an_image_that_is_not_of_the_present():
    people = keeper(track(1))
    people.forget_image()
    with pytest.raises(TargetError, match=r'latest image \(none\)'):
        people.choose(TargetWish(track_id=1))
