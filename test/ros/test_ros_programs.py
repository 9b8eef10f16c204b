"""The nodes as programs: they start, answer signals, and end with the right code."""

import os
import select
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

PATIENCE_S = 5.0
"""An idle machine needs 0.3 s, and 1.8 s when it gives up on an image."""

# The tracker node with a network on paper, busy for a while with every image.
TRACKER = """
import time
from pose_tracking_ros.people import People
from pose_tracking_ros.ros import program
from pose_tracking_ros.ros.tracker_node import TrackerNode

class Engine:
    model_id = device_name = 'paper'
    fallback_reason = ''
    embedding_dim = 0
    def warm_up(self):
        print('loading', flush=True)
        time.sleep({load_s})
    def infer(self, image):
        print('busy', flush=True)
        time.sleep({infer_s})
        return People.none((image.shape[1], image.shape[0]))

class Node(TrackerNode):
    def start(self):
        started = super().start()
        print('started', flush=True)
        return started

program.leave(program.run(lambda: Node(lambda settings: Engine())))
"""


@pytest.fixture
def run(request):
    """Start Python with arguments in a graph of its own; the process is ended after the test."""
    processes = []

    def start(*arguments, **environment):
        environment = {**os.environ, 'PYTHONUNBUFFERED': '1', **environment}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(process, word):
    for line in process.stdout:
        if word in line:
            return
    pytest.fail(f'ended before it said {word!r}:\n{process.stderr.read()}')


def end_with(process, signal_number, times=1):
    """Send a signal and return seconds to the end, exit code and what was said on stderr."""
    began_s = time.monotonic()
    for _ in range(times):
        process.send_signal(signal_number)
    _, errors = process.communicate(timeout=30)
    return time.monotonic() - began_s, process.returncode, errors


@pytest.mark.parametrize(('signal_number', 'times'), [(signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_a_signal_ends_the_tracker_cleanly(run, signal_number, times):
    """Twice, as a terminal and launch both send it."""
    process = run('-c', TRACKER.format(load_s=0, infer_s=0), '--ros-args', '-r', '__ns:=/end')
    wait_for(process, 'started')
    seconds, code, errors = end_with(process, signal_number, times)
    assert code == 0, errors
    assert 'Traceback' not in errors
    assert seconds < PATIENCE_S


SIGNALS = pytest.mark.parametrize('signal_number', [signal.SIGINT, signal.SIGTERM])


@SIGNALS
def test_a_signal_ends_the_tracker_while_it_loads(run, signal_number):
    process = run('-c', TRACKER.format(load_s=60, infer_s=0))
    wait_for(process, 'loading')
    seconds, code, errors = end_with(process, signal_number)
    assert code == 0, errors
    assert 'Traceback' not in errors
    assert seconds < PATIENCE_S


@pytest.mark.parametrize(
    ('state', 'signal_number'),
    [
        ('unconfigured', signal.SIGINT),
        ('unconfigured', signal.SIGTERM),
        ('inactive', signal.SIGTERM),
        ('active', signal.SIGINT),
        ('deactivated', signal.SIGTERM),
    ],
)
def test_a_signal_ends_the_tracker_in_every_state(run, graph, state, signal_number):
    """Wherever a life cycle manager has led it."""
    from lifecycle_msgs.srv import ChangeState

    process = run(
        *('-c', TRACKER.format(load_s=0, infer_s=0)),
        *('--ros-args', '-r', f'__ns:={graph.namespace}', '-p', 'autostart:=false'),
    )
    wait_for(process, 'started')
    transitions = {
        'unconfigured': [],
        'inactive': ['configure'],
        'active': ['configure', 'activate'],
        'deactivated': ['configure', 'activate', 'deactivate'],
    }[state]
    for label in transitions:
        request = ChangeState.Request()
        request.transition.label = label
        assert graph.call(ChangeState, 'tracker_node/change_state', request).success
    seconds, code, errors = end_with(process, signal_number)
    assert code == 0, errors
    assert 'Traceback' not in errors
    assert seconds < PATIENCE_S


# Between the context's end and the interrupt of a signal lie a few instructions, in which whatever
# is published fails. They are too few to be hit by sending signals.
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
def test_what_fails_since_the_context_is_gone_is_no_error(run, is_ended, code, failure):
    process = run('-c', FAILING.format(is_ended=is_ended, failure=failure))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert ('Traceback' in errors) == ('raise' in failure and not is_ended)


HALF_MADE = """
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


def test_a_node_that_is_interrupted_while_it_is_made_ends_with_0(run):
    process = run('-c', HALF_MADE)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert 'Traceback' not in errors


@SIGNALS
def test_a_signal_ends_the_tracker_during_inference(run, graph, image, signal_number):
    camera = graph.camera()
    process = run(
        '-c', TRACKER.format(load_s=0, infer_s=60), '--ros-args', '-r', f'__ns:={graph.namespace}'
    )
    wait_for(process, 'started')

    def is_busy():
        camera.publish(image(1.0))
        graph.spin_for(0.1)
        has_said, _, _ = select.select([process.stdout], [], [], 0)
        return has_said and 'busy' in process.stdout.readline()

    graph.until(is_busy, 'inference')
    seconds, code, errors = end_with(process, signal_number)
    assert code == 0, errors
    assert 'Traceback' not in errors
    # 1.5 s for the image at hand, then it is left behind.
    assert seconds < PATIENCE_S


@pytest.mark.parametrize(
    ('program', 'parameter', 'words'),
    [
        ('tracker_node', 'max_lost_s:=-1.0', ['max_lost_s', 'at least 0.0 s', '-1.0']),
        ('video_source', 'video:=/nowhere/clip.avi', ['/nowhere/clip.avi', 'no such file']),
    ],
)
def test_what_cannot_work_ends_the_program_with_1_and_one_reason(run, program, parameter, words):
    process = run('-m', f'pose_tracking_ros.ros.{program}', '--ros-args', '-p', parameter)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'Traceback' not in errors
    for word in words:
        assert word in errors


def test_the_video_source_ends_with_0_at_the_end(run, tmp_path):
    for index in range(3):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.zeros((32, 48, 3), np.uint8))
    parameters = {'video': tmp_path, 'rate_hz': 50, 'loop': False, 'exit_at_end': True}
    process = run(
        '-m', 'pose_tracking_ros.ros.video_source', '--ros-args',
        *(word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')),
    )  # fmt: skip
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert 'Traceback' not in errors
    assert '3 images' in errors


def test_shared_memory_is_given_back(run):
    if not os.path.isdir('/dev/shm'):
        pytest.skip('no /dev/shm on this system')
    before = set(os.listdir('/dev/shm'))
    # A domain without others, whose memory it would map too.
    domain = str(1 + (os.getpid() + 50) % 100)
    process = run('-c', TRACKER.format(load_s=0, infer_s=0), ROS_DOMAIN_ID=domain)
    wait_for(process, 'started')
    mapped = {
        os.path.realpath(f'/proc/{process.pid}/map_files/{entry}')
        for entry in os.listdir(f'/proc/{process.pid}/map_files')
    }
    new = {f'/dev/shm/{name}' for name in set(os.listdir('/dev/shm')) - before}
    # Ports are shared between processes, segments are not.
    segments = [path for path in mapped & new if 'port' not in path]
    assert segments
    end_with(process, signal.SIGINT)
    assert [path for path in segments if os.path.exists(path)] == []
