"""People enrolled, listed and forgotten through services; names on published tracks."""

import math

import numpy as np
import pytest


def enroll(scene, track_id, person_id):
    from pose_tracking_ros.srv import EnrollPerson

    request = EnrollPerson.Request(track_id=track_id, person_id=person_id)
    return scene.graph.call(EnrollPerson, 'tracker_node/enroll_person', request)


def forget(scene, person_id):
    from pose_tracking_ros.srv import ForgetPerson

    request = ForgetPerson.Request(person_id=person_id)
    return scene.graph.call(ForgetPerson, 'tracker_node/forget_person', request)


def listed(scene):
    from pose_tracking_ros.srv import ListPeople

    answer = scene.graph.call(ListPeople, 'tracker_node/list_people', ListPeople.Request())
    return dict(zip(answer.person_ids, answer.looks, strict=True))


def shown(scene, image, count=4, start_s=1.0):
    for number in range(count):
        array = scene.show(image(start_s + number / 10))
    return array.poses


def test_people_are_enrolled_named_listed_and_forgotten(scene, image, tmp_path):
    file = tmp_path / 'people.safetensors'
    scene = scene(gallery_file=str(file))
    assert listed(scene) == {}
    (pose,) = shown(scene, image)
    assert pose.person_id == ''
    assert math.isnan(pose.person_similarity)

    answer = enroll(scene, pose.track_id, 'Anna')
    assert (answer.success, answer.looks) == (True, 1), answer.message
    assert file.is_file()
    (pose,) = shown(scene, image, 1, 1.4)
    assert pose.person_id == 'Anna'
    assert pose.person_similarity == pytest.approx(1.0, abs=1e-3)
    assert listed(scene) == {'Anna': 1}

    assert forget(scene, 'Anna').success
    (pose,) = shown(scene, image, 1, 1.5)
    assert (pose.person_id, listed(scene)) == ('', {})


def test_refusals_say_why(scene, image):
    scene = scene()
    shown(scene, image)
    answer = enroll(scene, 99, 'Anna')
    assert not answer.success
    assert 'expected a living track (1), got 99' in answer.message
    assert 'expected 1 to 64 characters' in enroll(scene, 1, '').message
    answer = forget(scene, 'Bert')
    assert not answer.success
    assert "nobody is called 'Bert'; known: nobody" in answer.message


def test_without_configuration_there_is_no_gallery(graph, engine):
    from types import SimpleNamespace

    graph.tracker(engine, autostart=False)
    scene = SimpleNamespace(graph=graph)
    assert 'expected a configured node' in enroll(scene, 1, 'Anna').message
    assert 'expected a configured node' in forget(scene, 'Anna').message
    assert listed(scene) == {}


def test_a_damaged_file_leaves_the_node_unconfigured(graph, engine, tmp_path):
    file = tmp_path / 'people.safetensors'
    file.write_bytes(b'not a gallery')
    node = graph.tracker(engine, is_started=False, gallery_file=str(file))
    assert not node.start()
    assert node._pipeline is None


def test_limits_below_what_is_known_are_a_diagnostic(scene, image):
    from rclpy.parameter import Parameter

    scene = scene()
    shown(scene, image)
    other = np.eye(4, dtype=np.float32)[1:2]
    scene.tracker._pipeline.known_people._gallery.enroll('Bert', other)
    assert enroll(scene, 1, 'Anna').success
    scene.tracker.set_parameters([Parameter('gallery_max_people', value=1)])
    shown(scene, image, 1, 1.4)
    assert 'at most 1 people, got 2' in scene.tracker._health.active()['gallery']
    scene.tracker.set_parameters([Parameter('gallery_max_people', value=2)])
    shown(scene, image, 1, 1.5)
    assert 'gallery' not in scene.tracker._health.active()


def test_camera_motion_that_cannot_be_found_is_a_diagnostic(scene, image):
    scene = scene(camera_motion='flow')
    # One grey has nothing to hold on to.
    shown(scene, image)
    assert (
        'too little of the background has texture'
        in (scene.tracker._health.active()['camera_motion'])
    )
