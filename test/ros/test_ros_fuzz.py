"""Ten thousand messages of every kind of nonsense over DDS: no crash, none lost silently."""

import random
import time

import cv2
import numpy as np
import pytest

SEED = 20240607
# As many calibrations as a subscriber of sensor data keeps.
ROUNDS, INFOS_PER_ROUND = 1430, 5
SIDES = (0, 1, 2, 3, 7, 16, 64)


class Nonsense:
    """Makes messages that are right in a random selection of their parts."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one_of(self, *choices):
        return self.random.choice(choices)

    def bytes_of(self, count):
        return self.random.randbytes(count)

    def fill_header(self, header):
        sec = self.one_of(0, 1, 1_700_000_000, self.random.randrange(-(2**31), 2**31))
        header.stamp.sec = sec
        header.stamp.nanosec = self.one_of(0, 5, 999_999_999, 2**32 - 1)
        header.frame_id = self.one_of('', 'camera', 'ü/ñ', 'x' * 1000)

    def image(self):
        from sensor_msgs.msg import Image

        from pose_tracking_ros.image_decoding import ENCODINGS

        message = Image()
        self.fill_header(message.header)
        if self.random.randrange(4) == 0:
            # Only the stamp may be odd.
            width, height = self.one_of(1, 7, 64), self.one_of(1, 16)
            message.width, message.height, message.step = width, height, 3 * width
            message.encoding, message.data = 'bgr8', self.bytes_of(3 * width * height)
            return message
        message.encoding = self.one_of(*ENCODINGS, '', 'jpeg', 'rgb8 ', 'é', 'y' * 5000)
        width, height = self.one_of(*SIDES), self.one_of(*SIDES)
        sample = 8 if '16' in message.encoding else 4
        right = int(width * self.one_of(1, 2, 3, sample))
        message.step = self.one_of(right, right, right + 5, 0, 1, 2**32 - 1)
        count = min(height * message.step * self.one_of(1, 1, 2, 3), 20_000)
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
        rows = self.one_of(1, 2, 48)
        picture = np.frombuffer(self.bytes_of(rows * 99), np.uint8).reshape(rows, 33, 3)
        content = bytearray(cv2.imencode(self.one_of('.jpg', '.png', '.bmp'), picture)[1])
        if self.random.randrange(4) == 0:
            message.format, message.data = 'png', cv2.imencode('.png', picture)[1].tobytes()
            return message
        for _ in range(self.one_of(0, 0, 1, 20)):
            content[self.random.randrange(len(content))] = self.random.randrange(256)
        keep = self.one_of(len(content), len(content), self.random.randrange(len(content)))
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
        message.distortion_model = self.one_of('', 'plumb_bob', 'equidistant', 'no such', 'ß' * 99)
        if self.one_of(True, False):
            message.k[0] = message.k[4] = 500.0
        return message

    def on_the_wire(self, message):
        """Return the message, or in one of eight cases bytes that are none; and whether it is."""
        from rclpy.serialization import deserialize_message, serialize_message

        if self.random.randrange(8):
            return message, True
        content = bytearray(serialize_message(message))
        kind = self.one_of('cut', 'changed', 'random')
        if kind == 'cut':
            content = content[: self.random.randrange(len(content))]
        elif kind == 'changed':
            for _ in range(5):
                content[self.random.randrange(len(content))] = self.random.randrange(256)
        else:
            content = self.bytes_of(self.random.randrange(1, 500))
        try:
            changed = deserialize_message(bytes(content), type(message))
        except RuntimeError:
            return bytes(content), False
        return changed, True


def sum_of_fates(counts):
    return sum(number for what, number in counts.items() if what != 'received')


def can_be_used(info):
    focal_and_centre = [info.k[place] for place in (0, 4, 2, 5)]
    return bool(np.isfinite(focal_and_centre).all() and min(focal_and_centre[:2]) > 0)


def take(subscription):
    """Do what an executor does for a subscription, and nothing for the node's thirty others.

    That makes the test four times faster.
    """
    with subscription.handle:
        taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    if taken is not None:
        subscription.callback(taken[0])


def test_ten_thousand_messages_of_nonsense_neither_crash_the_node_nor_vanish(graph, engine, image):
    """To two trackers, of plain and of compressed images: seven of ten are calibrations."""
    from diagnostic_msgs.msg import DiagnosticArray
    from pose_tracking_ros.msg import TrackedPoseArray
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image
    from visualization_msgs.msg import MarkerArray

    compressed_engine = type(engine)()
    started_s = time.monotonic()
    poses = graph.listen(TrackedPoseArray, 'tracked_poses')
    diagnostics = graph.listen(DiagnosticArray, '/diagnostics', 100)
    # Somebody looks at the markers, so that calibrations are wanted all the time.
    graph.listen(MarkerArray, 'tracker_node/markers')
    infos = graph.peer.create_publisher(CameraInfo, 'camera_info', 10)
    plain = graph.camera()
    compressed = graph.camera(topic='image/compressed', message_type=CompressedImage)
    options = {'max_stamp_offset_s': 10.0, 'max_markers_hz': 1000.0, 'diagnostics_period_s': 0.2}
    trackers = [
        graph.tracker(engine, **options),
        graph.tracker(compressed_engine, image_transport='compressed', **options),
    ]
    for tracker, camera in zip(trackers, (plain, compressed), strict=True):
        graph.until(lambda t=tracker: 'reliable)' in t._input.description, 'reliable')
        graph.connect(camera, tracker)
        graph.connect(infos, tracker)
    nonsense = Nonsense(SEED)
    unreadable = {CameraInfo: 0, Image: 0, CompressedImage: 0}
    unusable_infos = 0

    def publish(publisher, message):
        content, is_message = nonsense.on_the_wire(message)
        unreadable[type(message)] += not is_message
        publisher.publish(content)
        return content if is_message else None

    def has_arrived(rounds):
        return all(
            t._intake.counts()['received'] == rounds
            and t._camera_info_input.counts()['received'] == INFOS_PER_ROUND * rounds
            for t in trackers
        )

    for sent in range(1, ROUNDS + 1):
        publish(plain, nonsense.image())
        publish(compressed, nonsense.compressed())
        for _ in range(INFOS_PER_ROUND):
            info = publish(infos, nonsense.camera_info())
            unusable_infos += info is None or not can_be_used(info)
        if sent % 40 == 0:
            graph.until(lambda n=sent: has_arrived(n), 'arrived')
        end_s = time.monotonic() + 30
        while not has_arrived(sent):
            for tracker in trackers:
                take(tracker._input._subscription)
                take(tracker._camera_info_input._subscription)
            assert time.monotonic() < end_s
        while any(sum_of_fates(t._intake.counts()) < sent for t in trackers):
            for tracker in trackers:
                tracker._worker.raise_failure()
            assert time.monotonic() < end_s
            time.sleep(3e-4)

    for tracker, kind in zip(trackers, (Image, CompressedImage), strict=True):
        counts = tracker._intake.counts()
        assert counts['received'] == sum_of_fates(counts) == ROUNDS
        assert counts['dropped'] == counts['skipped'] == counts['failed'] == 0
        # Nonsense, but not only: the test would prove little if everything were refused.
        assert counts['processed'] > ROUNDS / 5
        assert counts['refused'] > ROUNDS / 4
        reports = tracker._health.counts()
        assert reports['message'] == unreadable[kind] > ROUNDS / 20
        assert reports['message'] + reports['image'] == counts['refused']
        assert tracker._camera_info_input.counts() == {
            'received': INFOS_PER_ROUND * ROUNDS, 'refused': unusable_infos,
        }  # fmt: skip
        assert reports['camera_info_message'] == unreadable[CameraInfo]
        # Throttled: a kind warns at once, and then every ten seconds at most.
        rounds_of_warnings = 1 + (time.monotonic() - started_s) / 10
        assert len(tracker.warnings) <= len(reports) * rounds_of_warnings
    counted = trackers[1]._intake.counts() | {'received': ROUNDS}

    def is_told():
        told = {pair.key: pair.value for pair in diagnostics[-1].status[0].values}
        return told['camera_info refused'] == str(unusable_infos) and all(
            told[f'images {what}'] == str(number) for what, number in counted.items()
        )

    graph.until(lambda: diagnostics and is_told(), 'diagnostics')
    for camera, stamp_s in ((plain, 7), (compressed, 9)):
        if camera is plain:
            good = image(stamp_s)
        else:
            good = CompressedImage(format='png')
            good.data = cv2.imencode('.png', np.full((160, 160, 3), 99, np.uint8))[1].tobytes()
            good.header.stamp.sec = stamp_s
        camera.publish(good)
        graph.until(
            lambda s=stamp_s: [
                a for a in poses if a.header.stamp.sec == s and a.image_width == 160
            ],
            'the good image',
        )
        assert [pose for pose in poses[-1].poses if pose.is_matched]


@pytest.mark.parametrize(
    'content',
    [b'', b'\x00\x01', b'\x00\x01\x00\x00' + b'\xff' * 60],
    ids=['nothing', 'two', 'ones'],
)
def test_bytes_that_are_no_message_are_counted_and_explained(scene, image, graph, content):
    """A publisher of another definition of the message, or of a recording that was cut off."""
    scene = scene()
    scene.show(image(1.0))
    for _ in range(3):
        scene.camera.publish(content)
        before = scene.tracker._intake.counts()['received']
        graph.until(
            lambda n=before: scene.tracker._intake.counts()['received'] == n + 1, 'received'
        )
    assert scene.tracker._intake.counts()['refused'] == 3
    (warning,) = scene.tracker.warnings
    assert warning == scene.tracker._health.active()['message']
    for words in (f'{len(content)} bytes', 'no sensor_msgs/msg/Image', '/image', 'ros2 bag info'):
        assert words in warning
    array = scene.show(image(1.1))
    assert len(array.poses) == 1
    assert 'message' not in scene.tracker._health.active()


def test_nonsense_calibrations_are_refused_or_give_rays(graph):
    """What a calibration must be for people in space, with lens distortion."""
    from pose_tracking_ros.lifting.camera_model import CameraModel, CameraModelError

    nonsense = Nonsense(SEED)
    pixels = np.array([[0.0, 0.0], [63.0, 15.0], [np.nan, np.nan]])
    usable = refused = 0
    for number in range(3000):
        info = nonsense.camera_info()
        if number % 2:
            # Only the distortion may be odd.
            info.k = [500.0, 0.0, 32.0, 0.0, 500.0, 8.0, 0.0, 0.0, 1.0]
            info.p = [500.0, 0.0, 32.0, 0.0, 0.0, 500.0, 8.0, 0.0, 0.0, 0.0, 1.0, 0.0]
            info.width, info.height, info.binning_x, info.roi.width = 64, 16, 0, 0
            strong = nonsense.one_of(-4.0, 1e308, np.nan, np.inf)
            info.d = [nonsense.one_of(0.0, 0.1, -0.3) for _ in range(nonsense.one_of(4, 5))]
            info.d[0] = nonsense.one_of(0.1, 0.1, strong)
            info.distortion_model = nonsense.one_of('plumb_bob', 'equidistant', 'no such')
        try:
            camera = CameraModel.from_message(
                info, (64, 16), is_rectified=nonsense.one_of(True, False)
            )
        except CameraModelError:
            refused += 1
            continue
        rays = camera.rays_from_pixels(pixels)
        assert np.isnan(rays[2]).any()
        assert not np.isinf(rays).any()
        usable += 1
    assert usable > 200
    assert refused > 1000
