"""A replay and the running node see the same; and what the node publishes is recorded as it is."""

import itertools
from functools import partial

import numpy as np
import pytest
from replay_bags import TOPIC, TruthEngine, images_of, small_scene, write_bag

from pose_tracking_ros.evaluation.replay.configuration import make_configuration
from pose_tracking_ros.evaluation.replay.outputs import POSES_TOPIC, Wishes, make_outputs
from pose_tracking_ros.evaluation.replay.replay import replay
from pose_tracking_ros.evaluation.replay.source import seconds_from_ns
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.pose_messages import frame_from_message, nanoseconds


@pytest.fixture(scope='module')
def scene_images():
    scene = small_scene(duration_s=1.5, rate_hz=8.0, size=(320, 240))
    return scene, images_of(scene)


@pytest.fixture(scope='module')
def networks(scene_images):
    """Return the shipped network on small images, and one that knows the truth."""
    from pose_tracking_ros.inference import load_engine
    from pose_tracking_ros.settings import NetworkSettings

    # Not 'auto', which would measure for half a minute.
    settings = NetworkSettings(image_long_side_px=192, device='cpu', engine='torch')
    return {'lite': load_engine(settings), 'truth': TruthEngine(*scene_images)}


@pytest.fixture(params=['lite', 'truth'])
def engine(request, networks):
    """Take the place of the network of paper."""
    return networks[request.param]


def test_the_node_gives_the_tracks_of_the_replay(scene, engine, scene_images, tmp_path):
    _, images = scene_images
    # Back in time in the middle: both begin a session there.
    images = [*images[:8], *images[2:8]]
    received = [images[0][0] + place * 125_000_000 for place in range(len(images))]
    bag = write_bag(tmp_path / 'bag', images, received_ns=received)
    parameters = {
        'image_long_side_px': 192, 'confirm_after_s': 0.1, 'publish_embeddings': True,
        'device': 'cpu',
    }  # fmt: skip
    configuration = make_configuration('small', parameters)
    wishes = Wishes(bag=True, video=False)
    outputs = partial(make_outputs, tmp_path / 'out', wishes, configuration, engine.model_id)
    replay(bag, TOPIC, configuration, engine, make_outputs=outputs)
    running = scene(**parameters)
    with BagReader(bag) as reader:
        live = [running.show(stored.cdr) for stored in reader.raw(TOPIC)]
    with BagReader(tmp_path / 'out' / 'bag') as reader:
        offline = [message for _, message in reader.messages(POSES_TOPIC)]
    assert len(live) == len(offline) == len(images)
    offset = live[0].session_id - offline[0].session_id
    tracks = 0
    for one, other in zip(live, offline, strict=True):
        assert one.session_id - other.session_id == offset
        assert one.sequence == other.sequence
        assert one.model_id == other.model_id
        assert nanoseconds(one.header.stamp) == nanoseconds(other.header.stamp)
        for track, same in zip(
            frame_from_message(one).tracks, frame_from_message(other).tracks, strict=True
        ):
            for name, value in vars(track).items():
                np.testing.assert_array_equal(value, getattr(same, name), err_msg=name)
            tracks += 1
    assert len({message.session_id for message in live}) == 2
    assert tracks > 10


def test_a_stamp_is_the_same_time_for_both():
    from builtin_interfaces.msg import Time

    from pose_tracking_ros.ros.conversion import seconds_from_stamp

    rng = np.random.default_rng(0)
    for stamp_ns in rng.integers(0, 2_000_000_000 * 10**9, 1000).tolist():
        stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        assert seconds_from_ns(stamp_ns) == seconds_from_stamp(stamp)


def test_what_the_tracker_publishes_is_recorded_byte_for_byte(graph, networks, tmp_path, image):
    import rclpy
    from pose_tracking_ros.msg import TrackedPoseArray

    from pose_tracking_ros.ros.pose_recorder import PoseRecorder

    output = str(tmp_path / 'live')
    recorder = graph.add(PoseRecorder(**graph.options(output=output, with_markers=True)))
    assert recorder.start()
    heard = []
    listener = graph.add(rclpy.create_node('listener', **graph.options()))
    listener.create_subscription(TrackedPoseArray, 'tracked_poses', heard.append, 10, raw=True)
    camera = graph.camera()
    tracker = graph.tracker(networks['truth'])
    graph.until(lambda: 'reliable)' in tracker._input.description, 'reliable')
    graph.connect(camera, tracker)
    graph.until(lambda: tracker._outputs._poses.get_subscription_count() == 2, 'two listeners')
    graph.until(lambda: tracker._outputs._markers.get_subscription_count(), 'markers wanted')
    stamps_s = itertools.count(100)

    def enough():
        # A subscriber that has just come misses the first ones.
        camera.publish(image(next(stamps_s)))
        graph.spin_for(0.05)
        return recorder.recorded >= 5 and len(heard) >= 5

    graph.until(enough, 'five results for each')
    assert recorder.stop(1.0)
    with BagReader(tmp_path / 'live') as reader:
        recorded = [stored.cdr for stored in reader.raw(f'{graph.namespace}/tracked_poses')]
        assert reader.topics[f'{graph.namespace}/tracker_node/markers'].count > 0
    assert len(recorded) == recorder.recorded
    assert len(set(recorded) & set(heard)) >= 3


def test_a_recording_that_exists_is_not_overwritten(graph, tmp_path):
    from pose_tracking_ros.ros.pose_recorder import PoseRecorder

    (tmp_path / 'live').mkdir()
    recorder = graph.add(PoseRecorder(**graph.options(output=str(tmp_path / 'live'))))
    assert not recorder.start()
    assert recorder.stop(1.0)
    assert list((tmp_path / 'live').iterdir()) == []
