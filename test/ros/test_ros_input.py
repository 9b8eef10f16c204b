"""How the node connects to cameras, and what it says when nothing arrives."""

import cv2
import numpy as np
import pytest


def test_auto_follows_the_publishers(graph, engine, image):
    """Reliable while every publisher offers it, best effort as soon as one does not."""
    tracker = graph.tracker(engine)
    assert 'best_effort' in tracker._input.description
    camera = graph.camera(reliability='reliable')
    graph.until(lambda: 'reliable)' in tracker._input.description, 'reliable')
    other = graph.camera(reliability='best_effort')
    graph.until(lambda: 'best_effort)' in tracker._input.description, 'best effort')
    graph.until(lambda: graph.matches[tracker, camera.topic_name] == 2, 'both publishers')
    for publisher in (camera, other):
        before = tracker._mailbox.received
        publisher.publish(image(1.0))
        graph.until(lambda n=before: tracker._mailbox.received > n, 'image')
    graph.peer.destroy_publisher(other)
    graph.until(lambda: 'reliable)' in tracker._input.description, 'reliable again')


def test_a_qos_mismatch_is_warned_of_naming_both_sides(graph, engine):
    tracker = graph.tracker(engine, image_qos='reliable')
    graph.camera(reliability='best_effort')
    graph.until(lambda: any('peer' in w for w in tracker.warnings), 'warning')
    for _ in range(3):
        # As the timer does twice a second.
        tracker._check()
    (warning,) = [w for w in tracker.warnings if 'peer' in w]
    assert f'{graph.namespace}/image' in warning
    assert f'{graph.namespace}/peer offers best_effort' in warning
    assert 'asks for reliable' in warning
    assert 'image_qos' in warning


def test_an_unknown_encoding_is_warned_of_once_and_survived(scene, image):
    scene = scene()
    for stamp_s in (1.0, 2.0, 3.0):
        before = scene.tracker._health.counts().get('image', 0)
        scene.camera.publish(image(stamp_s, encoding='yuv9'))
        scene.graph.until(
            lambda n=before: scene.tracker._health.counts().get('image', 0) > n, 'refusal'
        )
    (warning,) = scene.tracker.warnings
    assert "'yuv9'" in warning
    assert 'bgr8' in warning
    array = scene.show(image(4.0))
    assert (array.sequence, len(array.poses)) == (1, 1)
    assert not scene.tracker._health.active()


def test_a_cut_off_image_is_survived(scene, image):
    scene = scene()
    broken = image(1.0)
    broken.data = broken.data[:1000]
    scene.camera.publish(broken)
    scene.graph.until(lambda: scene.tracker.warnings, 'warning')
    assert '76800' in scene.tracker.warnings[0]
    assert '1000' in scene.tracker.warnings[0]
    assert scene.show(image(2.0)).sequence == 1


def test_compressed_images_arrive_on_the_topic_of_image_transport(graph, engine):
    from pose_tracking_ros.msg import TrackedPoseArray
    from sensor_msgs.msg import CompressedImage

    poses = graph.listen(TrackedPoseArray, 'tracked_poses')
    camera = graph.camera(topic='image/compressed', message_type=CompressedImage)
    tracker = graph.tracker(engine, image_transport='compressed')
    graph.until(lambda: 'reliable)' in tracker._input.description, 'connected')
    graph.connect(camera, tracker)
    graph.connect(tracker._outputs._poses)
    message = CompressedImage(format='jpeg')
    message.data = cv2.imencode('.jpg', np.full((120, 200, 3), 99, np.uint8))[1].tobytes()
    message.header.frame_id = 'far'
    message.header.stamp.sec = 3
    camera.publish(message)
    array = graph.until(lambda: poses, 'poses')[0]
    assert (array.image_width, array.image_height) == (200, 120)
    assert array.header == message.header
    assert len(array.poses) == 1


@pytest.mark.parametrize('is_other_there', [True, False])
def test_silence_is_explained_once(graph, engine, is_other_there):
    if is_other_there:
        graph.camera(topic='front/image_raw')
    tracker = graph.tracker(engine, silence_warning_s=0.5)
    graph.until(lambda: tracker.warnings, 'warning')
    for _ in range(3):
        # As the timer does twice a second.
        tracker._check()
    (warning,) = tracker.warnings
    assert f'no image on {graph.namespace}/image' in warning
    assert 'nobody publishes there' in warning
    assert (f'image:={graph.namespace}/front/image_raw' in warning) == is_other_there
    assert 'silence' in tracker._health.active()


def test_silence_of_simulated_time_is_explained_too(graph, engine):
    tracker = graph.tracker(engine, silence_warning_s=0.5, use_sim_time=True)
    graph.until(lambda: tracker.warnings, 'warning')
    assert 'nobody publishes there' in tracker.warnings[0]


def test_silence_ends_with_the_next_image(scene, image):
    scene = scene(silence_warning_s=0.5)
    scene.graph.until(lambda: 'silence' in scene.tracker._health.active(), 'silence')
    assert 'but is idle' in scene.tracker._health.active()['silence']
    scene.show(image(1.0))
    scene.graph.until(lambda: 'silence' not in scene.tracker._health.active(), 'no silence')
