"""Two results beside each other: what is the same, what differs, and by how much."""

import json

import numpy as np
import pytest
from replay_bags import image_message, write_bag

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.compare import compare_results, load_results
from pose_tracking_ros.evaluation.replay.truth import GroundTruth, TruthFrame
from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.message_types import (
    POSES_TYPE,
    blank_message,
    fill_header,
)
from pose_tracking_ros.recordings.recording import FrameRecord

PERIOD_NS = 100_000_000
LEFT, RIGHT = (10.0, 10.0, 40.0, 90.0), (120.0, 10.0, 150.0, 90.0)


def track(number, box, *, state=TrackState.CONFIRMED):
    return Track(
        track_id=number,
        state=state,
        is_matched=True,
        box=np.array(box, np.float32),
        score=0.9,
        visibility=1.0,
        velocity=np.zeros(2, np.float32),
        keypoints=np.full((17, 2), 30.0, np.float32),
        keypoint_scores=np.full(17, 0.8, np.float32),
        keypoint_states=np.full(17, int(KeypointState.VISIBLE)),
        embedding=np.zeros(0, np.float32),
        age_s=0.0,
        time_since_update_s=0.0,
    )


def frame(index, *tracks, session_id=1):
    return FrameRecord(
        stamp_ns=index * PERIOD_NS,
        image_size=(200, 100),
        tracks=list(tracks),
        frames_dropped=0,
        processing_time_s=0.0,
        latency_s=None,
        session_id=session_id,
        model_id='x',
    )


def test_a_result_is_the_same_as_itself_in_another_session():
    a = [frame(i, track(1, LEFT), track(2, RIGHT)) for i in range(4)]
    b = [frame(i, track(1, LEFT), track(2, RIGHT), session_id=77) for i in range(4)]
    report = compare_results(a, b)
    assert report['images'] == {
        'a': 4, 'b': 4, 'in_common': 4, 'only_in_a': 0, 'only_in_b': 0,
    }  # fmt: skip
    assert set(report['tracks'].values()) == {8, 0}
    assert report['tracks']['other_ids'] == 0
    assert report['box_px']['max'] == report['keypoint_px']['max'] == 0.0
    assert report['ids'] == {'a': 2, 'b': 2, 'one_to_one': True}


def test_differences_are_found_and_measured():
    a = [frame(i, track(1, LEFT), track(2, RIGHT)) for i in range(4)]
    moved = np.add(LEFT, [2, 0, 2, 0])
    b = [
        frame(0, track(1, LEFT), track(2, RIGHT)),
        frame(1, track(1, moved), track(2, RIGHT)),
        frame(2, track(1, LEFT, state=TrackState.OCCLUDED)),
        # Those two have traded ids.
        frame(3, track(2, LEFT), track(1, RIGHT)),
        frame(9, track(1, LEFT)),
    ]
    b[1].tracks[0].keypoints[3] += [3.0, 4.0]
    report = compare_results(a, b)
    assert report['images']['in_common'] == 4
    assert report['images']['only_in_b'] == 1
    tracks = report['tracks']
    assert (tracks['a'], tracks['b'], tracks['matched']) == (8, 7, 7)
    assert tracks['same_box'] == 6
    assert tracks['same_state'] == 6
    assert tracks['same_id'] == 5
    assert tracks['other_ids'] == 2
    assert report['box_px']['max'] == pytest.approx(2.0)
    assert report['keypoint_px']['max'] == pytest.approx(5.0)
    assert not report['ids']['one_to_one']


def test_other_names_for_the_same_people_are_one_to_one():
    a = [frame(i, track(1, LEFT), track(2, RIGHT)) for i in range(3)]
    b = [frame(i, track(8, LEFT), track(5, RIGHT)) for i in range(3)]
    report = compare_results(a, b)
    assert report['tracks']['same_id'] == report['tracks']['other_ids'] == 0
    assert report['ids']['one_to_one']


def test_people_elsewhere_are_nobodys_match():
    report = compare_results([frame(0, track(1, LEFT))], [frame(0, track(1, RIGHT))])
    assert report['tracks']['matched'] == 0
    assert report['box_px'] == {'mean': None, 'p95': None, 'max': None}


def test_stamps_that_repeat_are_matched_in_order():
    a = [frame(i, track(1, LEFT)) for i in (0, 1)]
    a += [frame(i, track(2, RIGHT), session_id=2) for i in (0, 1)]
    report = compare_results(a, a)
    assert report['images']['in_common'] == report['tracks']['same_box'] == 4


def test_with_truth_both_are_scored():
    truth = GroundTruth(
        'by hand',
        [
            TruthFrame(
                stamp_ns=i * PERIOD_NS,
                person_ids=np.array([1]),
                boxes=np.array([LEFT]),
                keypoints=np.full((1, 17, 2), np.nan),
                keypoint_visible=np.zeros((1, 17), np.bool_),
                is_ignored=np.zeros(1, np.bool_),
            )
            for i in range(4)
        ],
        has_keypoints=False,
    )
    a = [frame(i, track(1, LEFT)) for i in range(4)]
    b = [frame(i, track(1, LEFT if i else RIGHT)) for i in range(4) if i != 2]
    accuracy = compare_results(a, b, truth)['accuracy']
    assert accuracy['a']['mot']['mota'] == pytest.approx(100.0)
    assert (accuracy['b']['mot']['fn'], accuracy['b']['mot']['fp']) == (1, 1)
    # Of an image that only the other has, nothing was found.
    assert accuracy['b']['mot_with_dropped']['fn'] == 2


def poses_message(index, number):
    message = blank_message(POSES_TYPE)
    fill_header(message.header, index * PERIOD_NS, 'camera')
    message.image_width, message.image_height = 200, 100
    pose = blank_message('pose_tracking_ros/msg/TrackedPose')
    pose.track_id, pose.state, pose.is_matched = number, int(TrackState.CONFIRMED), True
    pose.bbox.center_x, pose.bbox.center_y = 25.0, 50.0
    pose.bbox.size_x, pose.bbox.size_y = 30.0, 80.0
    message.poses = [pose]
    return message


def write_results(folder, topics=('/tracked_poses',), count=3, number=1):
    with BagWriter(folder) as bag:
        for topic in topics:
            bag.add(topic, POSES_TYPE)
            for index in range(count):
                bag.write_message(topic, index, poses_message(index, number))
    return folder


def test_bags_and_folders_of_replays_are_taken(tmp_path):
    live = write_results(tmp_path / 'live')
    (tmp_path / 'offline').mkdir()
    write_results(tmp_path / 'offline' / 'bag')
    a, b = load_results(live), load_results(tmp_path / 'offline')
    assert [one.stamp_ns for one in a] == [0, PERIOD_NS, 2 * PERIOD_NS]
    assert a[0].tracks[0].box.tolist() == list(LEFT)
    assert compare_results(a, b)['tracks']['same_box'] == 3


def test_the_topic_must_be_clear(tmp_path):
    two = write_results(tmp_path / 'two', ('/a', '/b'))
    assert len(load_results(two, '/b')) == 3
    with pytest.raises(EvaluationError, match='/a, /b'):
        load_results(two)
    with pytest.raises(EvaluationError, match='there is no topic /c'):
        load_results(two, '/c')
    with pytest.raises(EvaluationError, match='expected results'):
        load_results(write_results(tmp_path / 'none', count=0))
    images = write_bag(tmp_path / 'images', [(5, image_message(5, np.zeros((4, 4, 3), np.uint8)))])
    with pytest.raises(EvaluationError, match='there are: none'):
        load_results(images)


def test_the_command_prints_and_writes(tmp_path, capsys):
    a = write_results(tmp_path / 'a')
    b = write_results(tmp_path / 'b', number=9)
    json_file = tmp_path / 'difference.json'
    assert main(['compare-results', str(a), str(b), '--json', str(json_file)]) == 0
    assert json.loads(json_file.read_text())['tracks']['same_id'] == 0
    assert 'images in common' in capsys.readouterr().out
    assert main(['compare-results', str(a), str(tmp_path / 'none')]) == 2
    assert 'none' in capsys.readouterr().err
    assert main(['compare-results', str(a), str(b), '--ground-truth', 'x.txt']) == 2
    assert '--bag' in capsys.readouterr().err
