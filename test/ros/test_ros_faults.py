"""What goes wrong around the node: memory, cameras, clocks, crowds, model files."""

import json
import pickle
import resource
import struct
import subprocess
import sys
import time

import cv2
import numpy as np
from program_runs import programs, wait_for

from pose_tracking_ros.people import People

__all__ = ['programs']


def test_full_memory_is_survived_with_a_smaller_image_and_said(scene, image, graph):
    scene = scene()
    scene.engine.error = RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')
    array = scene.show(image(1.0))
    assert (array.sequence, len(array.poses)) == (1, 1)
    side_px = scene.tracker.get_parameter('image_long_side_px').value
    assert scene.engine.settings.image_long_side_px == side_px // 2
    scene.show(image(1.1))
    (warning,) = scene.tracker.warnings
    assert str(side_px // 2) in warning
    assert scene.tracker._health.active()['memory'] == warning
    # What cannot be had by a smaller image either is said, and the next image is tried.
    infer = scene.engine.infer

    def fail(picture):
        raise RuntimeError('CUDA out of memory')

    scene.engine.infer = fail
    scene.camera.publish(image(1.2))
    graph.until(lambda: scene.tracker._intake.counts()['failed'] == 1, 'failure counted')
    assert 'and again with' in scene.tracker._health.active()['inference']
    scene.engine.infer = infer
    assert scene.show(image(1.3)).sequence == 3
    assert 'inference' not in scene.tracker._health.active()


def test_a_camera_that_ends_and_comes_again_is_taken_up(scene, image, graph):
    scene = scene()
    first = scene.show(image(1.0))
    graph.peer.destroy_publisher(scene.camera)
    graph.until(lambda: not scene.tracker._input._node.count_publishers('image'), 'gone')
    scene.camera = graph.camera()
    name = scene.camera.topic_name
    graph.until(scene.camera.get_subscription_count, 'subscriber')
    graph.until(lambda: graph.matches[scene.tracker, name] == 1, 'publisher')
    before = len(scene.poses)
    scene.camera.publish(image(1.2))
    graph.until(lambda: len(scene.poses) > before, 'poses')
    assert scene.poses[-1].session_id == first.session_id
    assert scene.poses[-1].poses[0].track_id == first.poses[0].track_id


def test_a_camera_that_is_killed_and_started_again_is_taken_up(graph, engine, tmp_path):
    """Killed, it says goodbye to nobody; DDS believes in it for another 20 s."""
    from pose_tracking_ros.msg import TrackedPoseArray

    for index in range(5):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.full((160, 160, 3), 100, np.uint8))
    parameters = {'video': tmp_path, 'rate_hz': 20, 'stamp': 'now'}
    line = [
        *(sys.executable, '-m', 'pose_tracking_ros.ros.video_source'),
        *('--ros-args', '-r', f'__ns:={graph.namespace}'),
        *(word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')),
    ]
    poses = graph.listen(TrackedPoseArray, 'tracked_poses')
    tracker = graph.tracker(engine)
    sessions = set()
    for _ in range(3):
        camera = subprocess.Popen(line, stderr=subprocess.DEVNULL)
        try:
            poses.clear()
            graph.until(lambda: len(poses) > 5, 'poses')
        finally:
            camera.kill()
            camera.wait()
        sessions |= {array.session_id for array in poses}
        # What was sent before the end arrives.
        graph.spin_for(0.2)
    assert len(sessions) == 1
    counts = tracker._intake.counts()
    assert counts['refused'] == counts['failed'] == 0


def test_two_cameras_on_one_topic_are_both_processed(scene, image, graph):
    scene = scene()
    scene.show(image(1.0))
    other = graph.camera()
    graph.until(lambda: graph.matches[scene.tracker, other.topic_name] == 2, 'both')
    for number in range(6):
        before = len(scene.poses)
        (other if number % 2 else scene.camera).publish(image(1.1 + number / 10))
        graph.until(lambda n=before: len(scene.poses) > n, 'poses')
    assert [a.sequence for a in scene.poses] == list(range(1, 8))


def test_the_clock_may_jump_in_both_directions(scene, image):
    """Ids are never used twice, sessions change with every jump back and with no other."""
    scene = scene(lost_after_s=0.1, max_lost_s=1.0)
    stamps_s = [100.0, 100.1, 5000.0, 5000.1, 7.0, 7.1, 2_000_000_000.0, 6.0, 6.1, 6.2]
    arrays = [scene.show(image(stamp_s)) for stamp_s in stamps_s]
    assert [a.sequence for a in arrays] == list(range(1, 11))
    sessions = [a.session_id for a in arrays]
    assert sessions == sorted(sessions)
    assert [sessions.index(s) for s in sessions] == [0, 0, 0, 0, 4, 4, 4, 7, 7, 7]
    ids = [a.poses[-1].track_id for a in arrays]
    assert all(a.poses[-1].is_matched for a in arrays)
    owners = {}
    for track_id, session in zip(ids, sessions, strict=True):
        assert owners.setdefault(track_id, session) == session


def test_two_hundred_people_are_published(scene, image):
    scene = scene(min_person_score=0.0)

    def infer(picture):
        x, y = (g.ravel() * 60.0 for g in np.meshgrid(np.arange(20), np.arange(10)))
        generator = np.random.default_rng(1)
        looks = generator.normal(size=(200, 4))
        return People(
            boxes=np.column_stack([x, y, x + 40, y + 55]),
            scores=np.full(200, 0.9),
            keypoints=np.stack([x, y], 1)[:, None] + generator.uniform(5, 40, (200, 17, 2)),
            keypoint_scores=np.full((200, 17), 0.8),
            embeddings=looks / np.linalg.norm(looks, axis=1, keepdims=True),
            image_size=(picture.shape[1], picture.shape[0]),
        )

    scene.engine.infer = infer
    first = scene.show(image(1.0, size=(1280, 640)))
    second = scene.show(image(1.1, size=(1280, 640)))
    assert len({pose.track_id for pose in first.poses}) == 200
    assert {p.track_id for p in second.poses} == {p.track_id for p in first.poses}
    assert not scene.tracker.warnings


class _Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def header(content, claimed=None):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack('<Q', len(text) if claimed is None else claimed) + text


def model_files(checkpoint, folder):
    """Yield file contents that must not load, and what is said of them."""
    whole = checkpoint.read_bytes()
    ours = {'format': 'pose_tracking_ros/1', 'preset': 'lite', 'skeleton': 'coco_17'}
    yield 'missing', None, 'no file'
    yield 'empty', b'', 'not a readable safetensors file'
    yield 'truncated', whole[: len(whole) // 2], 'not a readable safetensors file'
    yield 'pickle', pickle.dumps(_Hostile(folder / 'executed')), 'not a readable safetensors file'
    yield 'absurd header', header(b'{}', 2**63), 'not a readable safetensors file'
    yield 'header beyond the file', header(b'{}', 2**20), 'not a readable safetensors file'
    yield 'deep header', header(b'[' * 100_000), 'not a readable safetensors file'
    yield 'foreign', header({'__metadata__': {'format': 'pt'}}), 'expected format'
    yield 'no preset', header({'__metadata__': {'format': ours['format']}}), 'preset'
    yield (
        'other preset',
        header({'__metadata__': ours | {'preset': 'fastpose-50', 'training': '{}'}}),
        'fastpose-50',
    )
    yield (
        'no skeleton',
        header({'__metadata__': ours | {'skeleton': 'x', 'training': ''}}),
        'skeletons',
    )
    yield 'odd training', header({'__metadata__': ours | {'training': '[3]'}}), 'arrays missing'
    yield 'no arrays', header({'__metadata__': ours | {'training': '{}'}}), 'arrays missing'
    huge = {'x': {'dtype': 'F32', 'shape': [2**40], 'data_offsets': [0, 2**42]}}
    yield 'absurd array', header(huge), 'not a readable safetensors file'


def test_no_damaged_or_hostile_model_file_loads_or_runs_anything(graph, tmp_path):
    """The node says in one line what is wrong, stays unconfigured, and loads a good file after."""
    from pose_tracking_ros.inference import load_engine
    from pose_tracking_ros.network.weights import shipped_weights
    from pose_tracking_ros.ros.tracker_node import TrackerNode

    checkpoint = shipped_weights('lite')
    node = graph.add(
        TrackerNode(
            load_engine,
            **graph.options(engine='torch', device='cpu', threads=1, image_long_side_px=64),
        )
    )
    errors = []
    logger = node.get_logger()
    node.get_logger = lambda: type(
        'Logger', (), {'error': staticmethod(errors.append), 'info': logger.info}
    )
    from rclpy.parameter import Parameter

    for number, (what, content, words) in enumerate(model_files(checkpoint, tmp_path)):
        path = tmp_path / f'{number}.safetensors'
        if content is not None:
            path.write_bytes(content)
        errors.clear()
        node.set_parameters([Parameter('weights', value=str(path))])
        assert not node.start(), what
        assert len(errors) == 1, (what, errors)
        assert words in errors[0], (what, errors)
        assert str(path) in errors[0], what
        assert '\n' not in errors[0], what
        assert node._pipeline is None, what
    assert not (tmp_path / 'executed').exists()
    errors.clear()
    node.set_parameters([Parameter('weights', value=str(checkpoint))])
    assert node.start(), errors


def test_a_full_disk_ends_the_recorder_with_one_sentence_and_a_bag_that_can_be_read(
    programs, graph, tmp_path
):
    """A limit on the size of files, of which the system complains as of a full disk."""
    from pose_tracking_ros.msg import TrackedPoseArray

    from pose_tracking_ros.recordings.bag_reader import BagReader

    bag = tmp_path / 'bag'
    process = programs.start(
        *('-m', 'pose_tracking_ros.ros.pose_recorder', '--ros-args'),
        *('-r', f'__ns:={graph.namespace}', '-p', f'output:={bag}'),
    )
    wait_for(process, 'recording', 'stderr')
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
    publisher = graph.peer.create_publisher(TrackedPoseArray, 'tracked_poses', 10)
    graph.until(publisher.get_subscription_count, 'recorder')
    message = TrackedPoseArray(model_id='x' * 100_000)

    def has_ended():
        message.sequence += 1
        publisher.publish(message)
        time.sleep(0.005)
        return process.poll() is not None

    graph.until(has_ended, 'end of the recorder')
    errors = process.stderr.read()
    assert process.returncode == 1
    assert 'Traceback' not in errors
    for words in (str(bag), 'cannot be written any further', 'another disk'):
        assert words in errors
    with BagReader(bag) as reader:
        recorded = [m.sequence for _, m in reader.messages(f'{graph.namespace}/tracked_poses')]
    assert len(recorded) > 1
    # On a busy machine DDS itself may pass over some that came faster than they were written.
    assert recorded == sorted(set(recorded))
