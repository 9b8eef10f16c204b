"""A track's life: birth, confirmation, occlusion, loss, return, end; sessions and time."""

import numpy as np
import pytest
from tracker_frames import SIZE, frame, kinds, look, person, play

from pose_tracking_ros.people import EventKind, KeypointState, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.tracker import Tracker


def test_a_steady_person_is_confirmed_once_and_keeps_the_first_id():
    tracker = Tracker(TrackerSettings())
    tracks = play(tracker, [frame(person(100 + 8 * i)) for i in range(20)])
    assert {track.track_id for now in tracks for track in now} == {1}
    states = [now[0].state for now in tracks]
    assert states[0] == states[1] == TrackState.TENTATIVE
    assert set(states[2:]) == {TrackState.CONFIRMED}
    assert kinds(tracker) == [('BORN', 1)]
    last = tracks[-1][0]
    assert last.is_matched
    assert last.age_s == pytest.approx(1.9)
    assert last.time_since_update_s == 0
    assert last.visibility == 1.0
    np.testing.assert_allclose(last.velocity, [80, 0], atol=4)
    np.testing.assert_allclose(last.box, frame(person(100 + 8 * 19)).boxes[0])


@pytest.mark.parametrize('rate_hz', [5.0, 10.0, 30.0])
def test_confirmation_takes_the_same_time_at_any_rate(rate_hz):
    tracker = Tracker(TrackerSettings(confirm_after_s=0.4))
    tracks = play(tracker, [frame(person(100))] * round(rate_hz), rate_hz=rate_hz)
    confirmed_s = next(now[0].age_s for now in tracks if now[0].state == TrackState.CONFIRMED)
    assert confirmed_s == pytest.approx(0.4, abs=1 / rate_hz)


@pytest.mark.parametrize('rate_hz', [1.0, 5.0, 30.0])
def test_noise_of_one_image_is_never_confirmed(rate_hz):
    tracker = Tracker(TrackerSettings(confirm_after_s=0.0))
    tracks = play(tracker, [frame(person(100)), *[frame()] * 30], rate_hz=rate_hz)
    assert {track.state for now in tracks for track in now} == {TrackState.TENTATIVE}
    assert tracks[-1] == []
    assert tracker.take_events() == []


def test_noise_all_over_the_image_is_hardly_ever_confirmed():
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackerSettings())
    for i in range(300):
        x, y = rng.uniform(50, 590), rng.uniform(60, 420)
        assert len(tracker.update(frame(person(x, y, height=60)), i / 10)) < 10
    born = [event for event in tracker.take_events() if event.kind == EventKind.BORN]
    assert len(born) <= 0.03 * 300


def test_weak_detections_continue_a_track_but_start_none():
    tracker = Tracker(TrackerSettings())
    assert play(tracker, [frame(person(100, score=0.4))] * 5)[-1] == []
    play(tracker, [frame(person(100))] * 5, start_s=1.0)
    tracks = play(tracker, [frame(person(100, score=0.35))] * 10, start_s=1.5)
    assert all(now[0].is_matched and now[0].track_id == 1 for now in tracks)
    assert tracks[-1][0].score == pytest.approx(0.35)


def test_a_strong_detection_comes_before_a_weak_one():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(100))] * 5)
    weak, strong = person(100, score=0.4), person(104, score=0.8)
    (track,) = tracker.update(frame(weak, strong), 0.5)
    np.testing.assert_allclose(track.box, strong['boxes'])


def test_no_second_track_on_the_same_person():
    tracker = Tracker(TrackerSettings())
    double = frame(person(100), person(102, 201, score=0.6))
    tracks = play(tracker, [frame(person(100))] * 5 + [double] * 10)
    assert [track.track_id for track in tracks[-1]] == [1]


def test_no_second_track_on_half_of_a_person():
    tracker = Tracker(TrackerSettings())
    upper_half = person(300, 175, height=50, score=0.7)
    tracks = play(tracker, [frame(person(300))] * 5 + [frame(person(300), upper_half)] * 10)
    assert [track.track_id for track in tracks[-1]] == [1]


def test_a_child_in_front_of_a_grown_up_has_a_track_of_its_own():
    tracker = Tracker(TrackerSettings())
    child = person(300, 225, height=60)
    tracks = play(tracker, [frame(person(300))] * 5 + [frame(person(300), child)] * 5)
    assert [track.track_id for track in tracks[-1]] == [1, 2]


def test_one_who_enters_where_another_leaves_is_someone_new():
    tracker = Tracker(TrackerSettings())
    rate_hz = 15.0

    def cut(x: float, embedding: np.ndarray, seen: int) -> dict:
        one = person(x, embedding=embedding, seen=seen)
        one['boxes'] = np.clip(one['boxes'], 0, [*SIZE, *SIZE])
        return one

    leaving = [cut(540 + 8 * i, look(1), 17) for i in range(12)]
    entering = [cut(634 - 8 * i, look(2), 17 if i > 2 else 9) for i in range(14)]
    play(tracker, [frame(one) for one in leaving], rate_hz=rate_hz)
    tracks = play(tracker, [frame(one) for one in entering], start_s=12 / rate_hz, rate_hz=rate_hz)
    owners = [track.track_id for now in tracks for track in now if track.is_matched]
    assert set(owners) == {owners[-1]}
    assert owners[-1] != 1


def test_an_unseen_track_is_predicted_then_lost_then_removed():
    settings = TrackerSettings(lost_after_s=0.3, max_lost_s=2.0)
    tracker = Tracker(settings)
    play(tracker, [frame(person(100 + 10 * i)) for i in range(10)])
    tracks = play(tracker, [frame()] * 30, start_s=1.0)
    before_x = 190.0
    for i, now in enumerate(tracks):
        unseen_s = 0.1 * (i + 1)
        if unseen_s > 2.0 + 1e-6:
            assert now == []
            continue
        (track,) = now
        is_lost = unseen_s > 0.3 + 1e-6
        assert track.state == (TrackState.LOST if is_lost else TrackState.CONFIRMED)
        assert not track.is_matched
        assert track.visibility == 0
        assert track.time_since_update_s == pytest.approx(unseen_s)
        x = (track.box[0] + track.box[2]) / 2
        assert x > before_x
        before_x = x
    assert kinds(tracker) == [('BORN', 1), ('LOST', 1), ('REMOVED', 1)]


def test_joints_of_an_unseen_person_move_with_the_box_and_fade():
    tracker = Tracker(TrackerSettings(max_lost_s=1.0))
    seen = play(tracker, [frame(person(100 + 10 * i)) for i in range(10)])[-1][0]
    assert set(seen.keypoint_states) == {KeypointState.VISIBLE}
    unseen = play(tracker, [frame()] * 5, start_s=1.0)[-1][0]
    assert set(unseen.keypoint_states) == {KeypointState.PREDICTED}
    moved = unseen.keypoints - seen.keypoints
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], (17, 2)), atol=0.5)
    np.testing.assert_allclose(moved[0], unseen.box[:2] - seen.box[:2], atol=0.5)
    assert moved[0, 0] > 20
    np.testing.assert_allclose(unseen.keypoint_scores, 0.5 * seen.keypoint_scores, rtol=1e-5)


def test_every_joint_state_of_a_matched_person():
    one = person(15, seen=12)
    one['keypoints'] = one['keypoints'].copy()
    one['keypoints'][0] = np.nan
    one['keypoint_scores'] = one['keypoint_scores'].copy()
    one['keypoint_scores'][0] = 0
    one['keypoints'][1] = [-3, 170]
    (track,) = Tracker(TrackerSettings()).update(frame(one), 0.0)
    state = KeypointState
    assert track.keypoint_states.tolist() == [
        state.NOT_ESTIMATED,
        state.OUT_OF_FRAME,
        *[state.VISIBLE] * 10,
        *[state.OCCLUDED] * 5,
    ]
    assert np.isnan(track.keypoints[0]).all()


def test_a_hidden_person_is_occluded_by_whoever_stands_in_front():
    tracker = Tracker(TrackerSettings())
    front = person(300, 240, height=180, embedding=look(0))
    walk = [frame(front, person(200 + 8 * i, embedding=look(1))) for i in range(12)]
    for people in play(tracker, walk):
        assert len(people) == 2
    ids = {track.box[3] > 300: track.track_id for track in people}
    behind = play(tracker, [frame(front)] * 8, start_s=1.2)
    for now in behind:
        hidden = next(track for track in now if track.track_id == ids[False])
        assert hidden.state == TrackState.OCCLUDED
        assert hidden.occluder_id == ids[True]
        assert not hidden.is_matched
    assert ('LOST', ids[False]) not in kinds(tracker)


def test_a_person_with_few_joints_seen_is_matched_and_occluded():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(100))] * 5)
    (track,) = tracker.update(frame(person(100, seen=5)), 0.5)
    assert track.state == TrackState.OCCLUDED
    assert track.is_matched
    assert track.visibility == pytest.approx(5 / 17)


def test_a_lost_person_is_known_again_by_looks_anywhere():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(100, embedding=look(3)))] * 8)
    play(tracker, [frame()] * 20, start_s=0.8)
    (track,) = tracker.update(frame(person(560, 380, height=60, embedding=look(3))), 2.8)
    assert track.track_id == 1
    assert track.state == TrackState.CONFIRMED
    assert kinds(tracker) == [('BORN', 1), ('LOST', 1), ('REIDENTIFIED', 1)]


def test_a_stranger_does_not_inherit_a_lost_identity():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(100, embedding=look(3)))] * 8)
    play(tracker, [frame()] * 5, start_s=0.8)
    tracks = play(tracker, [frame(person(100, embedding=look(4)))] * 8, start_s=1.3)
    matched = [track for track in tracks[-1] if track.is_matched]
    assert [track.track_id for track in matched] == [2]


def test_a_lost_person_without_known_looks_is_recovered_by_position():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(100))] * 8)
    play(tracker, [frame()] * 5, start_s=0.8)
    (track,) = tracker.update(frame(person(102)), 1.3)
    assert track.track_id == 1
    assert kinds(tracker) == [('BORN', 1), ('LOST', 1), ('RECOVERED', 1)]


def test_looks_of_a_hidden_person_are_not_learnt():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(100, embedding=look(3)))] * 8)
    mixed = (look(3) + 2 * look(5)) / np.sqrt(5)
    (track,) = play(tracker, [frame(person(100, seen=6, embedding=mixed))] * 8, start_s=0.8)[-1]
    np.testing.assert_allclose(track.embedding, look(3), atol=1e-6)
    slightly = (3 * look(3) + look(5)) / np.sqrt(10)
    (track,) = play(tracker, [frame(person(100, embedding=slightly))] * 3, start_s=1.6)[-1]
    assert 0.01 < track.embedding[5] < slightly[5]
    assert np.linalg.norm(track.embedding) == pytest.approx(1.0, abs=1e-5)


def test_someone_who_comes_back_bit_by_bit_gets_no_new_identity_meanwhile():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(300, embedding=look(3)))] * 8)
    play(tracker, [frame()] * 10, start_s=0.8)
    back = [frame(person(40, seen=5, embedding=look(7))) for _ in range(6)]
    for now in play(tracker, back, start_s=1.8):
        assert all(track.state == TrackState.TENTATIVE for track in now if track.is_matched)
    (track,) = tracker.update(frame(person(40, embedding=look(3))), 2.4)
    assert (track.track_id, track.state) == (1, TrackState.CONFIRMED)


def test_probation_ends_when_looks_never_show():
    tracker = Tracker(TrackerSettings(max_probation_s=1.0))
    play(tracker, [frame(person(300, embedding=look(3)))] * 8)
    new = play(tracker, [frame(person(40, seen=5))] * 12, start_s=0.8)
    confirmed = [any(t.is_matched and t.state != TrackState.TENTATIVE for t in n) for n in new]
    assert confirmed == [False] * 10 + [True] * 2
