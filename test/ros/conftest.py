"""A ROS graph of its own for each test: real rclpy, real Fast DDS, a network made of paper."""

import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

# Before rclpy is imported: tests hear neither other runs nor other machines.
# Processes that share the tests (pytest-xdist) have one parent and a number each.
_WORKER = os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')
_RUN = os.getppid() if 'PYTEST_XDIST_WORKER' in os.environ else os.getpid()
os.environ['ROS_DOMAIN_ID'] = str(1 + _RUN % 25 * 4 + int(_WORKER) % 4)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.pop('ROS_LOCALHOST_ONLY', None)

from pose_tracking_ros.people import People  # noqa: E402

TIMEOUT_S = 30.0
"""For what takes milliseconds on an idle machine."""


def pytest_collection_modifyitems(config, items):
    reason = _missing()
    if reason:
        here = os.path.dirname(__file__)
        for item in items:
            if str(item.path).startswith(here):
                item.add_marker(pytest.mark.skip(reason=reason))


def _missing():
    try:
        import rclpy  # noqa: F401
    except ImportError as error:
        return f'ROS 2 is not there ({error}): run make setup'
    try:
        import pose_tracking_ros.msg  # noqa: F401
    except ImportError as error:
        return f'the messages are not built ({error}): run make build and source scripts/env.sh'
    return ''


class PaperEngine:
    """Finds one person in every image that is not black.

    `gate` holds it up inside `infer`; `error` makes it fail once.
    """

    model_id = 'paper-00000000'
    device_name = 'paper'
    embedding_dim = 4
    fallback_reason = ''

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.is_busy = threading.Event()
        self.error = None
        self.settings = None
        self.images = []
        self.warm_ups = 0

    def apply_settings(self, settings):
        self.settings = settings

    def warm_up(self):
        self.warm_ups += 1

    def infer(self, image):
        self.is_busy.set()
        self.gate.wait()
        self.is_busy.clear()
        self.images.append(image)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        size = (image.shape[1], image.shape[0])
        if not image.any():
            return People.none(size, dim=4)
        xs, ys = np.meshgrid(np.linspace(45, 75, 17), [80.0])
        return People(
            boxes=np.array([[40.0, 20.0, 80.0, 140.0]]),
            scores=np.array([0.9]),
            keypoints=np.dstack([xs, ys]),
            keypoint_scores=np.full((1, 17), 0.8),
            embeddings=np.eye(1, 4),
            image_size=size,
        )


class Graph:
    """Nodes in one process, spun by the test itself: nothing happens between two `until`."""

    def __init__(self, namespace):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.namespace = namespace
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes = []
        self.matches = {}
        self.peer = self.add(rclpy.create_node('peer', **self.options()))
        self._watch(self.peer)

    def options(self, **parameters):
        from rclpy.parameter import Parameter

        return {
            'context': self.context,
            'namespace': self.namespace,
            'parameter_overrides': [Parameter(k, value=v) for k, v in parameters.items()],
        }

    def add(self, node):
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def tracker(self, engine, *, is_started=True, **parameters):
        """Add a tracker node and start it, unless told otherwise."""
        from pose_tracking_ros.ros.tracker_node import TrackerNode

        # Stamps in tests are small numbers.
        parameters = {'max_stamp_offset_s': 0.0, **parameters}

        def draw(image, tracks, trails):
            return 255 - image

        node = TrackerNode(lambda settings: engine, draw, **self.options(**parameters))
        node.warnings = []
        node._health._warn = node.warnings.append
        self._watch(node)
        self.add(node)
        if is_started:
            assert node.start()
        return node

    def _watch(self, node):
        """Let `matches` know which subscriptions of a node see a publisher.

        The publisher sees a subscriber earlier than the other way round; what it sends in between
        is lost, and a test that waits for it would wait in vain.
        """
        from rclpy.event_handler import SubscriptionEventCallbacks

        create = node.create_subscription

        def create_watched(message_type, topic, callback, qos, *, event_callbacks=None, raw=False):
            watched = event_callbacks or SubscriptionEventCallbacks()
            name = node.resolve_topic_name(topic)
            self.matches[node, name] = 0

            def count(event):
                self.matches[node, name] = event.current_count

            watched.matched = count
            return create(message_type, topic, callback, qos, event_callbacks=watched, raw=raw)

        node.create_subscription = create_watched

    def connect(self, publisher, node=None):
        """Wait until a publisher and the node's subscription know each other."""
        node = node or self.peer
        name = publisher.topic_name
        self.until(publisher.get_subscription_count, f'{name} has a subscriber')
        self.until(lambda: self.matches.get((node, name)), f'subscriber of {name} has a publisher')

    def until(self, condition, what='condition', timeout_s=TIMEOUT_S):
        """Spin until the condition holds; return its value."""
        end_s = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < end_s, f'not within {timeout_s} s: {what}'
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def spin_for(self, duration_s):
        """Spin for a while: only to see that something does *not* happen."""
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            self.executor.spin_once(timeout_sec=0.02)

    def listen(self, message_type, topic, qos=10):
        """Return a list that fills with what is published on a topic."""
        messages = []
        self.peer.create_subscription(message_type, topic, messages.append, qos)
        return messages

    def camera(self, *, reliability='reliable', topic='image', message_type=None):
        """Return a publisher of images."""
        from sensor_msgs.msg import Image

        from pose_tracking_ros.ros.qos import for_images

        return self.peer.create_publisher(message_type or Image, topic, for_images(reliability))

    def call(self, service_type, name, request):
        """Call a service and return its response."""
        client = self.peer.create_client(service_type, name)
        self.until(client.service_is_ready, f'service {name}')
        future = client.call_async(request)
        self.until(future.done, f'response of {name}')
        self.peer.destroy_client(client)
        return future.result()

    def close(self):
        for node in self.nodes:
            if hasattr(node, 'stop'):
                assert node.stop(TIMEOUT_S)
            node.destroy_node()
        self.executor.shutdown()
        self.context.shutdown()


@pytest.fixture
def graph(request):
    name = ''.join(c if c.isalnum() else '_' for c in request.node.name)
    graph = Graph(f'/{name}')
    yield graph
    graph.close()


@pytest.fixture
def engine():
    engine = PaperEngine()
    yield engine
    engine.gate.set()


def image_message(stamp_s, *, value=100, size=(160, 160), encoding='rgb8', frame_id='camera'):
    """An image message of one grey; `value=0` shows nobody to the paper engine."""
    from sensor_msgs.msg import Image

    from pose_tracking_ros.image_decoding import fill_image_message

    message = Image()
    fill_image_message(message, np.full((size[1], size[0], 3), value, np.uint8))
    message.encoding = encoding
    message.header.frame_id = frame_id
    message.header.stamp.sec = int(stamp_s)
    message.header.stamp.nanosec = round((stamp_s - int(stamp_s)) * 1e9)
    return message


@pytest.fixture
def scene(graph, engine):
    """A camera, a started tracker, and a listener to its poses, all connected."""
    from pose_tracking_ros.msg import TrackedPoseArray

    def make(**parameters):
        poses = graph.listen(TrackedPoseArray, 'tracked_poses')
        camera = graph.camera()
        tracker = graph.tracker(engine, **parameters)
        graph.until(lambda: 'reliable)' in tracker._input.description, 'reliable')
        graph.connect(camera, tracker)
        graph.connect(tracker._outputs._poses)

        def show(message, timeout_s=TIMEOUT_S):
            """Publish an image and return the poses that come of it."""
            before = len(poses)
            camera.publish(message)
            graph.until(lambda: len(poses) > before, 'tracked poses', timeout_s)
            return poses[-1]

        return SimpleNamespace(
            graph=graph,
            engine=engine,
            camera=camera,
            tracker=tracker,
            poses=poses,
            show=show,
        )

    return make


@pytest.fixture
def image():
    """The function that makes image messages."""
    return image_message
