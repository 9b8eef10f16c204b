"""The tracker over time: stamps, sessions, settings, and what detectors leave out."""

import dataclasses

import numpy as np
import pytest
from tracker_frames import SIZE, frame, kinds, look, person, play

from pose_tracking_ros.people import EventKind, People, TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.strategies import STRATEGIES
from pose_tracking_ros.tracking.tracker import Tracker


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

    @pytest.mark.parametrize('strategy', STRATEGIES)
    def test_every_strategy_follows_one_person(self, strategy):
        tracker = Tracker(TrackerSettings(strategy=strategy))
        tracks = play(tracker, [frame(person(100 + 5 * i, embedding=look(1))) for i in range(20)])
        assert {track.track_id for now in tracks for track in now} == {1}

    def test_the_strategy_can_change_while_running(self):
        tracker = Tracker(TrackerSettings())
        for i, strategy in enumerate([*STRATEGIES, 'occlusion_aware']):
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
