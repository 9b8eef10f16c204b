"""What is wrong is said once in the log, and in the diagnostics for as long as it lasts."""

import math
import time

import pytest


@pytest.fixture
def explained(graph):
    """Return the diagnostics' text of a problem, once it is there, and check its one warning."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    arrays = graph.listen(DiagnosticArray, '/diagnostics')
    name = f'{graph.namespace}/tracker_node: tracking'.lstrip('/')

    def text_of(tracker, kind):
        def found():
            for array in arrays:
                for status in array.status:
                    values = {v.key: v.value for v in status.values}
                    if status.name == name and f'problem: {kind}' in values:
                        assert status.level == DiagnosticStatus.WARN
                        return values[f'problem: {kind}']
            return None

        text = graph.until(found, f'diagnostics of {kind}')
        assert tracker.warnings.count(text) == 1
        return text

    return text_of


def has_ended(scene, kind):
    return lambda: kind not in scene.tracker._health.active()


def test_two_cameras_on_one_topic(scene, image, graph, explained):
    scene = scene(diagnostics_period_s=0.1)
    scene.show(image(1.0))
    assert not scene.tracker.warnings
    other = graph.camera()
    graph.until(lambda: 'publishers' in scene.tracker._health.active(), 'complaint')
    text = explained(scene.tracker, 'publishers')
    assert '2 publishers' in text
    assert f'{graph.namespace}/peer' in text
    assert 'multi_camera.launch.py' in text
    scene.show(image(1.1))
    graph.peer.destroy_publisher(other)
    graph.until(has_ended(scene, 'publishers'), 'end of the complaint')
    assert len(scene.tracker.warnings) == 1


def test_images_of_varying_size(scene, image, explained):
    scene = scene(diagnostics_period_s=0.1)
    scene.show(image(1.0))
    for number in range(4):
        array = scene.show(image(1.1 + number / 10, size=(200, 180) if number % 2 else (160, 160)))
    assert (array.image_width, array.image_height) == (200, 180)
    text = explained(scene.tracker, 'image_size')
    assert '160x160' in text
    assert '200x180' in text
    assert len(scene.tracker.warnings) == 1


def camera_info(**changes):
    from sensor_msgs.msg import CameraInfo

    values = {'width': 160, 'height': 160, 'fx': 200.0, 'fy': 200.0, 'cx': 80.0, 'cy': 80.0}
    values |= changes
    message = CameraInfo(width=values['width'], height=values['height'])
    message.k = [values['fx'], 0.0, values['cx'], 0.0, values['fy'], values['cy'], 0.0, 0.0, 1.0]
    return message


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'width': 640, 'height': 480}, ['640x480', '160x160', 'Remap camera_info']),
        ({'fx': math.nan}, ['finite', 'fx nan', 'Calibrate']),
        ({'cy': math.inf}, ['finite', 'cy inf', 'Calibrate']),
        ({'fx': 0.0, 'fy': 0.0}, ['fx 0.0', 'not calibrated', 'Calibrate']),
        ({'fy': -200.0}, ['fy -200.0', 'above 0']),
    ],
)
def test_a_calibration_that_cannot_be_used(scene, image, graph, explained, changes, words):
    """Without anybody who looks at markers, too; a good one ends the complaint."""
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo

    infos = graph.peer.create_publisher(CameraInfo, 'camera_info', qos_profile_sensor_data)
    scene = scene(diagnostics_period_s=0.1)
    graph.connect(infos, scene.tracker)
    shown = []
    show = scene.tracker._outputs.show
    scene.tracker._outputs.show = lambda *a, camera_info, **k: (
        shown.append(camera_info),
        show(*a, camera_info=camera_info, **k),
    )

    def send(message, stamp_s):
        infos.publish(message)
        graph.until(
            lambda: scene.tracker._processor.camera_info == message, 'calibration received'
        )
        scene.show(image(stamp_s))

    bad = camera_info(**changes)
    # NaN is not equal to itself.
    infos.publish(bad)
    graph.until(lambda: scene.tracker._processor.camera_info is not None, 'calibration received')
    scene.show(image(1.0))
    scene.show(image(1.1))
    text = explained(scene.tracker, 'camera_info')
    for word in words:
        assert word in text
    good = camera_info()
    send(good, 1.2)
    scene.graph.until(lambda: len(shown) == 3, 'all shown')
    assert shown == [None, None, good]
    assert has_ended(scene, 'camera_info')()
    assert len(scene.tracker.warnings) == 1
    # What nobody needs any more is not received.
    graph.until(lambda: not infos.get_subscription_count(), 'unsubscribed')


def test_a_calibration_of_binned_images_or_a_part_of_the_sensor_fits():
    from pose_tracking_ros.ros.image_checks import camera_info_problem

    binned = camera_info(width=320, height=320)
    binned.binning_x = binned.binning_y = 2
    assert camera_info_problem(binned, (160, 160)) == ''
    assert '160x160' in camera_info_problem(binned, (320, 320))
    part = camera_info(width=1000, height=1000)
    part.roi.width = part.roi.height = 160
    assert camera_info_problem(part, (160, 160)) == ''
    assert camera_info_problem(camera_info(width=0, height=0), (160, 160)) == ''


@pytest.mark.parametrize(('offset_s', 'word'), [(3600.0, 'after'), (-86400.0, 'before')])
def test_stamps_far_from_now(scene, image, explained, offset_s, word):
    scene = scene(diagnostics_period_s=0.1, max_stamp_offset_s=10.0)
    now_s = time.time()
    for number in range(3):
        scene.show(image(now_s + offset_s + number / 10))
    text = explained(scene.tracker, 'stamp_offset')
    assert f'{abs(offset_s):.0f}'[:2] in text
    assert f"s {word} this node's clock" in text
    assert 'use_sim_time' in text
    assert 'chrony' in text
    scene.show(image(time.time()))
    assert has_ended(scene, 'stamp_offset')()
    assert all('stamps of the images' in w or 'jumped back' in w for w in scene.tracker.warnings)


def test_simulated_time_that_nobody_publishes(graph, engine, explained):
    from rosgraph_msgs.msg import Clock

    tracker = graph.tracker(
        engine, use_sim_time=True, silence_warning_s=0.5, diagnostics_period_s=0.1
    )
    text = explained(tracker, 'clock')
    assert 'nobody publishes it' in text
    assert '--clock' in text
    clock = graph.peer.create_publisher(Clock, '/clock', 10)

    def comes():
        message = Clock()
        message.clock.sec = 5
        clock.publish(message)
        graph.spin_for(0.05)
        return 'clock' not in tracker._health.active()

    graph.until(comes, 'simulated time')


def test_a_node_that_falls_behind(scene, image, graph, explained, monkeypatch):
    from pose_tracking_ros.ros import load_watch

    monkeypatch.setattr(load_watch, '_WINDOW_S', 1.0)
    scene = scene(diagnostics_period_s=0.1)
    infer = scene.engine.infer
    scene.engine.infer = lambda picture: (time.sleep(0.1), infer(picture))[1]
    stamp_s = 1.0

    def send():
        nonlocal stamp_s
        stamp_s += 0.02
        scene.camera.publish(image(stamp_s))
        graph.spin_for(0.02)
        return 'load' in scene.tracker._health.active()

    graph.until(send, 'complaint')
    text = explained(scene.tracker, 'load')
    for word in ('falling behind', 'dropped', 'max_rate_hz', 'image_long_side_px'):
        assert word in text
    graph.until(has_ended(scene, 'load'), 'end of the complaint')
    assert len(scene.tracker.warnings) == 1


def test_a_subscriber_that_asks_for_more_than_is_offered(scene, image, graph, explained):
    """The other side of a mismatch: who waits for results hears nothing either."""
    from pose_tracking_ros.msg import TrackedPoseArray
    from rclpy.qos import DurabilityPolicy, QoSProfile

    wish = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    scene = scene(diagnostics_period_s=0.1)
    refused = graph.peer.create_subscription(TrackedPoseArray, 'tracked_poses', print, wish)
    graph.until(lambda: 'subscriber_qos' in scene.tracker._health.active(), 'complaint')
    text = explained(scene.tracker, 'subscriber_qos')
    for words in (f'{graph.namespace}/tracked_poses', f'reaches {graph.namespace}/peer'):
        assert words in text
    for words in ('transient local, volatile is offered', 'ask for no more'):
        assert words in text
    # Everybody else is served.
    scene.show(image(1.0))
    graph.peer.destroy_subscription(refused)
    graph.until(has_ended(scene, 'subscriber_qos'), 'end of the complaint')
