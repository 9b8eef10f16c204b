"""The video source node: rate, stamps, looping, the end."""

import itertools
import time

import cv2
import numpy as np
import pytest

RATE_HZ = 20.0
COUNT = 6


class PaperSource:
    """Images whose grey is their number."""

    name = 'paper'
    frame_count = COUNT
    image_size = (64, 48)
    rate_hz = RATE_HZ
    intrinsics = None

    def __init__(self, count=COUNT):
        self.count = count
        self.is_closed = False

    def __iter__(self):
        for index in range(self.count):
            yield index / RATE_HZ, np.full((48, 64, 3), (index, 10, 20), np.uint8)

    def close(self):
        self.is_closed = True


@pytest.fixture
def play(graph):
    """Start a video source on paper; return the node, its source, images and camera infos."""
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import CameraInfo, Image

    from pose_tracking_ros.ros.video_source import VideoSourceNode

    def start(source=None, **parameters):
        source = source or PaperSource()
        # Deep enough that nothing is replaced before the test has seen it.
        images = graph.listen(Image, 'image', QoSProfile(depth=100))
        infos = graph.listen(CameraInfo, 'camera_info', QoSProfile(depth=100))
        node = VideoSourceNode(
            lambda video, rate_hz: source,
            **graph.options(wait_for_subscriber=True, **parameters),
        )
        graph.add(node)
        graph.connect(node._images)
        graph.connect(node._infos)
        assert node.start()
        return node, source, images, infos

    return start


def seconds_of(message):
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def test_images_come_in_order_with_the_intervals_of_the_source(graph, play):
    node, source, images, infos = play(loop=False)
    graph.until(lambda: len(images) == COUNT and len(infos) == COUNT, 'images')
    graph.until(lambda: node.is_finished, 'end')
    assert source.is_closed
    assert node.published == COUNT
    assert [image.data[0] for image in images] == list(range(COUNT))
    np.testing.assert_allclose(np.diff([seconds_of(i) for i in images]), 1 / RATE_HZ, atol=1e-6)
    assert abs(seconds_of(images[0]) - time.time()) < 60
    assert {image.header.frame_id for image in images} == {'camera_optical_frame'}
    assert [image.header for image in images] == [info.header for info in infos]


def test_images_come_at_the_rate_of_the_source(graph, play):
    _, _, images, _ = play(PaperSource(20), loop=False, stamp='now')
    graph.until(lambda: len(images) == 20, 'images')
    # The clock of publication: at least the nominal time, a busy machine may take longer.
    assert seconds_of(images[-1]) - seconds_of(images[0]) > 0.95 * 19 / RATE_HZ


def test_time_jumps_back_when_a_source_with_its_own_stamps_loops(graph, play):
    _, _, images, _ = play(loop=True)
    graph.until(lambda: len(images) > 2 * COUNT, 'images')
    assert seconds_of(images[COUNT]) == seconds_of(images[0])
    assert images[COUNT].data[0] == 0


def test_time_goes_on_when_the_clock_stamps(graph, play):
    _, _, images, _ = play(loop=True, stamp='now')
    graph.until(lambda: len(images) > 2 * COUNT, 'images')
    assert (np.diff([seconds_of(image) for image in images]) > 0).all()


def test_a_file_can_be_played_at_another_rate(graph, play):
    _, _, images, _ = play(loop=False, rate_hz=100.0)
    graph.until(lambda: len(images) == COUNT, 'images')
    np.testing.assert_allclose(np.diff([seconds_of(i) for i in images]), 0.01, atol=1e-6)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_both_encodings_hold_the_same_colours(graph, play, encoding):
    from pose_tracking_ros.image_decoding import rgb_from_message

    _, _, images, _ = play(loop=False, encoding=encoding)
    image = graph.until(lambda: images, 'images')[0]
    assert image.encoding == encoding
    np.testing.assert_array_equal(rgb_from_message(image)[0, 0], [0, 10, 20])


def test_camera_info_follows_the_field_of_view(graph, play):
    _, _, _, infos = play(horizontal_fov_deg=90.0)
    info = graph.until(lambda: infos, 'camera info')[0]
    assert (info.width, info.height) == (64, 48)
    assert info.k[0] == pytest.approx(32)
    # A pixel's middle is a whole number there.
    assert (info.k[2], info.k[5]) == (31.5, 23.5)


def test_camera_info_is_that_of_a_source_that_knows_its_camera(graph, play):
    source = PaperSource()
    source.intrinsics = (50.0, 51.0, 30.0, 25.0)
    _, _, _, infos = play(source)
    info = graph.until(lambda: infos, 'camera info')[0]
    np.testing.assert_array_equal(
        np.reshape(info.k, (3, 3)), [[50, 0, 29.5], [0, 51, 24.5], [0, 0, 1]]
    )
    np.testing.assert_array_equal(np.reshape(info.p, (3, 4))[:, :3], np.reshape(info.k, (3, 3)))


class PaperDepthSource(PaperSource):
    """Depth that is the number of the image in metres, with a hole."""

    def depth(self, index, *, is_exact):
        depth = np.full((48, 64), 1.0 + index + (0.0 if is_exact else 0.25), np.float32)
        depth[0, 0] = np.nan
        return depth


@pytest.mark.parametrize(('encoding', 'errors'), [('32FC1', False), ('16UC1', True)])
def test_depth_comes_with_each_image_when_asked_for(graph, play, encoding, errors):
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    from pose_tracking_ros.lifting.depth_image import DepthImage

    depths = graph.listen(Image, 'depth/image', QoSProfile(depth=100))
    _, _, images, _ = play(
        PaperDepthSource(), loop=False, depth=True, depth_encoding=encoding, depth_errors=errors
    )
    graph.until(lambda: len(depths) == len(images) == COUNT, 'depth')
    assert [depth.header for depth in depths] == [image.header for image in images]
    assert {depth.encoding for depth in depths} == {encoding}
    metres = [DepthImage.from_message(depth).metres() for depth in depths]
    expected = np.arange(COUNT) + (1.25 if errors else 1.0)
    np.testing.assert_allclose([image[5, 5] for image in metres], expected)
    assert all(np.isnan(image[0, 0]) for image in metres)


def test_depth_of_a_source_without_it_is_an_error(graph, capfd):
    from pose_tracking_ros.ros.video_source import VideoSourceNode

    source = PaperSource()
    node = graph.add(VideoSourceNode(lambda video, rate_hz: source, **graph.options(depth=True)))
    assert not node.start()
    assert source.is_closed
    assert 'expected simulation:SCENE' in capfd.readouterr().err


def test_the_end_can_end_the_program(graph, play):
    from pose_tracking_ros.ros.program import ProgramEnd

    node, _, _, _ = play(loop=False, exit_at_end=True)
    with pytest.raises(ProgramEnd):
        graph.until(lambda: False, 'end')
    assert node.published == COUNT


def test_a_source_without_images_is_an_error(graph, play):
    play(PaperSource(0))
    with pytest.raises(ValueError, match='expected images, but there is none'):
        graph.until(lambda: False, 'error')


def test_a_video_that_is_not_there_is_told(graph, capfd):
    from pose_tracking_ros.ros.video_source import VideoSourceNode

    node = VideoSourceNode(**graph.options(video='/nowhere/clip.avi'))
    graph.add(node)
    assert not node.start()
    assert '/nowhere/clip.avi' in capfd.readouterr().err


def test_a_folder_of_images_plays(graph, tmp_path):
    """Through the project's own sources, not on paper."""
    from sensor_msgs.msg import Image

    from pose_tracking_ros.ros.video_source import VideoSourceNode

    for index in range(3):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.full((32, 48, 3), 50 * index, np.uint8))
    images = graph.listen(Image, 'image')
    node = VideoSourceNode(
        **graph.options(video=str(tmp_path), rate_hz=50.0, loop=False, wait_for_subscriber=True)
    )
    graph.add(node)
    graph.connect(node._images)
    assert node.start()
    graph.until(lambda: len(images) == 3, 'images')
    assert [image.data[0] for image in images] == [0, 50, 100]


def test_twenty_rounds_of_a_clip_are_twenty_sessions_and_no_id_comes_twice(graph, engine):
    """Each round jumps back in time; nothing of the round before may live on."""
    from pose_tracking_ros.msg import TrackedPoseArray
    from rclpy.qos import QoSProfile

    from pose_tracking_ros.ros.video_source import VideoSourceNode

    class Clip(PaperSource):
        image_size = (160, 160)

        def __iter__(self):
            for index in range(3):
                yield index / 40, np.full((160, 160, 3), 100, np.uint8)

    rounds = 20
    poses = graph.listen(TrackedPoseArray, 'tracked_poses', QoSProfile(depth=500))
    tracker = graph.tracker(engine)
    graph.connect(tracker._outputs._poses)
    node = VideoSourceNode(
        lambda video, rate_hz: Clip(), **graph.options(wait_for_subscriber=True, loop=True)
    )
    graph.add(node)
    assert node.start()
    graph.until(lambda: len({array.session_id for array in poses}) > rounds, 'twenty sessions')
    owners = {}
    for before, array in itertools.pairwise(poses):
        has_jumped = seconds_of(array) < seconds_of(before)
        assert has_jumped == (array.session_id != before.session_id)
        assert array.session_id == before.session_id + has_jumped
        for pose in array.poses:
            assert owners.setdefault(pose.track_id, array.session_id) == array.session_id
            if has_jumped:
                assert pose.age.sec == pose.age.nanosec == 0
    assert len(owners) > rounds
