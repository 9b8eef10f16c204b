"""What leaves the tracker: each property of a track under its own name."""

import dataclasses

import numpy as np
from tracker_frames import SIZE, frame, look, person

from pose_tracking_ros.people import TrackState
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.occlusion import judge_visibility
from pose_tracking_ros.tracking.snapshot import take_snapshot
from pose_tracking_ros.tracking.track_arrays import TrackArrays


def tracks_of_two() -> TrackArrays:
    people = frame(person(100, embedding=look(3)), person(300, score=0.7, seen=12))
    tracks = TrackArrays.begin(
        people=people,
        visibility=judge_visibility(people, TrackerSettings()),
        which=np.arange(2),
        is_trusted=np.array([True, False]),
        first_id=8,
        stamp_s=1.0,
        model=motion.MotionModel(),
    )
    tracks.moments[:, motion.VELOCITY, :2] = [[5.0, 6.0], [7.0, 8.0]]
    tracks.occluder_ids[:] = [0, 8]
    return tracks


def test_every_field_holds_what_it_is_named_for():
    tracks = tracks_of_two()
    tracks.born_s[:] = [0.25, 0.5]
    snapshot = take_snapshot(tracks, SIZE, stamp_s=1.0, memory_s=5.0)
    for row, track in enumerate(snapshot):
        assert track.track_id == 8 + row
        assert track.state is TrackState.TENTATIVE
        assert track.is_matched is True
        np.testing.assert_array_equal(track.box, tracks.boxes[row].astype(np.float32))
        assert track.score == tracks.scores[row]
        assert track.visibility == tracks.visibility[row] == (1.0, 12 / 17)[row]
        assert track.velocity.tolist() == [5.0 + 2 * row, 6.0 + 2 * row]
        np.testing.assert_array_equal(track.keypoints, tracks.keypoints[row])
        np.testing.assert_array_equal(track.keypoint_scores, tracks.keypoint_scores[row])
        assert track.keypoint_states.tolist() == [1] * (17, 12)[row] + [2] * (0, 5)[row]
        np.testing.assert_array_equal(track.embedding, (look(3), [])[row])
        assert track.age_s == (0.75, 0.5)[row]
        assert track.time_since_update_s == 0.0
        assert track.occluder_id == (0, 8)[row]


def test_nothing_is_shared_with_the_tracker():
    tracks = tracks_of_two()
    before = {name: values.copy() for name, values in vars(tracks).items()}
    for track in take_snapshot(tracks, SIZE, stamp_s=1.0, memory_s=5.0):
        for field in dataclasses.fields(track):
            value = getattr(track, field.name)
            if isinstance(value, np.ndarray):
                value[...] = 3
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(tracks, name), values)
