"""The steps of the work on images in threads of their own: the same results, counts and ends."""

import dataclasses
import threading

import pytest

THREADS = pytest.mark.parametrize('threads', [1, 2, 3])
SEVERAL = pytest.mark.parametrize('threads', [2, 3])


def moving_people(engine):
    """Let the paper engine's person walk: the brighter the image, the further."""
    infer = engine.infer

    def walk(picture):
        found = infer(picture)
        if not len(found):
            return found
        shift = float(picture[0, 0, 0])
        boxes, keypoints = found.boxes.copy(), found.keypoints.copy()
        boxes[:, [0, 2]] += shift
        keypoints[..., 0] += shift
        return dataclasses.replace(found, boxes=boxes, keypoints=keypoints)

    engine.infer = walk


def run_of(scene, image):
    """Show a walk with a gap, an unreadable image and a jump back; return what is published."""
    values = [1, 3, 5, 7, 0, 0, 11, 13, 15, 17]
    arrays = [
        scene.show(image(1.0 + number / 10, value=value)) for number, value in enumerate(values)
    ]
    scene.camera.publish(image(2.1, encoding='nonsense'))
    refused = scene.tracker._intake
    scene.graph.until(lambda: refused.counts()['refused'] == 1, 'refused')
    arrays += [scene.show(image(0.5 + number / 10, value=9)) for number in range(3)]
    # As text: what is not known is NaN, which is unlike itself.
    return [(array.sequence, str(array.poses)) for array in arrays]


def test_tracks_are_the_same_in_one_two_and_three_threads(engine, image, scene):
    moving_people(engine)
    scene = scene()
    expected = run_of(scene, image)
    assert len(expected) == 13
    assert all('track_id=' in poses for _, poses in expected)
    for threads in (2, 3):
        restart(scene, threads)
        assert run_of(scene, image) == expected


def restart(scene, threads):
    """Configure the tracker anew with another number of threads."""
    from rclpy.parameter import Parameter

    tracker = scene.tracker
    tracker.trigger_deactivate()
    tracker.trigger_cleanup()
    (result,) = tracker.set_parameters([Parameter('pipeline_threads', value=threads)])
    assert result.successful, result.reason
    assert tracker.start()
    scene.graph.until(lambda: 'reliable)' in tracker._input.description, 'reliable')
    scene.graph.connect(scene.camera, tracker)
    scene.graph.connect(tracker._outputs._poses)
    assert len(tracker._worker._tasks) == threads


@SEVERAL
def test_an_image_is_tracked_while_the_next_is_inferred(scene, image, threads):
    scene = scene(pipeline_threads=threads)
    gate, is_publishing = threading.Event(), threading.Event()
    publish = scene.tracker._outputs.publish

    def slow(*arguments, **options):
        is_publishing.set()
        assert gate.wait(30)
        publish(*arguments, **options)

    scene.tracker._outputs.publish = slow
    scene.camera.publish(image(1.0))
    scene.graph.until(is_publishing.is_set, 'publishing')
    scene.camera.publish(image(2.0))
    scene.graph.until(lambda: len(scene.engine.images) == 2, 'the next one inferred')
    gate.set()
    scene.graph.until(lambda: len(scene.poses) == 2, 'both')
    assert [a.header.stamp.sec for a in scene.poses] == [1, 2]


@THREADS
def test_every_image_is_counted_once(scene, image, threads):
    """Whatever is dropped, and between whichever steps."""
    scene = scene(pipeline_threads=threads)
    scene.engine.gate.clear()
    scene.camera.publish(image(1.0))
    scene.graph.until(scene.engine.is_busy.is_set, 'engine busy')
    for number in range(2, 12):
        received = scene.tracker._mailbox.received
        message = image(number, encoding='nonsense' if number == 5 else 'rgb8')
        scene.camera.publish(message)
        scene.graph.until(lambda n=received: scene.tracker._mailbox.received > n, 'received')
    scene.engine.gate.set()
    counts = scene.tracker._intake.counts

    def is_settled():
        now = counts()
        ends = ('dropped', 'refused', 'failed', 'processed', 'skipped')
        return sum(now[name] for name in ends) == now['received']

    scene.graph.until(is_settled, 'every image has come to an end')
    scene.graph.until(lambda: len(scene.poses) == counts()['processed'], 'poses')
    stamps = [a.header.stamp.sec for a in scene.poses]
    assert stamps == sorted(stamps)
    assert (stamps[0], stamps[-1]) == (1, 11)
    assert counts()['received'] == 11
    assert scene.poses[-1].frames_dropped == counts()['dropped'] >= 7
    assert [a.sequence for a in scene.poses] == list(range(1, len(stamps) + 1))


@SEVERAL
def test_deactivating_publishes_what_is_on_its_way(scene, image, threads):
    scene = scene(pipeline_threads=threads)
    scene.engine.gate.clear()
    scene.camera.publish(image(1.0))
    scene.graph.until(scene.engine.is_busy.is_set, 'engine busy')
    scene.camera.publish(image(2.0))
    scene.graph.until(lambda: scene.tracker._mailbox.received == 2, 'stored')
    scene.engine.gate.set()
    scene.tracker.trigger_deactivate()
    scene.graph.until(lambda: len(scene.poses) == 2, 'both arrays')
    assert [a.header.stamp.sec for a in scene.poses] == [1, 2]


@SEVERAL
def test_a_reset_counts_from_the_next_image_on(scene, image, threads):
    from std_srvs.srv import Trigger

    scene = scene(pipeline_threads=threads)
    first = scene.show(image(1.0))
    scene.show(image(1.1))
    assert scene.graph.call(Trigger, 'tracker_node/reset', Trigger.Request()).success
    after = scene.show(image(1.2))
    assert after.session_id != first.session_id
    assert after.sequence == 3


@SEVERAL
def test_settings_change_between_images(scene, image, threads):
    from rclpy.parameter import Parameter

    scene = scene(pipeline_threads=threads)
    scene.show(image(1.0))
    scene.tracker.set_parameters(
        [Parameter('max_people', value=5), Parameter('max_lost_s', value=0.0)]
    )
    scene.show(image(1.1))
    assert scene.engine.settings.max_people == 5
    scene.show(image(1.2, value=0))
    assert not scene.show(image(2.0, value=0)).poses


@SEVERAL
def test_a_failing_network_leaves_one_image_out(scene, image, threads):
    scene = scene(pipeline_threads=threads)
    scene.show(image(1.0))
    scene.engine.error = RuntimeError('an illegal address')
    scene.camera.publish(image(2.0))
    scene.graph.until(lambda: scene.tracker._intake.counts()['failed'] == 1, 'counted')
    assert scene.show(image(3.0)).sequence == 2


@SEVERAL
def test_an_unexpected_error_in_any_step_does_not_go_unnoticed(scene, image, threads):
    scene = scene(pipeline_threads=threads)

    def fail(*arguments, **options):
        raise KeyError('a bug')

    scene.tracker._outputs.publish = fail
    scene.camera.publish(image(1.0))
    with pytest.raises(KeyError, match='a bug'):
        scene.graph.until(lambda: False, 'failure')
    scene.tracker.stop(1.0)


def test_the_time_of_every_step_is_in_the_diagnostics(scene, image):
    from diagnostic_msgs.msg import DiagnosticArray

    scene = scene(diagnostics_period_s=0.1)
    messages = scene.graph.listen(DiagnosticArray, '/diagnostics')
    scene.graph.connect(scene.tracker._diagnostics)

    def told():
        tables = [
            {pair.key: pair.value for pair in status.values}
            for message in messages
            for status in message.status
        ]
        return next((table for table in tables if 'infer, mean (ms)' in table), None)

    scene.show(image(1.0))
    values = scene.graph.until(told, 'diagnostics')
    for step in ('decode', 'infer', 'track', 'publish'):
        # One image: its time is the mean and the longest.
        assert values[f'{step}, mean (ms)'] == values[f'{step}, longest (ms)']
        assert float(values[f'{step}, mean (ms)']) >= 0
