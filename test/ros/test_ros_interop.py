"""People for other systems over real DDS: with their messages, without them, and the topics."""

import sys

import numpy as np
import pytest

SWITCHES = {
    'publish_ros4hri': 'hri_msgs',
    'publish_vision_msgs': 'vision_msgs',
    'publish_people_msgs': 'people_msgs',
}


def messages_of(package):
    name = f'{package}.msg'
    return pytest.importorskip(
        name, reason=f'{package} is not installed: apt has it, PyPI has not'
    )


@pytest.fixture
def bare(monkeypatch):
    """None of the message packages can be imported."""
    for package in SWITCHES.values():
        monkeypatch.setitem(sys.modules, f'{package}.msg', None)


def topics(graph):
    return {name for name, _ in graph.peer.get_topic_names_and_types()}


def bodies(graph):
    return {name.split('/')[3] for name in topics(graph) if name.startswith('/humans/bodies/b')}


def test_missing_packages_are_warned_of_once_and_the_node_goes_on(scene, image, bare):
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.parameter import Parameter

    scene = scene(diagnostics_period_s=0.1, **dict.fromkeys(SWITCHES, True))
    for number in range(5):
        array = scene.show(image(1.0 + number / 10))
    assert len(array.poses) == 1
    for switch, package in SWITCHES.items():
        (warning,) = [text for text in scene.tracker.warnings if text.startswith(switch)]
        assert f'-{package.replace("_", "-")}' in warning
        assert 'sudo apt install ros-' in warning
        assert scene.tracker._health.active()[switch] == warning

    reports = scene.graph.listen(DiagnosticArray, '/diagnostics')
    scene.graph.until(lambda: reports, 'diagnostics')
    values = {value.key: value.value for value in reports[-1].status[0].values}
    assert {f'problem: {switch}' for switch in SWITCHES} <= set(values)

    scene.tracker.set_parameters([Parameter(switch, value=False) for switch in SWITCHES])
    scene.show(image(2.0))
    scene.graph.until(lambda: not SWITCHES.keys() & scene.tracker._health.active(), 'no problem')


def test_nothing_is_published_for_others_unless_asked_for(scene, image):
    scene = scene()
    for number in range(3):
        scene.show(image(1.0 + number / 10))
    names = topics(scene.graph)
    assert not [name for name in names if name.startswith('/humans')]
    assert f'{scene.graph.namespace}/people' not in names
    assert f'{scene.graph.namespace}/tracker_node/detections' not in names


def test_topics_come_and_go_in_another_thread_while_the_node_is_spun(graph):
    import rclpy
    from std_msgs.msg import String

    from pose_tracking_ros.ros.interop.topic_pool import TopicPool
    from pose_tracking_ros.ros.qos import LATCHED
    from pose_tracking_ros.ros.worker import Task

    node = graph.add(rclpy.create_node('people', **graph.options()))
    heard = []
    graph.peer.create_subscription(String, 'person_3/name', heard.append, LATCHED)
    pool = TopicPool(node, lambda key: key, {'name': (String, LATCHED)})

    def churn():
        for start in range(30):
            wanted = [f'person_{start + offset}' for offset in range(3)]
            pool.keep(wanted)
            pool.admit(wanted, 3)

    task = Task(churn)
    graph.until(lambda: task.is_done, 'end of the coming and going')
    task.raise_failure()
    assert pool.ids == ['person_29', 'person_30', 'person_31']
    expected = {f'{graph.namespace}/{key}/name' for key in pool.ids}

    def publishers():
        infos = graph.peer.get_publisher_names_and_types_by_node('people', graph.namespace)
        return {name for name, _ in infos if name.endswith('/name')}

    graph.until(lambda: publishers() == expected, 'the last three alone')
    pool.keep(['person_3'])
    pool.admit(['person_3'], 3)
    pool.publisher('person_3', 'name').publish(String(data='Anna'))
    # Latched: also for those who were there before the topic.
    graph.until(lambda: heard, 'latched message')
    pool.keep(())
    graph.until(lambda: publishers() == set(), 'no topics')


def test_bodies_as_rep_155_wants_them(scene, image):
    hri = messages_of('hri_msgs')
    scene = scene(publish_ros4hri=True, ros4hri_id_prefix='b', max_lost_s=0.5)
    graph = scene.graph
    tracked = graph.listen(hri.IdsList, '/humans/bodies/tracked')
    outlet = scene.tracker._outputs._exchange._outlets['publish_ros4hri']
    graph.connect(outlet._tracked)
    regions, skeletons = [], []
    graph.peer.create_subscription(
        hri.NormalizedRegionOfInterest2D, '/humans/bodies/b1/roi', regions.append, 10
    )
    graph.peer.create_subscription(
        hri.Skeleton2D, '/humans/bodies/b1/skeleton2d', skeletons.append, 10
    )
    for number in range(4):
        array = scene.show(image(1.0 + number / 10))
    graph.until(lambda: tracked and tracked[-1].header == array.header, 'tracked bodies')
    assert list(tracked[-1].ids) == ['b1']
    assert list(tracked[0].ids) == []

    stamps = iter(range(20, 1000))

    def showing(what):
        scene.show(image(next(stamps) / 10))
        return what()

    graph.until(lambda: showing(lambda: regions and skeletons), 'region and skeleton')
    assert regions[-1].header.frame_id == 'camera'
    box = array.poses[0].bbox
    assert regions[-1].xmin == pytest.approx((box.center_x - box.size_x / 2) / 160)
    assert regions[-1].ymax == pytest.approx((box.center_y + box.size_y / 2) / 160)
    nose = skeletons[-1].skeleton[hri.Skeleton2D.NOSE]
    assert nose.x == pytest.approx(array.poses[0].keypoints[0].x / 160)
    assert nose.c == pytest.approx(0.8)

    scene.tracker.trigger_deactivate()
    graph.until(lambda: list(tracked[-1].ids) == [], 'nobody any more')
    graph.until(lambda: '/humans/bodies/tracked' not in published(scene), 'no publishers')


def published(scene):
    infos = scene.graph.peer.get_publisher_names_and_types_by_node(
        'tracker_node', scene.graph.namespace
    )
    return {name for name, _ in infos}


def test_a_person_of_the_gallery_has_a_body(scene, image):
    hri = messages_of('hri_msgs')
    from std_msgs.msg import String

    from pose_tracking_ros.ros.qos import LATCHED

    scene = scene(publish_ros4hri=True, gallery_name_after_s=0.0)
    known = scene.tracker._pipeline.known_people
    known._gallery.enroll('Anna', np.eye(1, 4, dtype=np.float32))
    persons = scene.graph.listen(hri.IdsList, '/humans/persons/known')
    for number in range(6):
        scene.show(image(1.0 + number / 10))
    body_ids = scene.graph.listen(String, '/humans/persons/Anna/body_id', LATCHED)
    scene.graph.until(lambda: body_ids, 'latched body')
    prefix = scene.graph.namespace.strip('/')
    assert body_ids[-1].data == f'{prefix}_b1'
    scene.graph.until(lambda: scene.show(image(2.0 + len(persons) / 10)) and persons, 'persons')
    assert list(persons[-1].ids) == ['Anna']


def test_detections_of_the_image(scene, image):
    vision = messages_of('vision_msgs')
    scene = scene(publish_vision_msgs=True)
    detections = scene.graph.listen(vision.Detection2DArray, 'tracker_node/detections')
    outlet = scene.tracker._outputs._exchange._outlets['publish_vision_msgs']
    scene.graph.connect(outlet._publisher)
    for number in range(4):
        array = scene.show(image(1.0 + number / 10))
    scene.graph.until(lambda: len(detections) == 4, 'detections')
    # Tentative at first.
    assert list(detections[0].detections) == []
    assert detections[-1].header == array.header
    (detection,) = detections[-1].detections
    assert detection.id == str(array.poses[0].track_id)
    assert detection.bbox.size_x == pytest.approx(array.poses[0].bbox.size_x)


def test_people_without_depth_are_a_diagnostic(scene, image):
    messages_of('people_msgs')
    scene = scene(publish_people_msgs=True)
    for number in range(3):
        scene.show(image(1.0 + number / 10))
    scene.graph.until(lambda: 'publish_people_msgs' in scene.tracker._health.active(), 'problem')
    (warning,) = [text for text in scene.tracker.warnings if 'without depth' in text]
    assert scene.tracker._health.active()['publish_people_msgs'] == warning


def test_people_in_space(scene, image):
    people_msgs = messages_of('people_msgs')
    from sensor_msgs.msg import CameraInfo, Image

    from pose_tracking_ros.lifting.depth_image import fill_depth_message

    scene = scene(publish_people_msgs=True, use_depth=True, depth_wait_s=1.0)
    graph, tracker = scene.graph, scene.tracker
    people = graph.listen(people_msgs.People, 'people')
    graph.connect(tracker._outputs._exchange._outlets['publish_people_msgs']._publisher)
    depths = graph.camera(topic='depth/image', message_type=Image)
    infos = graph.peer.create_publisher(CameraInfo, 'camera_info', 10)
    graph.until(lambda: 'reliable)' in tracker._in_space.description, 'depth subscription')
    graph.connect(depths, tracker)
    graph.connect(infos, tracker)
    info = CameraInfo(width=160, height=160, distortion_model='plumb_bob', d=[0.0] * 5)
    info.k = [200.0, 0.0, 79.5, 0.0, 200.0, 79.5, 0.0, 0.0, 1.0]
    info.header.frame_id = 'camera'
    infos.publish(info)
    graph.until(lambda: tracker._processor.camera_info, 'camera info')
    for number in range(12):
        stamp_s = 1.0 + number / 10
        message = Image()
        metres = np.full((160, 160), 3.0 - 0.05 * number, np.float32)
        fill_depth_message(message, metres, '32FC1')
        message.header = image(stamp_s).header
        before = tracker._in_space._matcher.added
        depths.publish(message)
        graph.until(lambda count=before: tracker._in_space._matcher.added > count, 'depth')
        array = scene.show(image(stamp_s))
    graph.until(lambda: people and people[-1].header == array.header, 'people')
    assert list(people[0].people) == []
    (person,) = people[-1].people
    assert person.name == str(array.poses[0].track_id)
    assert person.position.z == pytest.approx(array.poses[0].pose.position.z)
    assert person.velocity.z == pytest.approx(-0.5, abs=0.15)
