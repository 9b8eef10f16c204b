"""The demo, whole: real programs, real ROS 2, the shipped network on the simulation."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from pose_tracking_ros.recordings.message_types import POSES_TYPE, typestore_with_poses


def test_track_survives_the_message():
    from pose_tracking_ros.msg import TrackedPoseArray
    from rclpy.serialization import deserialize_message
    from std_msgs.msg import Header

    from pose_tracking_ros.people import FrameResult, KeypointState, People, Track, TrackState
    from pose_tracking_ros.recordings.pose_messages import track_from_message
    from pose_tracking_ros.ros.conversion import PoseArrayWriter
    from pose_tracking_ros.skeleton import COCO_17

    keypoints = np.arange(34, dtype=np.float32).reshape(17, 2)
    keypoints[3] = np.nan
    states = np.full(17, int(KeypointState.VISIBLE))
    states[3] = KeypointState.NOT_ESTIMATED
    track = Track(
        track_id=2**40,
        state=TrackState.OCCLUDED,
        is_matched=True,
        box=np.array([1.5, 2, 30, 40], dtype=np.float32),
        score=0.75,
        visibility=0.5,
        velocity=np.array([-3, 4], dtype=np.float32),
        keypoints=keypoints,
        keypoint_scores=np.linspace(0, 1, 17, dtype=np.float32),
        keypoint_states=states,
        embedding=np.array([0.6, 0.8], dtype=np.float32),
        age_s=12.25,
        time_since_update_s=0.5,
        occluder_id=7,
        person_id='Ada',
    )
    result = FrameResult(people=People.none((64, 48)), tracks=[track], events=[], session_id=1)
    content = PoseArrayWriter(COCO_17, 'lite').write(
        result,
        header=Header(),
        session_id=1,
        sequence=1,
        frames_dropped=0,
        processing_time_s=0.1,
        with_embeddings=True,
    )
    message = deserialize_message(content, TrackedPoseArray)
    back = track_from_message(message.poses[0])
    for name in ('track_id', 'state', 'is_matched', 'occluder_id', 'person_id'):
        assert getattr(back, name) == getattr(track, name), name
    for name in ('score', 'visibility', 'age_s', 'time_since_update_s'):
        assert getattr(back, name) == pytest.approx(getattr(track, name)), name
    for name in ('box', 'velocity', 'keypoints', 'keypoint_scores', 'keypoint_states'):
        np.testing.assert_allclose(getattr(back, name), getattr(track, name), err_msg=name)
    np.testing.assert_allclose(back.embedding, track.embedding)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """The demo's output folder after three seconds of simulation, and what it printed."""
    output = tmp_path_factory.mktemp('demo')
    result = subprocess.run(
        [
            sys.executable, '-m', 'pose_tracking_ros.demo', '--video', 'simulation',
            '--duration-s', '3', '--output', str(output),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        # The demo chooses its own domain.
        env={name: value for name, value in os.environ.items() if name != 'ROS_DOMAIN_ID'},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return output, result.stdout


def test_demo_leaves_all_its_files(run):
    output, printed = run
    assert {path.name for path in output.iterdir()} == {
        'bag', 'contact_sheet.png', 'keypoints.json', 'logs', 'overlay.mp4', 'summary.json',
        'tracks.txt',
    }  # fmt: skip
    assert 'Hz processed' in printed


def test_demo_accounts_for_every_frame(run):
    output, _ = run
    summary = json.loads((output / 'summary.json').read_text())
    frames = summary['frames']
    assert summary['clip_s'] >= 3.0
    assert frames['processed'] > 0
    counted = frames['processed'] + frames['dropped'] + frames['without_result']
    assert counted == frames['published']
    # The last image may be on its way when the source is stopped.
    assert frames['without_result'] <= 1
    assert summary['latency_ms']['median'] >= summary['processing_ms']['median'] > 0
    assert summary['model_id'].startswith('lite')


def test_demo_bag_holds_every_result_in_order(run):
    output, _ = run
    typestore = typestore_with_poses()
    with Reader(output / 'bag') as reader:
        messages = [typestore.deserialize_cdr(raw, POSES_TYPE) for _, _, raw in reader.messages()]
    sequences = [message.sequence for message in messages]
    assert sequences == list(range(1, len(sequences) + 1))
    summary = json.loads((output / 'summary.json').read_text())
    assert len(messages) == summary['frames']['processed']
    assert [messages[0].image_width, messages[0].image_height] == summary['image_size']


def test_demo_files_agree_with_each_other(run):
    output, _ = run
    lines = (output / 'tracks.txt').read_text().splitlines()
    keypoints = json.loads((output / 'keypoints.json').read_text())
    from_text = sorted(tuple(map(int, line.split(',')[:2])) for line in lines)
    from_json = sorted((a['image_id'], a['track_id']) for a in keypoints['annotations'])
    assert from_text == from_json
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['people']['seen'] == len(lines)


def test_demo_video_plays_as_long_as_the_clip(run):
    output, _ = run
    capture = cv2.VideoCapture(str(output / 'overlay.mp4'))
    length_s = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    clip_s = json.loads((output / 'summary.json').read_text())['clip_s']
    # It begins with the first processed image and ends with the last.
    assert clip_s - 1.5 <= length_s <= clip_s + 0.2
