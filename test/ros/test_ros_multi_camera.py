"""Several cameras in one process: apart in all but the network and, if wanted, the gallery."""

import gc
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from types import SimpleNamespace

import pytest

PATIENCE_S = 5.0


def state_of(tracker):
    return tracker._state_machine.current_state[1]


@pytest.fixture
def cameras(graph, engine):
    """Start trackers for cameras; each has a publisher of images and a listener to its poses."""
    from pose_tracking_ros.msg import TrackedPoseArray
    from rclpy.parameter import Parameter

    from pose_tracking_ros.ros.multi_camera_node import MultiCameraNode
    from pose_tracking_ros.ros.tracker_node import TrackerNode

    def start(names='front,rear', *, own=None, loader=lambda settings: engine, **parameters):
        of_trackers = {'max_stamp_offset_s': 0.0, **parameters}

        def make_tracker(**options):
            camera = options['cli_args'][2].rpartition('/')[2]
            values = of_trackers | (own or {}).get(camera, {})
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            node = TrackerNode(draw=lambda *a: a[0], parameter_overrides=overrides, **options)
            node.warnings = []
            node._health._warn = node.warnings.append
            graph._watch(node)
            return node

        share = of_trackers.pop('share_gallery', False)
        options = graph.options(cameras=names, share_gallery=share)
        scene = SimpleNamespace(graph=graph, engine=engine)
        scene.poses = {
            n: graph.listen(TrackedPoseArray, f'{n}/tracked_poses') for n in names.split(',')
        }
        scene.publishers = {n: graph.camera(topic=f'{n}/image') for n in names.split(',')}
        scene.node = graph.add(MultiCameraNode(loader, make_tracker, **options))
        scene.is_started = scene.node.start()
        scene.trackers = dict(zip(names.split(','), scene.node.trackers, strict=True))
        for name, tracker in scene.trackers.items():
            if state_of(tracker) == 'active':
                connect(scene, name)
        return scene

    def connect(scene, name):
        tracker = scene.trackers[name]
        graph.until(lambda: 'reliable)' in tracker._input.description, 'reliable')
        graph.connect(scene.publishers[name], tracker)
        graph.connect(tracker._outputs._poses)

    start.connect = connect
    return start


def show(scene, name, message):
    """Publish an image on a camera and return the poses that come of it."""
    poses = scene.poses[name]
    before = len(poses)
    scene.publishers[name].publish(message)
    scene.graph.until(lambda: len(poses) > before, f'poses of {name}')
    return poses[-1]


def change(scene, name, label):
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request()
    request.transition.label = label
    return scene.graph.call(ChangeState, f'{name}/tracker_node/change_state', request).success


def test_three_cameras_have_one_network_and_a_tracker_each(cameras, image, graph, engine):
    loads = []

    def load(settings):
        loads.append(settings)
        return engine

    scene = cameras('front,rear,arm/left', loader=load)
    assert scene.is_started
    assert len(loads) == 1
    names = [node.get_fully_qualified_name() for node in scene.trackers.values()]
    assert names == [f'{graph.namespace}/{n}/tracker_node' for n in ('front', 'rear', 'arm/left')]
    for name, count in (('front', 3), ('rear', 2), ('arm/left', 1)):
        for number in range(count):
            array = show(scene, name, image(1.0 + number / 10, frame_id=name))
        # Numbers of tracks and messages are each camera's own.
        assert [pose.track_id for pose in array.poses] == [1]
        assert (array.sequence, array.header.frame_id) == (count, name)
    assert len(engine.images) == 6
    assert [len(poses) for poses in scene.poses.values()] == [3, 2, 1]
    counts = [tracker._intake.counts()['processed'] for tracker in scene.trackers.values()]
    assert counts == [3, 2, 1]


def test_a_camera_that_fails_or_is_silent_does_not_disturb_the_others(cameras, image, graph):
    scene = cameras('front,rear,silent', silence_warning_s=0.5)
    scene.engine.error = RuntimeError('the driver has crashed')
    scene.publishers['front'].publish(image(1.0))
    front, rear, silent = scene.trackers.values()
    graph.until(lambda: front._intake.counts()['failed'] == 1, 'failure counted')
    scene.publishers['front'].publish(image(1.1, encoding='nonsense'))
    graph.until(lambda: front._intake.counts()['refused'] == 1, 'refusal counted')
    for number in range(3):
        array = show(scene, 'rear', image(1.0 + number / 10))
    assert array.sequence == 3
    assert {'inference', 'image'} <= front._health.active().keys()
    assert not {'inference', 'image'} & rear._health.active().keys()
    graph.until(
        lambda: 'silence' in str(silent._health.active().keys()) or silent.warnings, 'told'
    )
    assert f'{graph.namespace}/silent/image' in silent.warnings[0]
    assert show(scene, 'front', image(1.2)).sequence == 1


def test_a_slow_image_of_one_camera_leaves_services_of_the_other_and_order_as_they_are(
    cameras, image, graph
):
    from std_srvs.srv import Trigger

    scene = cameras()
    scene.engine.gate.clear()
    scene.publishers['front'].publish(image(1.0))
    graph.until(scene.engine.is_busy.is_set, 'engine busy')
    for name, stamp_s in (('rear', 5.0), ('front', 2.0), ('front', 3.0), ('rear', 6.0)):
        received = scene.trackers[name]._mailbox.received
        scene.publishers[name].publish(image(stamp_s))
        graph.until(
            lambda n=name, r=received: scene.trackers[n]._mailbox.received == r + 1, 'stored'
        )
    assert graph.call(Trigger, 'rear/tracker_node/reset', Trigger.Request()).success
    scene.engine.gate.set()
    graph.until(lambda: [len(p) for p in scene.poses.values()] == [2, 2], 'poses')
    stamps = {n: [a.header.stamp.sec for a in poses] for n, poses in scene.poses.items()}
    assert stamps == {'front': [1, 3], 'rear': [5, 6]}
    assert [poses[-1].frames_dropped for poses in scene.poses.values()] == [1, 0]


def test_life_cycles_are_apart_and_the_network_is_freed_with_the_last(cameras, image, engine):
    engines = []

    def load(settings):
        loaded = type(engine)()
        engines.append(weakref.ref(loaded))
        return loaded

    scene = cameras(loader=load)
    show(scene, 'front', image(1.0))
    assert change(scene, 'front', 'deactivate')
    assert change(scene, 'front', 'cleanup')
    assert show(scene, 'rear', image(1.0)).sequence == 1
    assert engines[0]() is not None
    # Configured anew it gets the same network.
    assert change(scene, 'front', 'configure')
    assert change(scene, 'front', 'activate')
    cameras.connect(scene, 'front')
    assert show(scene, 'front', image(2.0)).sequence == 1
    assert len(engines) == 1
    for name in ('front', 'rear'):
        assert change(scene, name, 'deactivate')
        assert change(scene, name, 'cleanup')
    gc.collect()
    assert engines[0]() is None
    assert change(scene, 'rear', 'configure')
    assert len(engines) == 2


def test_parameters_of_one_camera_count_for_it_alone(cameras, image, graph):
    scene = cameras(own={'rear': {'max_people': 7}})
    show(scene, 'front', image(1.0))
    assert scene.engine.settings.max_people == 100
    show(scene, 'rear', image(1.0))
    assert scene.engine.settings.max_people == 7
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    parameter = Parameter('max_people', value=3).to_parameter_msg()
    request = SetParameters.Request(parameters=[parameter])
    (result,) = graph.call(SetParameters, 'front/tracker_node/set_parameters', request).results
    assert result.successful
    show(scene, 'rear', image(1.1))
    assert scene.engine.settings.max_people == 7
    show(scene, 'front', image(1.1))
    assert scene.engine.settings.max_people == 3


@pytest.mark.parametrize('is_shared', [True, False])
def test_a_person_enrolled_on_one_camera_is_named_on_the_others_if_the_gallery_is_shared(
    cameras, image, is_shared, tmp_path
):
    from pose_tracking_ros.srv import EnrollPerson

    scene = cameras(share_gallery=is_shared, gallery_name_after_s=0.0)
    for number in range(4):
        (pose,) = show(scene, 'front', image(1.0 + number / 10)).poses
        show(scene, 'rear', image(1.0 + number / 10))
    request = EnrollPerson.Request(track_id=pose.track_id, person_id='Anna')
    service = 'front/tracker_node/enroll_person'
    assert scene.graph.call(EnrollPerson, service, request).success
    named = {n: show(scene, n, image(1.5)).poses[0].person_id for n in ('front', 'rear')}
    assert named == {'front': 'Anna', 'rear': 'Anna' if is_shared else ''}


def test_a_camera_that_cannot_be_configured_is_left_out(cameras, image, tmp_path):
    damaged = tmp_path / 'people.safetensors'
    damaged.write_bytes(b'no gallery')
    scene = cameras(own={'rear': {'gallery_file': str(damaged)}})
    assert scene.is_started
    assert [state_of(tracker) for tracker in scene.trackers.values()] == ['active', 'unconfigured']
    assert show(scene, 'front', image(1.0)).sequence == 1
    damaged.unlink()
    assert change(scene, 'rear', 'configure')


def test_an_unexpected_error_of_one_camera_is_told_and_the_others_go_on(cameras, image, capfd):
    scene = cameras()
    front = scene.trackers['front']

    def fail(*arguments, **options):
        raise KeyError('a bug')

    front._outputs.publish = fail
    scene.publishers['front'].publish(image(1.0))
    scene.graph.until(lambda: scene.node._told, 'told')
    assert "KeyError: 'a bug'" in capfd.readouterr().err
    assert show(scene, 'rear', image(1.0)).sequence == 1


def test_a_tracker_by_itself_stands_beside_them(graph, cameras, image, engine):
    from pose_tracking_ros.msg import TrackedPoseArray

    scene = cameras()
    poses = graph.listen(TrackedPoseArray, 'tracked_poses')
    other = type(engine)()
    alone, camera = graph.tracker(other), graph.camera()
    graph.until(lambda: 'reliable)' in alone._input.description, 'reliable')
    graph.connect(camera, alone)
    graph.connect(alone._outputs._poses)
    camera.publish(image(1.0))
    graph.until(lambda: poses, 'poses')
    show(scene, 'front', image(1.0))
    assert (len(other.images), len(scene.engine.images)) == (1, 1)
    assert not scene.poses['rear']


@pytest.mark.parametrize(
    ('cameras', 'words'),
    [
        (' , ', 'expected names'),
        ('front,/x/front', 'more than once'),
        ('front,2nd', "'2nd'"),
        ('front rear', "'front rear'"),
    ],
)
def test_names_that_cannot_be_are_told(cameras, words):
    from pose_tracking_ros.ros.multi_camera_node import camera_namespaces

    with pytest.raises(ValueError, match=words):
        camera_namespaces(cameras, '/x')


def test_names_are_completed_by_the_namespace():
    from pose_tracking_ros.ros.multi_camera_node import camera_namespaces

    assert camera_namespaces('front, /rear,arm/left', '/') == ['/front', '/rear', '/arm/left']
    assert camera_namespaces('front,/rear/', '/robot') == ['/robot/front', '/rear']


PROGRAM = """
import numpy as np, time
from pose_tracking_ros.people import People
from pose_tracking_ros.ros import program
from pose_tracking_ros.ros.multi_camera_node import MultiCameraNode

class Engine:
    model_id = device_name = 'paper'
    fallback_reason = ''
    embedding_dim = 0
    def warm_up(self):
        pass
    def apply_settings(self, settings):
        pass
    def infer(self, image):
        print('busy', flush=True)
        time.sleep({infer_s})
        return People.none((image.shape[1], image.shape[0]))

class Node(MultiCameraNode):
    def start(self):
        started = super().start()
        print('started', flush=True)
        return started

program.leave(program.run(lambda: Node(lambda settings: Engine())))
"""


@pytest.fixture
def process(graph):
    """Start the program with arguments; it is ended after the test."""
    started = []

    def start(infer_s, *arguments):
        line = [sys.executable, '-c', PROGRAM.format(infer_s=infer_s), '--ros-args']
        line += ['-r', f'__ns:={graph.namespace}', '-p', 'cameras:=front,rear', *arguments]
        one = subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONUNBUFFERED': '1'},
        )
        started.append(one)
        for text in one.stdout:
            if 'started' in text:
                return one
        pytest.fail(f'ended before it was started:\n{one.stderr.read()}')

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


def end(process, signal_number):
    began_s = time.monotonic()
    process.send_signal(signal_number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert 'Traceback' not in errors
    # A program that does not end by itself is far beyond.
    assert time.monotonic() - began_s < 3 * PATIENCE_S
    return errors


def test_the_program_takes_sections_of_cameras_and_remappings_and_ends_on_a_signal(
    process, graph, tmp_path
):
    from rcl_interfaces.srv import GetParameters

    file = tmp_path / 'parameters.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    max_people: 9\n    max_lost_s: 3.0\n'
        f'{graph.namespace}/rear/tracker_node:\n  ros__parameters:\n    max_people: 4\n'
    )
    running = process(0, '--params-file', str(file), '-r', 'image:=colour/image')
    for name, expected in (('front', 9), ('rear', 4)):
        request = GetParameters.Request(names=['max_people', 'max_lost_s'])
        service = f'{name}/tracker_node/get_parameters'
        people, lost = graph.call(GetParameters, service, request).values
        assert (people.integer_value, lost.double_value) == (expected, 3.0)
        topic = f'{graph.namespace}/{name}/colour/image'
        graph.until(lambda t=topic: graph.peer.count_subscribers(t), f'subscriber of {topic}')
    errors = end(running, signal.SIGTERM)
    # Parameters of the others are not taken for misspelt ones.
    assert 'is not known' not in errors


def test_a_signal_ends_the_program_while_the_network_is_busy(process, graph, image):
    camera = graph.camera(topic='front/image')
    running = process(60)

    def is_busy():
        camera.publish(image(1.0))
        graph.spin_for(0.1)
        has_said, _, _ = select.select([running.stdout], [], [], 0)
        return has_said and 'busy' in running.stdout.readline()

    graph.until(is_busy, 'inference')
    end(running, signal.SIGINT)
