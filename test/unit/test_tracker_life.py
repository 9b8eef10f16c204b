"""A track's life: birth, confirmation, occlusion, loss, return, end; sessions and time."""

import dataclasses

import numpy as np
import pytest

from pose_tracking_ros.people import EventKind, KeypointState, People, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.tracker import Tracker

SIZE = (640, 480)
JOINTS = np.stack([np.linspace(0.2, 0.8, 17), np.linspace(0.05, 0.95, 17)], axis=1)


def look(person: int, dim: int = 16) -> np.ndarray:
    """Return a person's unit embedding; different people are at right angles."""
    return np.eye(dim)[person]


def person(x, y=200.0, *, height=100.0, score=0.9, embedding=None, seen=17) -> dict:
    """Return one detection; `seen` of its joints have a high score."""
    width = 0.4 * height
    box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return {
        'boxes': box,
        'scores': score,
        'keypoints': box[:2] + JOINTS * [width, height],
        'keypoint_scores': np.where(np.arange(17) < seen, 0.9, 0.05),
        'embeddings': np.zeros(16) if embedding is None else embedding,
    }


def frame(*people: dict) -> People:
    """Return one image's people."""
    if not people:
        return People.none(SIZE)
    return People(
        **{name: np.stack([one[name] for one in people]) for name in people[0]}, image_size=SIZE
    )


def play(tracker: Tracker, frames, start_s=0.0, rate_hz=10.0):
    """Feed frames at a steady rate and return each one's tracks."""
    return [tracker.update(people, start_s + i / rate_hz) for i, people in enumerate(frames)]


def kinds(tracker: Tracker) -> list[tuple[str, int]]:
    return [(event.kind.name, event.track_id) for event in tracker.take_events()]


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


class TestTime:
    def test_a_backward_jump_starts_a_clean_session_with_new_ids(self):
        tracker = Tracker(TrackerSettings())
        play(tracker, [frame(person(100))] * 5, start_s=100.0)
        assert tracker.session_id == 1
        (track,) = tracker.update(frame(person(100)), 3.0)
        assert tracker.session_id == 2
        assert (track.track_id, track.state, track.age_s) == (2, TrackState.TENTATIVE, 0.0)

    def test_the_same_stamp_again_is_an_update(self):
        tracker = Tracker(TrackerSettings())
        play(tracker, [frame(person(100))] * 5)
        (track,) = tracker.update(frame(person(101)), 0.4)
        assert tracker.session_id == 1
        assert track.track_id == 1
        assert np.isfinite(track.velocity).all()

    @pytest.mark.parametrize('stamp_s', [float('nan'), float('inf'), -float('inf')])
    def test_a_stamp_that_is_no_time_is_refused_and_changes_nothing(self, stamp_s):
        tracker, twin = Tracker(TrackerSettings()), Tracker(TrackerSettings())
        for each in (tracker, twin):
            play(each, [frame(person(100 + 5 * i)) for i in range(5)])
        with pytest.raises(ValueError, match='stamp_s: expected'):
            tracker.update(frame(person(125)), stamp_s)
        (a,), (b,) = (each.update(frame(person(125)), 0.5) for each in (tracker, twin))
        assert (a.track_id, a.state, a.age_s) == (b.track_id, b.state, b.age_s)
        np.testing.assert_array_equal(a.velocity, b.velocity)
        assert tracker.session_id == 1

    def test_after_a_long_gap_nobody_is_remembered(self):
        tracker = Tracker(TrackerSettings(max_lost_s=5.0))
        play(tracker, [frame(person(100))] * 5)
        (track,) = tracker.update(frame(person(100)), 100.0)
        assert track.track_id == 2
        assert kinds(tracker) == [('BORN', 1), ('REMOVED', 1)]

    def test_a_memory_shorter_than_the_frame_interval_still_tracks(self):
        tracker = Tracker(TrackerSettings(max_lost_s=0.0, lost_after_s=0.0))
        tracks = play(tracker, [frame(person(100 + 5 * i)) for i in range(6)], rate_hz=4)
        assert {track.track_id for now in tracks for track in now} == {1}
        assert tracker.update(frame(), 1.5) == []

    def test_large_stamps_are_as_good_as_small_ones(self):
        walk = [frame(person(100 + 8 * i)) for i in range(10)]
        early = play(Tracker(TrackerSettings()), walk)[-1][0]
        late = play(Tracker(TrackerSettings()), walk, start_s=1.7e9)[-1][0]
        np.testing.assert_allclose(early.velocity, late.velocity, rtol=1e-3)
        assert early.state == late.state


class TestSessions:
    def test_reset_drops_tracks_and_never_reuses_ids(self):
        tracker = Tracker(TrackerSettings())
        play(tracker, [frame(person(100), person(300))] * 5)
        tracker.reset()
        assert tracker.session_id == 2
        assert tracker.update(frame(), 0.0) == []
        tracks = tracker.update(frame(person(100), person(300)), 0.1)
        assert [track.track_id for track in tracks] == [3, 4]

    def test_two_trackers_share_nothing(self):
        one, other = Tracker(TrackerSettings()), Tracker(TrackerSettings())
        play(one, [frame(person(100), person(300))] * 5)
        (track,) = other.update(frame(person(500)), 0.0)
        assert track.track_id == 1
        assert other.take_events() == []
        one.reset()
        assert other.session_id == 1

    def test_what_callers_do_to_their_arrays_changes_nothing(self):
        tracker, twin = Tracker(TrackerSettings()), Tracker(TrackerSettings())
        for each in (tracker, twin):
            (track,) = play(each, [frame(person(100, embedding=look(2)))] * 5)[-1]
        for array in (track.box, track.keypoints, track.embedding, track.keypoint_scores):
            array[:] = 0
        (a,), (b,) = (each.update(frame(), 0.5) for each in (tracker, twin))
        for name in ('box', 'keypoints', 'keypoint_scores', 'embedding'):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))

    def test_events_are_taken_once(self):
        tracker = Tracker(TrackerSettings())
        play(tracker, [frame(person(100))] * 5, start_s=7.0)
        (event,) = tracker.take_events()
        assert (event.kind, event.track_id) == (EventKind.BORN, 1)
        assert event.stamp_s == pytest.approx(7.2)
        assert tracker.take_events() == []


class TestSettings:
    def test_changes_apply_from_the_next_image_on_and_tracks_stay(self):
        tracker = Tracker(TrackerSettings())
        play(tracker, [frame(person(100))] * 5)
        tracker.apply_settings(dataclasses.replace(tracker.settings, max_lost_s=0.2))
        tracks = play(tracker, [frame()] * 4, start_s=0.5)
        assert [len(now) for now in tracks] == [1, 1, 0, 0]

    @pytest.mark.parametrize('strategy', ['occlusion_aware', 'iou', 'reid'])
    def test_every_strategy_follows_one_person(self, strategy):
        tracker = Tracker(TrackerSettings(strategy=strategy))
        tracks = play(tracker, [frame(person(100 + 5 * i, embedding=look(1))) for i in range(20)])
        assert {track.track_id for now in tracks for track in now} == {1}

    def test_the_strategy_can_change_while_running(self):
        tracker = Tracker(TrackerSettings())
        for i, strategy in enumerate(['occlusion_aware', 'iou', 'reid', 'occlusion_aware']):
            tracker.apply_settings(TrackerSettings(strategy=strategy))
            tracks = play(tracker, [frame(person(100, embedding=look(1)))] * 5, start_s=0.5 * i)
            assert [track.track_id for track in tracks[-1]] == [1]

    def test_at_most_so_many_tracks_are_kept(self):
        tracker = Tracker(TrackerSettings(max_tracks=3, max_lost_s=600.0))
        for i in range(40):
            x = 40 + 140 * (i // 5 % 4)
            tracks = tracker.update(frame(person(x, 60 + 110 * (i // 20))), i / 10)
            assert len(tracks) <= 3
            assert any(track.is_matched for track in tracks)


class TestWhatDetectorsLeaveOut:
    @pytest.mark.parametrize('dim', [0, 16])
    def test_without_looks_position_is_enough(self, dim):
        tracker = Tracker(TrackerSettings())
        walk = []
        for i in range(15):
            people = frame(person(100 + 6 * i), person(400 - 6 * i, 350))
            walk.append(dataclasses.replace(people, embeddings=np.zeros((2, dim))))
        tracks = play(tracker, walk)
        assert {track.track_id for now in tracks for track in now} == {1, 2}
        assert all(len(track.embedding) == 0 for track in tracks[-1])

    def test_without_joints(self):
        tracker = Tracker(TrackerSettings())
        for i in range(15):
            people = dataclasses.replace(
                frame(person(100 + 6 * i, embedding=look(1))),
                keypoints=np.zeros((1, 0, 2)),
                keypoint_scores=np.zeros((1, 0)),
            )
            (track,) = tracker.update(people, i / 10)
            assert track.keypoints.shape == (0, 2)
        assert (track.track_id, track.state) == (1, TrackState.CONFIRMED)
        np.testing.assert_allclose(track.embedding, look(1), atol=1e-6)

    def test_an_empty_image_of_another_shape_forgets_nothing(self):
        tracker = Tracker(TrackerSettings())
        play(tracker, [frame(person(100, embedding=look(1)))] * 5)
        (track,) = tracker.update(People.none(SIZE, joints=5, dim=0), 0.5)
        np.testing.assert_allclose(track.embedding, look(1), atol=1e-6)
        assert track.keypoints.shape == (17, 2)

    def test_another_network_forgets_looks_but_keeps_identities(self):
        tracker = Tracker(TrackerSettings())
        play(tracker, [frame(person(100, embedding=look(1)))] * 5)
        people = dataclasses.replace(frame(person(100)), embeddings=np.eye(8)[:1])
        (track,) = tracker.update(people, 0.5)
        assert track.track_id == 1
        assert track.embedding.shape == (8,)

    def test_embeddings_of_another_length_than_one_are_refused(self):
        tracker = Tracker(TrackerSettings())
        with pytest.raises(ValueError, match='unit length'):
            tracker.update(frame(person(100, embedding=2 * look(1))), 0.0)
        assert tracker.update(frame(), 0.0) == []
