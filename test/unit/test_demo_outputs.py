"""The demo's files: MOT text, COCO keypoints, summary, bag, pictures; without ROS."""

import json
import math

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from rosbags.rosbag2 import Reader

from pose_tracking_ros.demo.live_table import headline, recent_rate_hz, table_of
from pose_tracking_ros.demo.summary import summarise, summary_text
from pose_tracking_ros.people import EventKind, KeypointState, Track, TrackState
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.formats import coco_keypoints, mot_text
from pose_tracking_ros.recordings.message_types import POSES_TYPE, typestore_with_poses
from pose_tracking_ros.recordings.overlay_video import OverlayVideo, rate_of
from pose_tracking_ros.recordings.recording import FrameRecord, Recording
from pose_tracking_ros.recordings.sampling import EvenSample
from pose_tracking_ros.skeleton import COCO_17

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000


def track(track_id, *, state=TrackState.CONFIRMED, is_matched=True, x=100.0, **changes):
    keypoints = np.full((17, 2), (x + 20.5, 80.5), dtype=np.float32)
    states = np.full(17, int(KeypointState.VISIBLE))
    keypoints[0] = np.nan
    states[0] = KeypointState.NOT_ESTIMATED
    states[1] = KeypointState.OCCLUDED
    scores = np.full(17, 0.8, dtype=np.float32)
    scores[0] = 0
    values = {
        'track_id': track_id,
        'state': state,
        'is_matched': is_matched,
        'box': np.array([x, 50, x + 40, 150], dtype=np.float32),
        'score': 0.9,
        'visibility': 0.94,
        'velocity': np.array([3, 4], dtype=np.float32),
        'keypoints': keypoints,
        'keypoint_scores': scores,
        'keypoint_states': states,
        'embedding': np.zeros(0, dtype=np.float32),
        'age_s': 1.0,
        'time_since_update_s': 0.0,
    }
    return Track(**{**values, **changes})


def frame(index, tracks, **changes):
    values = {
        'stamp_ns': START_NS + index * PERIOD_NS,
        'image_size': (320, 240),
        'tracks': tracks,
        'frames_dropped': 0,
        'processing_time_s': 0.05,
        'latency_s': 0.06,
        'session_id': 7,
        'model_id': 'lite@abc',
    }
    return FrameRecord(**{**values, **changes})


def recording_of(frames, published=10):
    recording = Recording()
    for index in range(published):
        recording.note_source(START_NS + index * PERIOD_NS)
    for one in frames:
        recording.add(one)
    return recording


def test_mot_numbers_images_by_the_source():
    recording = recording_of([frame(0, [track(1)]), frame(3, [track(1, x=110.0), track(2)])])
    assert mot_text(recording).splitlines() == [
        '1,1,101.00,51.00,40.00,100.00,0.9000,-1,-1,-1',
        '4,1,111.00,51.00,40.00,100.00,0.9000,-1,-1,-1',
        '4,2,101.00,51.00,40.00,100.00,0.9000,-1,-1,-1',
    ]


@pytest.mark.parametrize(
    'hidden',
    [
        track(1, state=TrackState.TENTATIVE),
        track(1, state=TrackState.LOST, is_matched=False),
        track(1, is_matched=False),
        track(1, state=TrackState.REMOVED, is_matched=False),
    ],
    ids=['tentative', 'lost', 'predicted', 'removed'],
)
def test_only_confirmed_people_found_in_the_image_are_written(hidden):
    recording = recording_of([frame(0, [hidden])])
    assert mot_text(recording) == ''
    assert coco_keypoints(recording, COCO_17)['annotations'] == []


def test_occluded_but_found_people_are_written():
    recording = recording_of([frame(0, [track(1, state=TrackState.OCCLUDED)])])
    assert len(mot_text(recording).splitlines()) == 1


def test_result_of_an_unknown_image_is_left_out():
    recording = recording_of([frame(99, [track(1)])])
    assert mot_text(recording) == ''
    assert coco_keypoints(recording, COCO_17)['images'] == []
    assert summarise(recording, 'clip')['frames']['processed'] == 1


def test_ids_stay_unique_over_a_reset():
    recording = recording_of(
        [
            frame(0, [track(1), track(5)]),
            frame(1, [track(1), track(2)], session_id=8),
            frame(2, [track(1)], session_id=9),
        ]
    )
    ids = [line.split(',')[1] for line in mot_text(recording).splitlines()]
    assert ids == ['1', '5', '6', '7', '8']
    assert summarise(recording, 'clip')['tracks']['count'] == 5


def test_coco_file_is_read_by_pycocotools(tmp_path, capsys):
    recording = recording_of([frame(0, []), frame(1, [track(3)])])
    path = tmp_path / 'keypoints.json'
    path.write_text(json.dumps(coco_keypoints(recording, COCO_17), allow_nan=False))
    coco = COCO(str(path))
    capsys.readouterr()
    assert sorted(coco.getImgIds()) == [1, 2]
    (person,) = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    assert person['track_id'] == 3
    assert person['bbox'] == [100.0, 50.0, 40.0, 100.0]
    joints = np.array(person['keypoints']).reshape(17, 3)
    assert joints[0].tolist() == [0, 0, 0]
    assert joints[1].tolist() == [120, 80, 1]
    assert joints[2].tolist() == [120, 80, 2]
    assert person['num_keypoints'] == 16
    (category,) = coco.loadCats([1])
    assert category['keypoints'] == list(COCO_17.joints)
    first = category['skeleton'][0]
    assert [COCO_17.joints[i - 1] for i in first] == list(COCO_17.limbs[0])


def test_summary_counts_frames_and_times():
    frames = [
        frame(0, [track(1)], latency_s=0.05, processing_time_s=0.04),
        frame(2, [track(1), track(2)], frames_dropped=1, latency_s=None, processing_time_s=0.06),
        frame(4, [track(2)], frames_dropped=2, latency_s=0.15, processing_time_s=0.05),
    ]
    recording = recording_of(frames, published=6)
    recording.events[EventKind.BORN] = 2
    recording.wall_time_s = 1.25
    summary = summarise(recording, 'clip.avi')
    assert summary['frames'] == {
        'published': 6,
        'processed': 3,
        'dropped': 2,
        'without_result': 1,
    }
    assert summary['rates_hz'] == {'published': 10.0, 'processed': 5.0}
    assert summary['people'] == {'seen': 4, 'mean_per_frame': 1.33, 'max_per_frame': 2}
    assert summary['tracks'] == {'count': 2, 'median_s': 0.2, 'longest_s': 0.2}
    assert summary['latency_ms']['median'] == 100.0
    assert summary['latency_ms']['max'] == 150.0
    assert summary['processing_ms']['median'] == 50.0
    assert summary['events']['born'] == 2
    assert summary['wall_s'] == 1.25
    text = summary_text(summary)
    assert '3 processed of 6 published, 2 dropped by the node, 1 without result' in text
    json.dumps(summary, allow_nan=False)


def test_empty_run_gives_valid_files():
    recording = Recording()
    summary = summarise(recording, 'nothing')
    assert summary['frames']['processed'] == 0
    assert summary['latency_ms']['median'] is None
    assert 'unknown' in summary_text(summary)
    assert mot_text(recording) == ''
    json.dumps(coco_keypoints(recording, COCO_17), allow_nan=False)


def test_even_sample_spreads_over_all():
    sample = EvenSample(4)
    for number in range(1000):
        sample.offer(number if sample.is_due else None)
    chosen = sample.chosen()
    assert len(chosen) == 4
    assert chosen[0] == 0
    assert chosen[-1] >= 700
    gaps = np.diff(chosen)
    assert gaps.max() <= 2 * gaps.min()


@pytest.mark.parametrize('count', [0, 1, 3, 4])
def test_even_sample_keeps_all_of_few(count):
    sample = EvenSample(4)
    for number in range(count):
        sample.offer(number)
    assert sample.chosen() == list(range(count))


def test_even_sample_of_one():
    sample = EvenSample(1)
    for number in range(50):
        sample.offer(number)
    assert sample.chosen() == [0]


def test_even_sample_refuses_none_wanted():
    with pytest.raises(ValueError, match='expected at least 1, got 0'):
        EvenSample(0)


def test_rate_withstands_a_gap():
    stamps = [START_NS + i * PERIOD_NS for i in (0, 1, 2, 30, 31)]
    assert rate_of(stamps) == 10.0
    assert rate_of(stamps[:1]) is None
    assert rate_of([]) is None


def image_of(value):
    return np.full((240, 320, 3), value, dtype=np.uint8)


def test_overlay_video_keeps_the_time_of_the_source(tmp_path):
    video, sheet = tmp_path / 'overlay.mp4', tmp_path / 'sheet.png'
    with OverlayVideo(video, sheet) as overlay:
        overlay.add(image_of(60), frame(0, [track(1)]), 1, None)
        overlay.add(image_of(120), frame(3, [track(1)]), 4, 10.0)
        overlay.add(image_of(180), frame(4, [track(1)]), 5, 10.0)
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FPS) == 10.0
    brightness = []
    while True:
        is_read, image = capture.read()
        if not is_read:
            break
        brightness.append(round(float(image[-40:].mean()), -1))
    capture.release()
    assert brightness == [60, 60, 60, 120, 180]
    assert cv2.imread(str(sheet)) is not None


def test_overlay_draws_people_but_not_tentative_ones(tmp_path):
    for state, is_drawn in ((TrackState.CONFIRMED, True), (TrackState.TENTATIVE, False)):
        video = tmp_path / f'{state.name}.mp4'
        with OverlayVideo(video, tmp_path / f'{state.name}.png') as overlay:
            overlay.add(image_of(60), frame(0, [track(1, state=state)]), 1, 10.0)
        is_read, image = cv2.VideoCapture(str(video)).read()
        assert is_read
        colourful = (image.max(axis=2).astype(int) - image.min(axis=2) > 40).sum()
        assert (colourful > 100) == is_drawn


def test_overlay_completes_its_files_after_an_error(tmp_path):
    video, sheet = tmp_path / 'overlay.mp4', tmp_path / 'sheet.png'

    def be_interrupted():
        with OverlayVideo(video, sheet) as overlay:
            for number in (1, 2):
                overlay.add(image_of(60), frame(number, []), number, 10.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT) == 2
    assert sheet.stat().st_size > 0


def test_overlay_without_images_writes_nothing(tmp_path):
    with OverlayVideo(tmp_path / 'overlay.mp4', tmp_path / 'sheet.png'):
        pass
    assert list(tmp_path.iterdir()) == []


def poses_cdr(typestore, sequence):
    types = typestore.types
    message = types[POSES_TYPE](
        header=types['std_msgs/msg/Header'](
            stamp=types['builtin_interfaces/msg/Time'](sec=sequence, nanosec=5), frame_id='camera'
        ),
        skeleton='coco_17',
        model_id='lite@abc',
        session_id=7,
        image_width=320,
        image_height=240,
        sequence=sequence,
        frames_dropped=0,
        processing_time=types['builtin_interfaces/msg/Duration'](sec=0, nanosec=1),
        poses=[],
    )
    return bytes(typestore.serialize_cdr(message, POSES_TYPE))


def test_bag_holds_messages_and_their_definition(tmp_path):
    typestore = typestore_with_poses()

    def be_interrupted():
        with BagWriter(tmp_path / 'bag') as bag:
            bag.add('/tracked_poses', POSES_TYPE)
            for sequence in (1, 2):
                bag.write('/tracked_poses', START_NS + sequence, poses_cdr(typestore, sequence))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    with Reader(tmp_path / 'bag') as reader:
        (connection,) = reader.connections
        assert connection.topic == '/tracked_poses'
        assert connection.msgtype == POSES_TYPE
        assert connection.digest == typestore.hash_rihs01(POSES_TYPE)
        assert 'TrackedPose[] poses' in connection.msgdef.data
        assert 'MSG: pose_tracking_ros/Keypoint' in connection.msgdef.data
        sequences = [
            typestore.deserialize_cdr(raw, POSES_TYPE).sequence for _, _, raw in reader.messages()
        ]
    assert sequences == [1, 2]


def test_headline_and_table():
    recording = recording_of(
        [frame(0, []), frame(2, [track(1), track(2, state=TrackState.TENTATIVE)])]
    )
    assert headline(Recording()) == '0 images published, no result yet'
    assert headline(recording) == (
        '10 images, 2 processed, 0 dropped, 5.0 Hz, 50 ms each, 1 people'
    )
    table = table_of(recording)
    assert table.row_count == 1
    assert list(table.columns[0].cells) == ['1']
    assert list(table.columns[-1].cells) == ['5 px/s']
    assert table_of(Recording()).row_count == 0


def test_table_stays_short():
    crowd = [track(number, age_s=float(number)) for number in range(1, 31)]
    table = table_of(recording_of([frame(0, crowd)]))
    assert next(iter(table.columns[0].cells)) == '30'
    assert table.caption == 'and 18 more'


def test_recent_rate_needs_two_results():
    assert recent_rate_hz([]) is None
    assert recent_rate_hz([frame(0, [])]) is None
    assert math.isclose(recent_rate_hz([frame(0, []), frame(1, [])]), 10.0)
