"""Markers and the annotated image: for those who look, and only for them."""

import numpy as np
import pytest


def test_nothing_is_drawn_without_a_subscriber(scene, image):
    scene = scene()
    drawn = []
    scene.tracker._outputs._draw = lambda *arguments: drawn.append(arguments)
    scene.tracker._outputs._marker_writer.write = lambda *arguments, **more: drawn.append(
        arguments
    )
    scene.show(image(1.0))
    scene.show(image(2.0))
    assert drawn == []


def test_markers_show_people_and_go_with_them(scene, image, graph):
    from visualization_msgs.msg import Marker, MarkerArray

    arrays = graph.listen(MarkerArray, 'tracker_node/markers', 50)
    scene = scene(max_markers_hz=1000.0, lost_after_s=0.0)
    graph.connect(scene.tracker._outputs._markers)

    def markers_of(stamp_s, value=100):
        before = len(arrays)
        scene.show(image(stamp_s, value=value))
        graph.until(lambda: len(arrays) > before, 'markers')
        return arrays[-1].markers

    markers = markers_of(1.0)
    assert {m.header.frame_id for m in markers} == {'camera'}
    by_name = {m.ns: m for m in markers}
    assert by_name['ids'].text == '1'
    assert len(by_name['joints'].points) == len(by_name['joints'].colors) == 17
    assert len(by_name['limbs'].points) == 32
    assert len(by_name['boxes'].points) == 8
    # Nobody at hand: the lists empty, the number is deleted.
    gone = markers_of(2.0, value=0)
    assert all(not m.points for m in gone if m.ns != 'ids')
    assert [(m.id, m.action) for m in gone if m.ns == 'ids'] == [(1, Marker.DELETE)]
    assert not [m for m in markers_of(2.1, value=0) if m.ns == 'ids']
    # Deactivation takes everything back.
    markers_of(2.2)
    before = len(arrays)
    scene.tracker.trigger_deactivate()
    graph.until(lambda: len(arrays) > before, 'deletion')
    assert [m.action for m in arrays[-1].markers] == [Marker.DELETEALL]


def test_markers_lie_where_the_camera_sees_them(scene, image, graph):
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo
    from visualization_msgs.msg import MarkerArray

    arrays = graph.listen(MarkerArray, 'tracker_node/markers', 50)
    infos = graph.peer.create_publisher(CameraInfo, 'camera_info', qos_profile_sensor_data)
    scene = scene(max_markers_hz=1000.0, marker_scale_m=0.02)
    graph.connect(scene.tracker._outputs._markers)
    graph.connect(infos, scene.tracker)
    infos.publish(CameraInfo(k=[200.0, 0.0, 70.0, 0.0, 200.0, 90.0, 0.0, 0.0, 1.0]))
    graph.until(lambda: scene.tracker._processor.camera_info is not None, 'camera info')
    before = len(arrays)
    scene.show(image(1.0))
    graph.until(lambda: len(arrays) > before, 'markers')
    (boxes,) = [m for m in arrays[-1].markers if m.ns == 'boxes']
    corner = boxes.points[0]
    assert corner.z == pytest.approx(200 * 0.02)
    # Projected by the camera it is the box's corner again.
    assert 200 * corner.x / corner.z + 70 == pytest.approx(40)
    assert 200 * corner.y / corner.z + 90 == pytest.approx(20)


def test_the_annotated_image_is_what_was_drawn(scene, image, graph):
    from sensor_msgs.msg import Image

    from pose_tracking_ros.ros.qos import for_images

    images = graph.listen(Image, 'tracker_node/image_annotated', for_images('best_effort'))
    scene = scene()
    graph.connect(scene.tracker._outputs._annotated)
    array = scene.show(image(3.0))
    graph.until(lambda: images, 'annotated image')
    assert images[0].header == array.header
    assert images[0].encoding == 'rgb8'
    # The tests draw the negative.
    assert set(np.frombuffer(images[0].data, np.uint8)) == {155}
