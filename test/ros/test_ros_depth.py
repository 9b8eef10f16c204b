"""Depth over real DDS: image, depth and camera_info in, people in metres out."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from compressed_depth_samples import CODERS, header

SIZE = (160, 160)
FOCAL_PX = 200.0
DEPTH_M = 2.0


def camera_info(size=SIZE, focal_px=FOCAL_PX, frame_id='camera'):
    from sensor_msgs.msg import CameraInfo

    cx, cy = size[0] / 2 - 0.5, size[1] / 2 - 0.5
    info = CameraInfo(width=size[0], height=size[1], distortion_model='plumb_bob', d=[0.0] * 5)
    info.k = [focal_px, 0.0, cx, 0.0, focal_px, cy, 0.0, 0.0, 1.0]
    info.header.frame_id = frame_id
    return info


def depth_message(stamp_s, *, metres=DEPTH_M, size=SIZE, frame_id='camera', encoding='32FC1'):
    from sensor_msgs.msg import Image

    from pose_tracking_ros.lifting.depth_image import fill_depth_message

    message = Image()
    fill_depth_message(message, np.full((size[1], size[0]), metres, np.float32), encoding)
    message.header.frame_id = frame_id
    message.header.stamp.sec = int(stamp_s)
    message.header.stamp.nanosec = round((stamp_s - int(stamp_s)) * 1e9)
    return message


@pytest.fixture
def spatial(scene, graph, image):
    """A tracker that uses depth, its cameras, and a function that shows it one moment."""

    def make(*, with_info=True, depth_transport='raw', **parameters):
        from sensor_msgs.msg import CameraInfo, CompressedImage, Image

        is_raw = depth_transport == 'raw'
        depths = graph.camera(
            topic='depth/image' if is_raw else f'depth/image/{depth_transport}',
            message_type=Image if is_raw else CompressedImage,
        )
        infos = graph.peer.create_publisher(CameraInfo, 'camera_info', 10)
        setup = scene(
            use_depth=True, depth_wait_s=1.0, depth_transport=depth_transport, **parameters
        )
        space = setup.tracker._in_space
        graph.until(lambda: 'reliable)' in space.description, 'depth subscription')
        graph.connect(depths, setup.tracker)
        if with_info:
            graph.connect(infos, setup.tracker)
            infos.publish(camera_info())
            graph.until(lambda: setup.tracker._processor.camera_info, 'camera info')

        def show(stamp_s, depth=None, **changes):
            if depth is not None:
                before = space._matcher.added
                depths.publish(depth)
                graph.until(lambda: space._matcher.added > before, 'depth received')
            return setup.show(image(stamp_s, **changes))

        return SimpleNamespace(**{**vars(setup), 'show': show, 'space': space})

    return make


def warnings_of(setup):
    return [text for text in setup.tracker.warnings if 'placed in space' in text]


def patient(setup):
    """Let the node complain at once: its subscription is not young any more."""
    setup.space._opened_s = -math.inf
    return setup


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_depth_gives_keypoints_in_metres(spatial, encoding):
    setup = spatial()
    array = setup.show(12.25, depth_message(12.25, encoding=encoding), frame_id='camera')
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (12, 250_000_000)
    assert array.header.frame_id == 'camera'
    (pose,) = array.poses
    assert len(pose.keypoints_3d) == 17
    nose, flat = pose.keypoints_3d[0], pose.keypoints[0]
    # The nose is the skin itself: exactly on the ray, at the depth measured.
    assert nose.position.z == pytest.approx(DEPTH_M, abs=1e-5)
    assert nose.position.x == pytest.approx((flat.x - 80) / FOCAL_PX * DEPTH_M, abs=1e-5)
    assert nose.position.y == pytest.approx((flat.y - 80) / FOCAL_PX * DEPTH_M, abs=1e-5)
    assert nose.score == pytest.approx(0.8)
    covariance = np.reshape(nose.covariance, (3, 3))
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    hips = [pose.keypoints_3d[i].position for i in (11, 12)]
    assert pose.pose.position.z == pytest.approx((hips[0].z + hips[1].z) / 2)
    assert hips[0].z > DEPTH_M + 0.05
    assert math.isnan(pose.pose.orientation.w)
    assert warnings_of(setup) == []


def test_a_person_who_comes_nearer_has_a_velocity(spatial):
    setup = spatial()
    for number in range(20):
        stamp_s = 5 + number / 10
        array = setup.show(stamp_s, depth_message(stamp_s, metres=4 - 0.1 * number))
    (pose,) = array.poses
    assert pose.twist.linear.z == pytest.approx(-1.0, abs=0.1)
    assert abs(pose.twist.linear.x) < 0.1
    assert math.isnan(pose.twist.angular.x)


def test_without_depth_the_image_counts_and_the_reason_is_told(spatial):
    setup = patient(spatial())
    array = setup.show(1.0)
    (pose,) = array.poses
    assert not math.isnan(pose.keypoints[0].x)
    assert len(pose.keypoints_3d) == 17
    assert all(math.isnan(k.position.x) for k in pose.keypoints_3d)
    assert {k.score for k in pose.keypoints_3d} == {0.0}
    assert {k.covariance[0] for k in pose.keypoints_3d} == {-1.0}
    assert math.isnan(pose.pose.position.x)
    assert math.isnan(pose.twist.linear.x)
    setup.show(1.1)
    (warning,) = warnings_of(setup)
    assert 'no depth arrives on' in warning
    assert 'remap depth/image' in warning
    # With depth the complaint is over.
    array = setup.show(2.0, depth_message(2.0))
    assert array.poses[0].pose.position.z > DEPTH_M
    assert 'depth' not in setup.tracker._health.active()


@pytest.mark.parametrize(
    ('depth', 'told'),
    [
        ({'frame_id': 'depth_camera'}, "frame of the image, 'camera', got 'depth_camera'"),
        ({'size': (160, 90)}, '160 x 160 px, got 160 x 90'),
    ],
)
def test_depth_of_another_view_is_refused_with_the_remedy(spatial, depth, told):
    setup = patient(spatial())
    array = setup.show(3.0, depth_message(3.0, **depth))
    assert math.isnan(array.poses[0].keypoints_3d[0].position.z)
    (warning,) = warnings_of(setup)
    assert told in warning
    assert 'align' in warning


def test_twenty_rounds_of_a_recording_find_their_depth_each_time(spatial):
    """More images than the matcher keeps, so that a queue of the round before would be full."""
    setup = spatial()
    sessions = set()
    for number in range(20):
        for index in range(11):
            stamp_s = 50 + index / 10
            # Another depth in each round: that of the round before would be seen.
            metres = 2.0 + 0.05 * number
            array = setup.show(stamp_s, depth_message(stamp_s, metres=metres), frame_id='camera')
            (pose,) = array.poses
            assert pose.keypoints_3d[0].position.z == pytest.approx(metres, abs=1e-5)
        sessions.add(array.session_id)
    assert len(sessions) == 20
    assert warnings_of(setup) == []


def test_depth_of_another_time_is_refused(spatial):
    setup = patient(spatial(depth_max_age_s=0.05))
    setup.show(3.0, depth_message(3.0))
    array = setup.show(4.0, depth_message(4.2))
    assert math.isnan(array.poses[0].keypoints_3d[0].position.z)
    (warning,) = warnings_of(setup)
    assert '+0.200 s' in warning
    assert 'depth_max_age_s' in warning


def test_depth_needs_camera_info(spatial):
    setup = patient(spatial(with_info=False))
    array = setup.show(3.0, depth_message(3.0))
    assert math.isnan(array.poses[0].keypoints_3d[0].position.z)
    (warning,) = warnings_of(setup)
    assert 'camera_info' in warning


def test_depth_may_come_after_the_image_while_the_network_runs(spatial, graph, image):
    setup = spatial()
    setup.show(1.0, depth_message(1.0))
    setup.engine.gate.clear()
    before = len(setup.poses)
    setup.camera.publish(image(2.0))
    graph.until(setup.engine.is_busy.is_set, 'engine busy')
    publisher = next(p for p in graph.peer.publishers if p.topic_name.endswith('depth/image'))
    publisher.publish(depth_message(2.0, metres=3.0))
    setup.engine.gate.set()
    graph.until(lambda: len(setup.poses) > before, 'poses')
    nose = setup.poses[-1].poses[0].keypoints_3d[0]
    assert nose.position.z == pytest.approx(3.0, abs=1e-5)


def test_depth_is_still_there_after_a_slow_inference(spatial, graph, image):
    setup = spatial()
    setup.show(1.0, depth_message(1.0))
    setup.engine.gate.clear()
    before, received = len(setup.poses), setup.space._matcher.added
    publisher = next(p for p in graph.peer.publishers if p.topic_name.endswith('depth/image'))
    setup.camera.publish(image(2.0))
    graph.until(setup.engine.is_busy.is_set, 'engine busy')
    # Many more than are kept arrive in the meantime.
    for number in range(25):
        publisher.publish(depth_message(2.0 + number / 30, metres=3.0 + number / 100))
        graph.until(lambda n=number: setup.space._matcher.added > received + n, 'depth received')
    setup.engine.gate.set()
    graph.until(lambda: len(setup.poses) > before, 'poses')
    nose = setup.poses[-1].poses[0].keypoints_3d[0]
    assert nose.position.z == pytest.approx(3.0, abs=1e-5)


def compressed(message, coding='png'):
    """Return a message of whole millimetres as compressed_depth_image_transport codes it."""
    from sensor_msgs.msg import CompressedImage

    pixels = np.frombuffer(message.data, np.uint16).reshape(message.height, message.width)
    return CompressedImage(
        header=message.header,
        format=f'16UC1; compressedDepth {coding}',
        data=header() + CODERS[coding](pixels),
    )


@pytest.mark.parametrize('coding', ['png', 'rvl'])
def test_compressed_depth_is_as_good_as_raw(spatial, coding):
    setup = spatial(depth_transport='compressedDepth')
    assert 'depth/image/compressedDepth (compressedDepth, reliable)' in setup.space.description
    message = depth_message(12.25, encoding='16UC1')
    (pose,) = setup.show(12.25, compressed(message, coding)).poses
    assert pose.keypoints_3d[0].position.z == pytest.approx(DEPTH_M, abs=1e-5)
    assert warnings_of(setup) == []


def test_damaged_compressed_depth_is_told_once(spatial):
    setup = patient(spatial(depth_transport='compressedDepth'))
    for stamp_s in (3.0, 4.0):
        message = compressed(depth_message(stamp_s, encoding='16UC1'))
        message.data = message.data[:-25]
        array = setup.show(stamp_s, message)
        assert math.isnan(array.poses[0].keypoints_3d[0].position.z)
    (warning,) = warnings_of(setup)
    assert 'whole PNG' in warning
    assert 'driver' in warning


def test_depth_can_be_switched_off_and_on_while_running(spatial, graph):
    from rclpy.parameter import Parameter

    setup = spatial()
    setup.show(1.0, depth_message(1.0))
    setup.tracker.set_parameters([Parameter('use_depth', value=False)])
    assert len(setup.show(2.0).poses[0].keypoints_3d) == 0
    graph.until(lambda: setup.space.description == 'not subscribed', 'unsubscribed')
    setup.tracker.set_parameters([Parameter('use_depth', value=True)])
    graph.until(lambda: 'depth/image' in setup.space.description, 'subscribed')


def test_poses_can_be_in_another_frame(spatial):
    from pose_tracking_ros.lifting.rigid_transform import RigidTransform

    setup = spatial(target_frame='map')
    asked = []

    def find(target_frame, header, timeout_s):
        asked.append((target_frame, header.frame_id, header.stamp.sec))
        # The camera looks along the map's x axis from 1.5 m above ground.
        turn = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
        return RigidTransform(turn, np.array([0.0, 0.0, 1.5]))

    setup.space._find_transform = find
    array = setup.show(7.0, depth_message(7.0))
    assert asked == [('map', 'camera', 7)]
    assert array.header.frame_id == 'map'
    nose, flat = array.poses[0].keypoints_3d[0].position, array.poses[0].keypoints[0]
    assert nose.x == pytest.approx(DEPTH_M, abs=1e-5)
    assert nose.y == pytest.approx(-(flat.x - 80) / FOCAL_PX * DEPTH_M, abs=1e-5)
    assert nose.z == pytest.approx(1.5 - (flat.y - 80) / FOCAL_PX * DEPTH_M, abs=1e-5)


def test_a_missing_transform_is_told_and_leaves_no_place(spatial):
    """Here tf2_ros is missing altogether, or nobody publishes the transform."""
    setup = patient(spatial(target_frame='map', transform_wait_s=0.01))
    array = setup.show(7.0, depth_message(7.0))
    assert array.header.frame_id == 'map'
    assert math.isnan(array.poses[0].keypoints_3d[0].position.z)
    assert not math.isnan(array.poses[0].keypoints[0].x)
    (warning,) = warnings_of(setup)
    assert "no transform from 'camera' to target_frame 'map'" in warning


def test_skeletons_in_space_are_shown_to_those_who_look(spatial, graph):
    from visualization_msgs.msg import MarkerArray

    arrays = graph.listen(MarkerArray, 'tracker_node/markers_3d', 50)
    setup = spatial(max_markers_hz=1000.0)
    graph.connect(setup.tracker._outputs._space_markers)
    setup.show(1.0, depth_message(1.0))
    graph.until(lambda: arrays, 'markers')
    by_name = {marker.ns: marker for marker in arrays[-1].markers}
    assert {marker.header.frame_id for marker in arrays[-1].markers} == {'camera'}
    assert len(by_name['joints'].points) == len(by_name['joints'].colors) == 17
    assert all(point.z >= DEPTH_M - 1e-6 for point in by_name['joints'].points)
    assert len(by_name['limbs'].points) == 32
    assert by_name['ids'].text == '1'
    # No place without depth: the lists empty, the number is deleted.
    before = len(arrays)
    setup.show(5.0)
    graph.until(lambda: len(arrays) > before, 'markers')
    gone = {marker.ns: marker for marker in arrays[-1].markers}
    assert not gone['joints'].points
    assert gone['ids'].action == gone['ids'].DELETE
