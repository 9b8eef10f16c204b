"""The nodes as programs: they start, answer signals in every state, end with the right code."""

import os
import select
import signal

import cv2
import numpy as np
import pytest
from program_runs import end, programs, wait_for

__all__ = ['programs']

# The tracker node with a network on paper, which may be busy in Python or in a C library: there,
# not even Python's signal handlers run.
TRACKER = """
import hashlib, time
from pose_tracking_ros.people import People
from pose_tracking_ros.ros import program
from pose_tracking_ros.ros.tracker_node import TrackerNode

def compute(minutes):
    hashlib.pbkdf2_hmac('sha256', b'', b'', 100_000_000 * minutes)

class Engine:
    model_id = device_name = 'paper'
    fallback_reason = ''
    embedding_dim = 4
    def warm_up(self):
        print('loading', flush=True)
        {load}
    def infer(self, image):
        print('busy', flush=True)
        {infer}
        return People.none((image.shape[1], image.shape[0]), dim=4)

class Node(TrackerNode):
    def start(self):
        started = super().start()
        print('started', flush=True)
        return started

program.leave(program.run(lambda: Node(lambda settings: Engine())))
"""


def tracker(load='pass', infer='pass', namespace='/end', **parameters):
    """Return the arguments that start it."""
    given = (word for name, value in parameters.items() for word in ('-p', f'{name}:={value}'))
    return (
        *('-c', TRACKER.format(load=load, infer=infer)),
        *('--ros-args', '-r', f'__ns:={namespace}', *given),
    )


# A signal in every state of the tracker.


def test_a_signal_ends_the_tracker_and_its_shared_memory_is_given_back(programs):
    process = programs.start(*tracker())
    wait_for(process, 'started')
    ended = end(process, signal.SIGTERM)
    ended.assert_clean()
    # Otherwise nothing would be looked for, here and in the other tests.
    assert ended.segments or not os.path.isdir('/dev/shm')


@pytest.mark.parametrize(
    ('load', 'signal_number'),
    [
        ('time.sleep(60)', signal.SIGINT),
        ('time.sleep(60)', signal.SIGTERM),
        ('compute(minutes=1)', signal.SIGTERM),
    ],
    ids=['python-int', 'python-term', 'library-term'],
)
def test_a_signal_ends_the_tracker_while_it_loads(programs, load, signal_number):
    process = programs.start(*tracker(load=load))
    wait_for(process, 'loading')
    end(process, signal_number).assert_clean()


@pytest.mark.parametrize(
    ('state', 'signal_number'),
    [
        ('unconfigured', signal.SIGINT),
        ('inactive', signal.SIGTERM),
        ('active', signal.SIGINT),
        ('deactivated', signal.SIGTERM),
        ('finalized', signal.SIGINT),
    ],
)
def test_a_signal_ends_the_tracker_in_every_state(programs, graph, state, signal_number):
    """Wherever a life cycle manager has led it."""
    from lifecycle_msgs.srv import ChangeState

    process = programs.start(*tracker(namespace=graph.namespace, autostart='false'))
    wait_for(process, 'started')
    transitions = {
        'unconfigured': [],
        'inactive': ['configure'],
        'active': ['configure', 'activate'],
        'deactivated': ['configure', 'activate', 'deactivate'],
        'finalized': ['configure', 'activate', 'shutdown'],
    }[state]
    for label in transitions:
        request = ChangeState.Request()
        request.transition.label = label
        assert graph.call(ChangeState, 'tracker_node/change_state', request).success
    end(process, signal_number).assert_clean()


def test_a_signal_ends_the_tracker_while_a_manager_has_it_configured(programs, graph):
    """The executor is in the callback of a service, and that in a C library."""
    from lifecycle_msgs.srv import ChangeState

    process = programs.start(
        *tracker(load='compute(minutes=1)', namespace=graph.namespace, autostart='false')
    )
    wait_for(process, 'started')
    client = graph.peer.create_client(ChangeState, 'tracker_node/change_state')
    graph.until(client.service_is_ready, 'service')
    request = ChangeState.Request()
    request.transition.label = 'configure'
    client.call_async(request)
    graph.spin_for(0.05)
    wait_for(process, 'loading')
    end(process, signal.SIGINT).assert_clean()


def busy_tracker(programs, graph, image, infer, **environment):
    """Return a tracker inside `infer`."""
    camera = graph.camera()
    process = programs.start(*tracker(infer=infer, namespace=graph.namespace), **environment)
    wait_for(process, 'started')

    def is_busy():
        camera.publish(image(1.0))
        graph.spin_for(0.05)
        has_said, _, _ = select.select([process.stdout], [], [], 0)
        return has_said and 'busy' in process.stdout.readline()

    graph.until(is_busy, 'inference')
    return process


@pytest.mark.parametrize(
    'infer', ['time.sleep(60)', 'compute(minutes=1)'], ids=['python', 'library']
)
def test_signals_end_the_tracker_during_an_inference_of_a_minute(programs, graph, image, infer):
    """A second one, while it ends already, changes nothing."""
    process = busy_tracker(programs, graph, image, infer)
    process.send_signal(signal.SIGINT)
    graph.spin_for(0.2)
    assert process.poll() is None
    end(process, signal.SIGTERM).assert_clean()


def test_the_image_at_hand_is_published(programs, graph, image):
    from pose_tracking_ros.msg import TrackedPoseArray

    poses = graph.listen(TrackedPoseArray, 'tracked_poses')
    camera = graph.camera()
    process = programs.start(*tracker(infer='time.sleep(0.3)', namespace=graph.namespace))
    wait_for(process, 'started')

    def is_connected():
        camera.publish(image(1.0))
        graph.spin_for(0.05)
        return poses

    graph.until(is_connected, 'poses')
    graph.until(lambda: camera.wait_for_all_acked(), 'acknowledged')
    graph.spin_for(0.7)
    before = len(poses)
    camera.publish(image(2.0))
    # So many lines are there already.
    for _ in range(before + 1):
        wait_for(process, 'busy')
    ended = end(process, signal.SIGINT)
    ended.assert_clean()
    if ended.taken_s > 0.2:
        pytest.skip('the machine is too busy to tell whether the image had the time it needs')
    graph.until(lambda: len(poses) > before, 'poses')
    assert poses[-1].header.stamp.sec == 2


HALF_MADE = """
import time
from pose_tracking_ros.ros import program
from pose_tracking_ros.ros.tracker_node import TrackerNode

class Node(TrackerNode):
    def create_service(self, *arguments, **options):
        print('making', flush=True)
        time.sleep(60)

program.leave(program.run(Node))
"""


def test_a_signal_while_the_node_is_made_leaves_no_shared_memory(programs):
    process = programs.start('-c', HALF_MADE)
    wait_for(process, 'making')
    end(process, signal.SIGINT).assert_clean()


# The other programs.


def test_a_signal_ends_the_video_source_while_it_plays(programs, tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((32, 48, 3), np.uint8))
    process = programs.start(
        *('-m', 'pose_tracking_ros.ros.video_source', '--ros-args', '-p', f'video:={tmp_path}')
    )
    wait_for(process, 'playing', 'stderr')
    end(process, signal.SIGTERM).assert_clean()


def test_a_signal_ends_the_recorder_with_a_bag_that_can_be_read(programs, graph, tmp_path):
    from pose_tracking_ros.msg import TrackedPoseArray

    from pose_tracking_ros.recordings.bag_reader import BagReader

    bag = tmp_path / 'bag'
    process = programs.start(
        *('-m', 'pose_tracking_ros.ros.pose_recorder', '--ros-args'),
        *('-r', f'__ns:={graph.namespace}', '-p', f'output:={bag}'),
    )
    wait_for(process, 'recording', 'stderr')
    tracker_node = graph.peer.create_publisher(TrackedPoseArray, 'tracked_poses', 10)
    graph.until(tracker_node.get_subscription_count, 'recorder')
    for number in range(5):
        tracker_node.publish(TrackedPoseArray(sequence=number))
    assert tracker_node.wait_for_all_acked()
    ended = end(process, signal.SIGINT)
    ended.assert_clean()
    assert 'recorded' in ended.said
    with BagReader(bag) as reader:
        assert list(reader.messages(f'{graph.namespace}/tracked_poses'))


def test_one_signal_to_a_group_of_programs_ends_all_of_them(programs, graph):
    """As from a terminal, to what the launch file of several cameras has started."""
    started = [
        programs.start(*tracker(namespace=f'{graph.namespace}/{camera}'))
        for camera in ('front', 'rear')
    ]
    for process in started:
        wait_for(process, 'started')
    # Twice, as a terminal and launch both send it.
    for process in started:
        process.send_signal(signal.SIGINT)
    # Each maps the memory of the others, too: all have to be gone before one can look.
    ended = [end(process, signal.SIGINT) for process in started]
    for program in ended:
        program.assert_clean()


# Ends without a signal.

# When somebody else shuts the context down, whatever is published fails.
FAILING = """
import rclpy
from pose_tracking_ros.ros import program

class Node(rclpy.node.Node):
    def __init__(self):
        super().__init__('failing')
        self.node = self
    def start(self):
        if {is_ended}:
            rclpy.shutdown()
        {failure}
    def stop(self, timeout_s):
        return True

program.leave(program.run(Node))
"""


@pytest.mark.parametrize('failure', ["raise RuntimeError('cannot publish')", 'return False'])
@pytest.mark.parametrize(('is_ended', 'code'), [(True, 0), (False, 1)])
def test_what_fails_since_the_context_is_gone_is_no_error(programs, is_ended, code, failure):
    process = programs.start('-c', FAILING.format(is_ended=is_ended, failure=failure))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert ('Traceback' in errors) == ('raise' in failure and not is_ended)


HALF_RELEASED = """
import rclpy
from pose_tracking_ros.ros import program

class Node(rclpy.node.Node):
    def __init__(self):
        super().__init__('half_made')
        self.node = self
    def start(self):
        raise KeyboardInterrupt
    def stop(self, timeout_s):
        return True
    def destroy_node(self):
        raise ValueError('list.remove(x): x not in list')

program.leave(program.run(Node))
"""


def test_a_node_that_is_interrupted_while_it_is_made_ends_with_0(programs):
    process = programs.start('-c', HALF_RELEASED)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert 'Traceback' not in errors


@pytest.mark.parametrize(
    ('program', 'parameter', 'words'),
    [
        ('tracker_node', 'max_lost_s:=-1.0', ['max_lost_s', 'at least 0.0 s', '-1.0']),
        ('video_source', 'video:=/nowhere/clip.avi', ['/nowhere/clip.avi', 'no such file']),
    ],
)
def test_what_cannot_work_ends_the_program_with_1_and_one_reason(
    programs, program, parameter, words
):
    process = programs.start(
        '-m', f'pose_tracking_ros.ros.{program}', '--ros-args', '-p', parameter
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'Traceback' not in errors
    for word in words:
        assert word in errors


def test_the_video_source_ends_with_0_at_the_end(programs, tmp_path):
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.zeros((32, 48, 3), np.uint8))
    parameters = {'video': tmp_path, 'rate_hz': 50, 'loop': False, 'exit_at_end': True}
    process = programs.start(
        '-m', 'pose_tracking_ros.ros.video_source', '--ros-args',
        *(word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')),
    )  # fmt: skip
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert 'Traceback' not in errors
    assert '3 images' in errors
