"""The tracker node from outside: messages in, messages out."""

import math

import numpy as np
import pytest


def test_an_image_comes_back_as_tracked_poses(scene, image):
    scene = scene()
    array = scene.show(image(12.25, size=(320, 160), frame_id='left_camera'))
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (12, 250_000_000)
    assert array.header.frame_id == 'left_camera'
    assert (array.image_width, array.image_height) == (320, 160)
    assert (array.skeleton, array.model_id) == ('coco_17', 'paper-00000000')
    assert (array.sequence, array.frames_dropped) == (1, 0)
    spent_s = array.processing_time.sec + array.processing_time.nanosec * 1e-9
    assert 0 < spent_s < 10

    (pose,) = array.poses
    assert pose.track_id == 1
    assert pose.is_matched
    assert pose.score == pytest.approx(0.9)
    box = pose.bbox
    assert (box.center_x, box.center_y, box.size_x, box.size_y) == pytest.approx((60, 80, 40, 120))
    np.testing.assert_allclose([k.x for k in pose.keypoints], np.linspace(45, 75, 17))
    assert {k.y for k in pose.keypoints} == {80.0}
    assert all(k.state == k.VISIBLE and k.score == pytest.approx(0.8) for k in pose.keypoints)
    assert math.isnan(pose.pose.position.x)
    assert len(pose.keypoints_3d) == 0
    assert len(pose.embedding) == 0


def test_images_reach_the_engine_as_rgb(scene, image):
    scene = scene()
    message = image(1.0)
    pixels = np.frombuffer(message.data, np.uint8).reshape(160, 160, 3).copy()
    pixels[..., 0] = 9
    message.data = pixels.tobytes()
    message.encoding = 'bgr8'
    scene.show(message)
    np.testing.assert_array_equal(scene.engine.images[-1][0, 0], [100, 100, 9])


def test_an_empty_array_is_published_for_an_empty_image(scene, image):
    scene = scene()
    first = scene.show(image(1.0, value=0))
    second = scene.show(image(1.1, value=0))
    assert [len(first.poses), len(second.poses)] == [0, 0]
    assert [first.sequence, second.sequence] == [1, 2]
    assert second.header.stamp.nanosec == 100_000_000


def test_a_person_keeps_the_number_and_ages_in_image_time(scene, image):
    scene = scene()
    for stamp_s in (5.0, 5.5, 6.0):
        array = scene.show(image(stamp_s))
    (pose,) = array.poses
    assert pose.track_id == 1
    assert pose.state == pose.CONFIRMED
    assert (pose.age.sec, pose.age.nanosec) == (1, 0)


def test_time_jumping_back_begins_a_new_session(scene, image):
    scene = scene()
    first = scene.show(image(100.0))
    second = scene.show(image(100.1))
    third = scene.show(image(50.0))
    assert first.session_id == second.session_id
    assert third.session_id != second.session_id
    assert third.poses[0].age.sec == 0
    (warning,) = [w for w in scene.tracker.warnings if 'time jumped back' in w]
    assert '100.100' in warning
    assert '50.000' in warning
    assert str(third.session_id) in warning


def test_images_without_stamp_are_tracked_by_arrival_and_complained_of_once(scene, image):
    scene = scene()
    scene.show(image(0.0))
    array = scene.show(image(0.0))
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (0, 0)
    assert array.poses[0].age.nanosec > 0
    (warning,) = [w for w in scene.tracker.warnings if 'no time stamp' in w]
    assert 'header.stamp' in warning


def test_images_that_come_during_inference_are_dropped_and_counted(scene, image):
    scene = scene()
    scene.show(image(1.0))
    scene.engine.gate.clear()
    scene.camera.publish(image(2.0))
    scene.graph.until(scene.engine.is_busy.is_set, 'engine busy')
    for stamp_s in (3.0, 4.0, 5.0):
        before = scene.tracker._mailbox.received
        scene.camera.publish(image(stamp_s))
        scene.graph.until(lambda n=before: scene.tracker._mailbox.received > n, 'image received')
    scene.engine.gate.set()
    scene.graph.until(lambda: len(scene.poses) == 3, 'three arrays')
    assert [a.header.stamp.sec for a in scene.poses] == [1, 2, 5]
    assert [a.sequence for a in scene.poses] == [1, 2, 3]
    assert scene.poses[-1].frames_dropped == 2


@pytest.mark.parametrize(
    'error',
    [RuntimeError('CUDA error: an illegal address'), ValueError('image: expected something else')],
)
def test_the_node_survives_a_failing_network_and_says_so(scene, image, error):
    scene = scene()
    scene.show(image(1.0))
    scene.engine.error = error
    scene.camera.publish(image(2.0))
    scene.graph.until(lambda: scene.tracker.warnings, 'warning')
    assert str(error) in scene.tracker.warnings[0]
    assert scene.show(image(3.0)).sequence == 2


def test_an_unexpected_error_in_the_worker_does_not_go_unnoticed(scene, image):
    scene = scene()
    scene.engine.error = KeyError('a bug')
    scene.camera.publish(image(1.0))
    with pytest.raises(KeyError, match='a bug'):
        scene.graph.until(lambda: False, 'failure')
    scene.tracker.stop(1.0)


def test_events_carry_the_header_of_their_image(scene, image, graph):
    from pose_tracking_ros.msg import TrackEvent

    events = graph.listen(TrackEvent, 'tracker_node/events')
    scene = scene()
    graph.connect(scene.tracker._outputs._events)
    scene.show(image(7.5))
    array = scene.show(image(8.25))
    graph.until(lambda: events, 'event')
    assert (events[0].kind, events[0].track_id) == (TrackEvent.BORN, 1)
    assert events[0].session_id == array.session_id
    assert events[0].header == array.header


def test_the_skeleton_reaches_those_who_come_later(scene, graph):
    from pose_tracking_ros.msg import SkeletonInfo

    from pose_tracking_ros.ros.qos import LATCHED
    from pose_tracking_ros.skeleton import COCO_17

    scene()
    infos = graph.listen(SkeletonInfo, 'tracker_node/skeleton_info', LATCHED)
    info = graph.until(lambda: infos, 'skeleton')[0]
    assert info.name == 'coco_17'
    assert tuple(info.joint_names) == COCO_17.joints
    limbs = [
        (info.joint_names[a], info.joint_names[b]) for a, b in np.reshape(info.limbs, (-1, 2))
    ]
    assert tuple(limbs) == COCO_17.limbs
    assert info.joint_names[info.flip_pairs[0]] == 'left_eye'
    np.testing.assert_allclose(info.sigmas, COCO_17.sigmas, rtol=1e-6)


def test_reset_begins_a_new_session_without_a_jump_in_time(scene, image, graph):
    from std_srvs.srv import Trigger

    scene = scene()
    before = scene.show(image(1.0))
    response = graph.call(Trigger, 'tracker_node/reset', Trigger.Request())
    assert response.success, response.message
    after = scene.show(image(1.1))
    assert after.session_id != before.session_id
    assert after.poses[0].age.nanosec == 0
    assert after.sequence == 2
    assert not scene.tracker.warnings


def test_a_disabled_node_ignores_images_and_keeps_its_tracks(scene, image, graph):
    from std_srvs.srv import SetBool

    scene = scene()
    before = scene.show(image(1.0))
    assert graph.call(SetBool, 'tracker_node/set_enabled', SetBool.Request(data=False)).success
    graph.until(lambda: not scene.camera.get_subscription_count(), 'unsubscribed')
    scene.camera.publish(image(1.1))
    graph.spin_for(0.3)
    assert len(scene.poses) == 1
    assert graph.call(SetBool, 'tracker_node/set_enabled', SetBool.Request(data=True)).success
    graph.connect(scene.camera, scene.tracker)
    after = scene.show(image(1.2))
    assert after.session_id == before.session_id
    assert after.poses[0].track_id == before.poses[0].track_id
    assert after.frames_dropped == 0


def test_reset_needs_an_active_node(graph, engine):
    from std_srvs.srv import Trigger

    graph.tracker(engine, is_started=False)
    response = graph.call(Trigger, 'tracker_node/reset', Trigger.Request())
    assert not response.success
    assert 'active' in response.message


def test_diagnostics_tell_rates_drops_device_and_problems(scene, image, graph):
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    arrays = graph.listen(DiagnosticArray, '/diagnostics')
    scene = scene(diagnostics_period_s=0.1)
    mine = f'{graph.namespace}/tracker_node: tracking'.lstrip('/')

    def latest(condition):
        def found():
            statuses = [s for a in arrays for s in a.status if s.name == mine]
            statuses = [s for s in statuses if condition(s, {v.key: v.value for v in s.values})]
            return statuses and statuses[-1]

        return graph.until(found, 'diagnostics')

    scene.show(image(1.0))
    status = latest(lambda s, values: values.get('images processed') == '1')
    assert status.level == DiagnosticStatus.OK
    assert status.message == 'tracking'
    assert status.hardware_id == 'paper'
    values = {v.key: v.value for v in status.values}
    assert values['model'] == 'paper-00000000'
    assert values['images dropped'] == '0'
    assert 'reliable' in values['input']

    scene.camera.publish(image(2.0, encoding='x264'))
    status = latest(lambda s, values: s.level == DiagnosticStatus.WARN)
    assert "'x264'" in status.message
    assert {v.key: v.value for v in status.values}['reports: image'] == '1'
    scene.show(image(3.0))
    arrays.clear()
    latest(lambda s, values: s.level == DiagnosticStatus.OK)


def test_running_on_the_cpu_instead_of_a_gpu_is_warned_of(scene, engine):
    engine.fallback_reason = 'torch sees no usable GPU'
    scene = scene()
    (warning,) = scene.tracker.warnings
    assert 'CPU' in warning
    assert engine.fallback_reason in warning


def test_embeddings_are_sent_when_asked_for(scene, image):
    scene = scene(publish_embeddings=True)
    array = scene.show(image(1.0))
    np.testing.assert_allclose(array.poses[0].embedding, [1, 0, 0, 0], atol=1e-6)
