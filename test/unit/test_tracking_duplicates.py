"""Two tracks on one body become one; two people who pass each other stay two."""

import numpy as np
import pytest
from tracker_frames import JOINTS, frame, kinds, look, person, play

from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.tracker import Tracker


def closing_in(*, frames=20, look_of_second=None, second_pose=None):
    """Return a person found alone, then twice: the second box closes in on the first's."""
    shown = [frame(person(300, embedding=look(1)))] * 5
    for number in range(frames):
        second = person(
            300 + max(60 - 12 * number, 1), height=101.0, score=0.8, embedding=look_of_second
        )
        if second_pose is not None:
            second['keypoints'] = second['boxes'][:2] + second_pose * [40, 100]
        shown.append(frame(person(300, embedding=look(1)), second))
    return shown


def ids_at_the_end(shown, **settings):
    tracker = Tracker(TrackerSettings(**settings))
    tracks = play(tracker, shown)
    return [track.track_id for track in tracks[-1]], tracker


def test_of_two_tracks_on_one_body_the_younger_is_given_up():
    ids, tracker = ids_at_the_end(closing_in())
    assert ids == [1]
    assert ('REMOVED', 2) in kinds(tracker)


def test_not_before_they_agreed_for_a_while():
    # The boxes agree from the eleventh image on.
    assert ids_at_the_end(closing_in(frames=9))[0] == [1, 2]
    assert ids_at_the_end(closing_in(), merge_after_s=5.0)[0] == [1, 2]
    assert ids_at_the_end(closing_in(frames=9), merge_after_s=0.0)[0] == [1]


@pytest.mark.parametrize('rate_hz', [5.0, 30.0])
def test_the_time_is_image_time(rate_hz):
    tracker = Tracker(TrackerSettings(merge_after_s=1.0))
    tracks = play(tracker, closing_in(frames=100), rate_hz=rate_hz)
    both = [number for number, now in enumerate(tracks) if len(now) == 2]
    agreed_at = 5 + 5
    assert both[-1] - agreed_at == pytest.approx(rate_hz, abs=2.0)


def test_another_pose_is_another_person():
    mirrored = JOINTS[:, ::-1] * [0.5, 1.0]
    assert ids_at_the_end(closing_in(second_pose=mirrored))[0] == [1, 2]


def test_another_look_is_another_person():
    tracker = Tracker(TrackerSettings())
    play(tracker, [frame(person(200, embedding=look(1)), person(400, embedding=look(2)))] * 10)
    both = frame(person(300, embedding=look(1)), person(303, embedding=look(2)))
    meeting = [
        frame(person(200 + 10 * i, embedding=look(1)), person(400 - 10 * i, embedding=look(2)))
        for i in range(10)
    ]
    tracks = play(tracker, [*meeting, *[both] * 20], start_s=1.0)
    assert [track.track_id for track in tracks[-1]] == [1, 2]


def test_somebody_hidden_behind_another_is_no_duplicate():
    tracker = Tracker(TrackerSettings())
    walk = [
        frame(
            person(200 + 10 * i, 204.0, embedding=look(1)),
            person(400 - 10 * i, embedding=look(2)),
        )
        for i in range(10)
    ]
    play(tracker, walk)
    hidden = play(tracker, [frame(person(300, 204.0, embedding=look(1)))] * 20, start_s=1.0)
    assert [track.track_id for track in hidden[-1]] == [1, 2]


def test_nobody_is_watched_after_a_reset():
    tracker = Tracker(TrackerSettings(merge_after_s=0.4))
    shown = closing_in(frames=8)
    play(tracker, shown)
    tracks = play(tracker, [shown[-1]] * 3, start_s=0.0)
    assert len(tracks[-1]) == len(tracks[0])
    assert np.isfinite(tracks[-1][0].box).all()
