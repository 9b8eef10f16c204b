"""Ten thousand messages of every kind of nonsense: no crash, none lost silently."""

import time

import cv2
import numpy as np
import pytest

SEED = 20240607
DIRECT, OVER_DDS = 9000, 1000
SIDES = (0, 1, 2, 3, 7, 16, 64, 200)


class Nonsense:
    """Makes messages that are right in a random selection of their parts."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def one_of(self, *choices):
        return choices[self.random.integers(len(choices))]

    def bytes_of(self, count):
        return self.random.integers(0, 256, count, dtype=np.uint8).tobytes()

    def fill_header(self, header):
        sec = self.one_of(0, 1, 1_700_000_000, int(self.random.integers(-(2**31), 2**31)))
        header.stamp.sec = sec
        header.stamp.nanosec = self.one_of(0, 5, 999_999_999, 2**32 - 1)
        header.frame_id = self.one_of('', 'camera', 'ü/ñ', 'x' * 1000)

    def image(self):
        from sensor_msgs.msg import Image

        from pose_tracking_ros.image_decoding import ENCODINGS

        message = Image()
        self.fill_header(message.header)
        message.encoding = self.one_of(*ENCODINGS, '', 'jpeg', 'rgb8 ', 'é', 'y' * 5000)
        width, height = self.one_of(*SIDES), self.one_of(*SIDES)
        sample = 8 if '16' in message.encoding else 4
        right = int(width * self.one_of(1, 2, 3, sample))
        message.step = self.one_of(right, right, right + 5, 0, 1, 2**32 - 1)
        count = min(height * message.step * self.one_of(1, 1, 2, 3), 200_000)
        count = self.one_of(count, count, max(count - 1, 0), count + 1, 0)
        message.data = self.bytes_of(count)
        message.width = self.one_of(width, width, width, 2**32 - 1)
        message.height = self.one_of(height, height, height, 2**32 - 1)
        message.is_bigendian = self.one_of(0, 1, 255)
        return message

    def compressed(self):
        from sensor_msgs.msg import CompressedImage

        message = CompressedImage()
        self.fill_header(message.header)
        message.format = self.one_of(
            '', 'jpeg', 'png', 'bgr8; jpeg compressed bgr8', 'bayer_rggb8; jpeg compressed',
            'bayer_xyz8; png compressed', '16UC1; compressedDepth', 'x' * 3000,
        )  # fmt: skip
        picture = self.random.integers(0, 256, (self.one_of(1, 2, 48), 33, 3), dtype=np.uint8)
        content = bytearray(cv2.imencode(self.one_of('.jpg', '.png', '.bmp'), picture)[1])
        for _ in range(self.one_of(0, 0, 1, 20)):
            content[self.random.integers(len(content))] = self.random.integers(256)
        keep = self.one_of(len(content), len(content), int(self.random.integers(len(content))))
        message.data = self.one_of(bytes(content[:keep]), self.bytes_of(50), b'', b'\xff\xd8')
        return message

    def camera_info(self):
        from sensor_msgs.msg import CameraInfo

        message = CameraInfo()
        self.fill_header(message.header)
        message.width, message.height = self.one_of(*SIDES), self.one_of(*SIDES)
        message.binning_x = self.one_of(0, 1, 2, 2**32 - 1)
        message.roi.width = message.roi.height = self.one_of(0, 0, 64, 2**32 - 1)
        numbers = (0.0, 1.0, -500.0, 1e308, np.nan, np.inf, -np.inf)
        message.k = [float(self.one_of(*numbers)) for _ in range(9)]
        message.d = [float(self.one_of(*numbers)) for _ in range(self.one_of(0, 5, 300))]
        return message


def sum_of_fates(counts):
    return sum(number for what, number in counts.items() if what != 'received')


def test_nonsense_neither_crashes_the_node_nor_vanishes(scene, image, graph):
    """Most goes into the callbacks as DDS would deliver it, a share through DDS itself."""
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import CameraInfo
    from visualization_msgs.msg import MarkerArray

    infos = graph.peer.create_publisher(CameraInfo, 'camera_info', qos_profile_sensor_data)
    # Somebody looks at the markers, so that calibrations are used.
    graph.listen(MarkerArray, 'tracker_node/markers')
    scene = scene(max_stamp_offset_s=10.0, max_markers_hz=1000.0)
    tracker, nonsense = scene.tracker, Nonsense(SEED)
    graph.connect(infos, tracker)
    sent = 0

    def settle():
        end_s = time.monotonic() + 20
        while sum_of_fates(tracker._intake.counts()) < sent:
            tracker._worker.raise_failure()
            assert time.monotonic() < end_s, tracker._intake.counts()
            time.sleep(1e-4)

    for number in range(DIRECT):
        make = (nonsense.image, nonsense.image, nonsense.compressed, nonsense.camera_info)[
            number % 4
        ]
        message = make()
        message = deserialize_message(serialize_message(message), type(message))
        if number % 4 == 3:
            tracker._receive_camera_info(message)
            continue
        tracker._receive(message)
        sent += 1
        settle()
    for number in range(OVER_DDS):
        if number % 4 == 3:
            infos.publish(nonsense.camera_info())
            continue
        scene.camera.publish(nonsense.image())
        sent += 1
        graph.until(lambda n=sent: tracker._intake.counts()['received'] == n, 'received')
        settle()
    counts = tracker._intake.counts()
    assert counts['received'] == sum_of_fates(counts) == sent
    assert counts['dropped'] == counts['skipped'] == 0
    # Nonsense, but not only: the test would prove little if everything were refused.
    assert counts['processed'] > 200
    assert counts['refused'] > 2000
    # Throttled: one per kind and ten seconds, however much comes.
    assert len(tracker.warnings) < 100
    before = len(scene.poses)
    scene.camera.publish(image(5.0))
    graph.until(lambda: len(scene.poses) > before, 'poses')
    graph.until(lambda: scene.poses[-1].header.stamp.sec == 5, 'the good image')
    assert [pose for pose in scene.poses[-1].poses if pose.is_matched]


def test_compressed_nonsense_over_dds(graph, engine):
    from pose_tracking_ros.msg import TrackedPoseArray
    from sensor_msgs.msg import CompressedImage

    poses = graph.listen(TrackedPoseArray, 'tracked_poses')
    camera = graph.camera(topic='image/compressed', message_type=CompressedImage)
    tracker = graph.tracker(engine, image_transport='compressed')
    graph.until(lambda: 'reliable)' in tracker._input.description, 'connected')
    graph.connect(camera, tracker)
    graph.connect(tracker._outputs._poses)
    nonsense = Nonsense(SEED + 1)
    for sent in range(1, 301):
        camera.publish(nonsense.compressed())
        graph.until(lambda n=sent: sum_of_fates(tracker._intake.counts()) == n, 'fate')
    good = CompressedImage(format='png')
    good.data = cv2.imencode('.png', np.full((160, 160, 3), 99, np.uint8))[1].tobytes()
    good.header.stamp.sec = 3
    camera.publish(good)
    graph.until(lambda: tracker._intake.counts()['received'] == 301, 'the good image')
    graph.until(
        lambda: poses and poses[-1].header.stamp.sec == 3 and poses[-1].image_width == 160, 'poses'
    )
    assert tracker._intake.counts()['refused'] > 50


@pytest.mark.parametrize(
    'content',
    [b'', b'\x00\x01', b'\x00\x01\x00\x00' + b'\xff' * 60],
    ids=['nothing', 'two', 'ones'],
)
def test_bytes_that_are_no_image_message_at_all(scene, image, graph, content):
    """A publisher of another version of the message, or of a bag that was cut off."""
    scene = scene()
    scene.show(image(1.0))
    try:
        scene.camera.publish(content)
    except RuntimeError:
        pytest.skip('this middleware refuses to send it')
    graph.spin_for(0.3)
    array = scene.show(image(1.1))
    assert len(array.poses) == 1
