"""What a replay leaves in its folder: complete, readable by others, the same every time."""

import json
import sys

import cv2
import numpy as np
import pytest
from replay_bags import DELAY_NS, TOPIC, TruthEngine, images_of, small_scene, write_bag

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import read_boxes
from pose_tracking_ros.evaluation.posetrack_files import load_sequences
from pose_tracking_ros.evaluation.replay.configuration import make_configuration
from pose_tracking_ros.evaluation.replay.outputs import (
    BAG,
    FIGURES,
    KEYPOINTS,
    MARKERS_TOPIC,
    OVERLAY,
    POSES_TOPIC,
    POSETRACK,
    SHEET,
    TIMING,
    TRACKS,
    Wishes,
    clear_outputs,
    find_camera_info,
    make_outputs,
    rate_of_images,
    write_results,
)
from pose_tracking_ros.evaluation.replay.replay import Realism, replay
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.message_types import CAMERA_INFO_TYPE, blank_message
from pose_tracking_ros.recordings.pose_messages import frame_from_message, nanoseconds
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

DEFAULTS = make_configuration('default', {'publish_embeddings': False})


def missing_ros():
    try:
        import pose_tracking_ros.ros.bag_messages  # noqa: F401
    except ImportError as error:
        return f'ROS 2 or the messages are not there ({error})'
    return ''


needs_ros = pytest.mark.skipif(bool(missing_ros()), reason=missing_ros())


@pytest.fixture(scope='module')
def scene():
    return small_scene(duration_s=3.0)


@pytest.fixture(scope='module')
def images(scene):
    return images_of(scene)


@pytest.fixture(scope='module')
def bag(images, tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp('bags') / 'walk', images)


@pytest.fixture(scope='module')
def engine(scene, images):
    return TruthEngine(scene, images)


def run(bag, engine, folder, *, wishes=None, realism=None, configuration=DEFAULTS):
    clear_outputs(folder)
    wishes = wishes or Wishes(bag=False)
    result = replay(
        bag, TOPIC, configuration, engine, realism=realism,
        make_outputs=lambda reader, topic: make_outputs(
            folder, wishes, configuration, engine.model_id, reader, topic
        ),
    )  # fmt: skip
    write_results(result, folder)
    return result


@pytest.fixture(scope='module')
def done(bag, engine, tmp_path_factory):
    """Return a result and its folder, with everything that needs no ROS."""
    folder = tmp_path_factory.mktemp('results')
    return run(bag, engine, folder), folder


def test_mot_text_holds_the_confirmed_people(done):
    result, folder = done
    boxes = read_boxes(folder / TRACKS)
    shown = [(f.source_number, t) for f in result.recording.frames for t in f.shown]
    assert len(boxes) == len(shown) > 10
    assert boxes.frames.tolist() == [number for number, _ in shown]
    corners = np.array([track.box for _, track in shown]) + 1
    np.testing.assert_allclose(boxes.boxes, corners, atol=0.011)


def test_coco_lists_every_image(done):
    result, folder = done
    content = json.loads((folder / KEYPOINTS).read_text())
    assert [image['id'] for image in content['images']] == list(range(1, 16))
    assert len(content['annotations']) == sum(len(f.shown) for f in result.recording.frames)


def test_posetrack_is_read_back_as_it_was(done, tmp_path):
    result, folder = done
    content = json.loads((folder / POSETRACK).read_text())
    # The results serve as ground truth of themselves once heads have a size.
    truth = json.loads((folder / POSETRACK).read_text())
    for person in truth['annotations']:
        person['bbox_head'] = [0, 0, 10, 10]
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    (sequence,) = load_sequences(tmp_path / 'truth.json', folder / POSETRACK)
    assert sequence.name == 'walk'
    assert len(sequence.frames) == len(result.recording.frames) == len(content['images'])
    order = POSETRACK_15.order_from(COCO_17.joints)
    known = order >= 0
    found = 0
    for read, frame in zip(sequence.frames, result.recording.frames, strict=True):
        assert read.found.ids.tolist() == [t.track_id for t in frame.shown]
        for row, track in enumerate(frame.shown):
            joints, scores = read.found.joints[row], read.found.scores[row]
            np.testing.assert_allclose(
                joints[known], track.keypoints[order[known]] - 0.5, atol=0.0051
            )
            np.testing.assert_allclose(
                scores[known], track.keypoint_scores[order[known]], atol=6e-5
            )
            assert np.isnan(joints[~known]).all()
            found += 1
    assert found > 10


def test_joints_that_were_not_estimated_are_zeros():
    from pose_tracking_ros.recordings.posetrack_format import _joints_of

    class Half:
        keypoints = np.full((17, 2), 5.5, np.float32)
        keypoint_scores = np.full(17, 0.5, np.float32)

    Half.keypoints[COCO_17.index('left_wrist')] = np.nan
    wrist = 9 + 2
    order = np.arange(17)
    keypoints, scores = _joints_of(Half, order)
    place = COCO_17.index('left_wrist')
    assert keypoints[3 * place : 3 * place + 3] == [0, 0, 0]
    assert scores[place] == 0
    assert keypoints[3 * wrist : 3 * wrist + 3] == [5, 5, 1]


def test_the_pictures_show_every_image(done):
    result, folder = done
    video = cv2.VideoCapture(str(folder / OVERLAY))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == len(result.recording.frames)
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0)
    assert cv2.imread(str(folder / SHEET)).shape[0] > 120


def test_the_rate_is_that_of_the_camera_also_with_drops(bag, engine, tmp_path):
    run(bag, engine, tmp_path, realism=Realism(processing_ms=500.0))
    video = cv2.VideoCapture(str(tmp_path / OVERLAY))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0)
    # Where an image was dropped the one before stays.
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 15


def test_one_image_has_no_rate():
    assert rate_of_images([]) is None


def test_timing_is_kept_apart_from_figures(done):
    result, folder = done
    assert json.loads((folder / TIMING).read_text()) == result.timing
    assert json.loads((folder / FIGURES).read_text()) == result.figures
    assert 'timing' not in result.figures


def test_two_replays_leave_the_same(done, bag, engine, tmp_path):
    _, first = done
    run(bag, engine, tmp_path)
    for name in (TRACKS, KEYPOINTS, POSETRACK, FIGURES):
        assert (first / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_images_of_two_sizes_make_one_video(images, engine, tmp_path):
    other = [(stamp, cv2.resize(picture, (120, 200))) for stamp, picture in images[10:]]
    bag = write_bag(tmp_path / 'bag', [*images[:10], *other])
    result = run(bag, engine, tmp_path / 'out')
    video = cv2.VideoCapture(str(tmp_path / 'out' / OVERLAY))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 15
    assert any('differ in size' in problem for problem in result.problems)


def test_only_what_a_replay_leaves_is_cleared(tmp_path):
    (tmp_path / BAG).mkdir()
    (tmp_path / BAG / 'metadata.yaml').touch()
    (tmp_path / TRACKS).touch()
    (tmp_path / 'notes.txt').touch()
    clear_outputs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['notes.txt']


def test_what_is_not_wished_for_is_left_out(bag, engine, tmp_path):
    run(bag, engine, tmp_path, wishes=Wishes(bag=False, video=False))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {TRACKS, KEYPOINTS, POSETRACK, FIGURES, TIMING}


def test_without_ros_a_bag_is_refused_with_the_remedy(bag, engine, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pose_tracking_ros.ros.bag_messages', None)
    with pytest.raises(EvaluationError, match=r'make setup.*source scripts/env.sh.*--no-bag'):
        run(bag, engine, tmp_path, wishes=Wishes(bag=True, video=False))


def test_the_calibration_beside_the_images_is_found(images, tmp_path):
    info = blank_message(CAMERA_INFO_TYPE)
    info.k = np.array([320.0, 0, 80, 0, 320, 60, 0, 0, 1])
    others = [('/camera/camera_info', CAMERA_INFO_TYPE, [(images[0][0], info)])]
    bag = write_bag(tmp_path / 'bag', images[:1], others=others)
    with BagReader(bag) as reader:
        for topic in (TOPIC, f'{TOPIC}/compressed'):
            assert find_camera_info(reader, topic).k[0] == 320.0
        assert find_camera_info(reader, '/other/image_raw') is None


@needs_ros
def test_the_bag_holds_what_the_node_would_publish(bag, images, engine, tmp_path):
    result = run(bag, engine, tmp_path, wishes=Wishes(bag=True, video=False))
    with BagReader(tmp_path / BAG) as reader:
        poses = list(reader.messages(POSES_TOPIC))
        markers = list(reader.messages(MARKERS_TOPIC))
        assert reader.problems == []
    stamps = [stamp for stamp, _ in images]
    assert [nanoseconds(message.header.stamp) for _, message in poses] == stamps
    assert [when for when, _ in poses] == [stamp + DELAY_NS for stamp in stamps]
    assert [message.sequence for _, message in poses] == list(range(1, len(images) + 1))
    assert {message.session_id for _, message in poses} == {1}
    assert {message.header.frame_id for _, message in poses} == {'camera'}
    assert {message.model_id for _, message in poses} == {'truth@0'}
    tracks = 0
    for (_, message), frame in zip(poses, result.recording.frames, strict=True):
        read = frame_from_message(message)
        assert read.processing_time_s == 0
        for one, other in zip(read.tracks, frame.tracks, strict=True):
            assert (one.track_id, one.state) == (other.track_id, other.state)
            np.testing.assert_allclose(one.box, other.box, atol=1e-4)
            np.testing.assert_array_equal(one.keypoints, other.keypoints)
            tracks += 1
    assert tracks > 10
    texts = [[m.text for m in message.markers if m.text] for _, message in markers]
    assert len(markers) == len(images)
    assert max(map(len, texts)) > 1


@needs_ros
def test_two_bags_of_results_are_the_same_bytes(bag, engine, tmp_path):
    for name in ('one', 'two'):
        run(
            bag, engine, tmp_path / name,
            wishes=Wishes(bag=True, video=False), realism=Realism(processing_ms=450.0),
        )  # fmt: skip
    files = sorted(path.name for path in (tmp_path / 'one' / BAG).iterdir())
    assert len(files) == 2
    for name in files:
        one, two = ((tmp_path / which / BAG / name).read_bytes() for which in ('one', 'two'))
        assert one == two
    with BagReader(tmp_path / 'one' / BAG) as reader:
        first, *_, last = (message for _, message in reader.messages(POSES_TOPIC))
    assert first.processing_time.nanosec == 450_000_000
    assert last.frames_dropped > 0


@needs_ros
def test_markers_stand_where_the_camera_sees_them(images, engine, tmp_path):
    info = blank_message(CAMERA_INFO_TYPE)
    info.k = np.array([320.0, 0, 80, 0, 320, 60, 0, 0, 1])
    others = [('/camera/camera_info', CAMERA_INFO_TYPE, [(images[0][0], info)])]
    bag = write_bag(tmp_path / 'bag', images, others=others)
    run(bag, engine, tmp_path / 'out', wishes=Wishes(bag=True, video=False))
    with BagReader(tmp_path / 'out' / BAG) as reader:
        depths = {
            round(point.z, 6)
            for _, message in reader.messages(MARKERS_TOPIC)
            for marker in message.markers
            for point in marker.points
        }
    assert depths == {3.2}
