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
    # Nobody at hand: the lost one fades, then lists and number are deleted.
    for number in range(1, 6):
        markers_of(1.0 + number / 10)
    faint = {m.ns: m for m in markers_of(2.5, value=0) if m.action == Marker.ADD}
    assert set(faint) == {'hidden', 'trails', 'ids'}
    assert faint['ids'].color.a == pytest.approx(0.5)
    gone = markers_of(3.6, value=0)
    assert {m.action for m in gone} == {Marker.DELETE}
    assert {(m.ns, m.id) for m in gone} == {('hidden', 0), ('trails', 0), ('ids', 1)}
    assert markers_of(3.7, value=0) == []
    # Deactivation takes everything back.
    markers_of(3.8)
    before = len(arrays)
    scene.tracker.trigger_deactivate()
    graph.until(lambda: len(arrays) > before, 'deletion')
    assert [m.action for m in arrays[-1].markers] == [Marker.DELETEALL]


def test_a_reset_takes_trails_and_numbers_away(scene, image, graph):
    from std_srvs.srv import Trigger
    from visualization_msgs.msg import Marker, MarkerArray

    arrays = graph.listen(MarkerArray, 'tracker_node/markers', 50)
    scene = scene(max_markers_hz=1000.0, marker_lifetime_s=5.0)
    graph.connect(scene.tracker._outputs._markers)
    for number in range(3):
        scene.show(image(1.0 + 0.1 * number))
    graph.until(lambda: len(arrays) == 3, 'markers')
    assert {m.lifetime.sec for m in arrays[-1].markers} == {5}
    assert 'trails' in {m.ns for m in arrays[-1].markers}
    graph.call(Trigger, 'tracker_node/reset', Trigger.Request())
    scene.show(image(1.4))
    graph.until(lambda: len(arrays) == 4, 'markers')
    actions = {m.ns: m.action for m in arrays[-1].markers}
    assert actions['trails'] == Marker.DELETE
    assert actions['boxes'] == Marker.ADD


def test_who_looks_later_sees_all_at_once(scene, image, graph):
    from visualization_msgs.msg import Marker, MarkerArray

    first = graph.listen(MarkerArray, 'tracker_node/markers', 50)
    scene = scene(max_markers_hz=1000.0)
    graph.connect(scene.tracker._outputs._markers)
    scene.show(image(1.0))
    graph.until(lambda: first, 'markers')
    later = graph.listen(MarkerArray, 'tracker_node/markers', 50)
    publisher = scene.tracker._outputs._markers
    graph.until(lambda: publisher.get_subscription_count() == 2, 'second viewer')
    stamp_s = 1.0
    while not later:
        # The publisher may know the viewer before the viewer knows the publisher.
        stamp_s += 0.1
        scene.show(image(stamp_s))
        graph.spin_for(0.05)
    assert {m.ns for m in later[0].markers} == {m.ns for m in first[-1].markers}
    assert {m.action for m in later[0].markers} == {Marker.ADD}


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
