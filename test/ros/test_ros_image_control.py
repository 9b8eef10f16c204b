"""Which images are processed and which part of them: rate, region, odd and broken images."""

import numpy as np
import pytest


def set_atomically(graph, **values):
    from rcl_interfaces.srv import SetParametersAtomically
    from rclpy.parameter import Parameter

    request = SetParametersAtomically.Request(
        parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
    )
    return graph.call(
        SetParametersAtomically, 'tracker_node/set_parameters_atomically', request
    ).result


def settled(scene, received):
    """Wait until so many images have been received, and each of them has met its fate."""

    def is_settled():
        counts = scene.tracker._intake.counts()
        fates = sum(n for what, n in counts.items() if what != 'received')
        return counts['received'] == fates == received and counts

    return scene.graph.until(is_settled, f'{received} images counted')


def send(scene, message):
    """Publish a message and wait until the node has it."""
    before = scene.tracker._intake.counts()['received']
    scene.camera.publish(message)
    scene.graph.until(
        lambda: scene.tracker._intake.counts()['received'] > before, 'image received'
    )


def test_a_limited_rate_goes_by_stamps_and_skipped_images_are_not_dropped(scene, image, graph):
    from diagnostic_msgs.msg import DiagnosticArray

    arrays = graph.listen(DiagnosticArray, '/diagnostics')
    scene = scene(max_rate_hz=10.0, diagnostics_period_s=0.1)
    stamps_s = [100 + number / 30 for number in range(30)]
    for index, stamp_s in enumerate(stamps_s):
        send(scene, image(stamp_s))
        counts = settled(scene, index + 1)
    assert (counts['processed'], counts['skipped'], counts['dropped']) == (10, 20, 0)
    graph.until(lambda: len(scene.poses) == 10, 'poses')
    taken_s = [a.header.stamp.sec + a.header.stamp.nanosec * 1e-9 for a in scene.poses]
    np.testing.assert_allclose(taken_s, stamps_s[::3], atol=1e-6)
    assert {a.frames_dropped for a in scene.poses} == {0}

    def told():
        values = {v.key: v.value for v in arrays[-1].status[0].values} if arrays else {}
        # Diagnostics from before the last image may still be on their way.
        return values if values.get('images skipped') == '20' else None

    assert graph.until(told, 'diagnostics of all skipped images')['images dropped'] == '0'
    # Live, and after a jump back at once.
    assert set_atomically(graph, max_rate_hz=0.0).successful
    assert scene.show(image(101.001)).sequence == 11
    assert set_atomically(graph, max_rate_hz=1.0).successful
    assert scene.show(image(50.0)).sequence == 12


def test_a_region_is_looked_at_and_results_are_in_pixels_of_the_whole_image(scene, image, graph):
    scene = scene(roi_x_px=200, roi_y_px=100, roi_width_px=150, roi_height_px=300)
    array = scene.show(image(1.0, size=(640, 480)))
    assert scene.engine.images[-1].shape == (300, 150, 3)
    assert (array.image_width, array.image_height) == (640, 480)
    # What the engine on paper finds, 60 and 80 px from the corner of what it sees.
    (pose,) = array.poses
    assert (pose.bbox.center_x, pose.bbox.center_y) == pytest.approx((260, 180))
    assert {k.y for k in pose.keypoints} == {180.0}
    # Live: the whole image again. The person is the same, and only moves.
    assert set_atomically(
        graph, roi_x_px=0, roi_y_px=0, roi_width_px=0, roi_height_px=0
    ).successful
    array = scene.show(image(1.1, size=(640, 480)))
    assert scene.engine.images[-1].shape == (480, 640, 3)
    assert min(pose.bbox.center_x for pose in array.poses) == pytest.approx(60)


def test_a_region_that_does_not_fit_is_cut_or_left_out_with_the_reason(scene, image, graph):
    scene = scene(roi_x_px=100, roi_width_px=500)
    assert len(scene.show(image(1.0)).poses) == 1
    assert scene.engine.images[-1].shape == (160, 60, 3)
    (warning,) = scene.tracker.warnings
    assert '160x160' in warning
    assert 'cut at its edge' in warning
    assert set_atomically(graph, roi_x_px=160).successful
    assert not [p for p in scene.show(image(9.0)).poses if p.is_matched]
    assert len(scene.engine.images) == 1
    assert 'outside of the image' in scene.tracker._health.active()['region']
    assert set_atomically(graph, roi_x_px=0, roi_width_px=160).successful
    assert [p for p in scene.show(image(9.1)).poses if p.is_matched]
    assert 'region' not in scene.tracker._health.active()


@pytest.mark.parametrize(
    ('value', 'words'), [(-1, 'roi_height_px'), (70000, 'roi_height_px'), (1.5, 'INTEGER')]
)
def test_one_bad_edge_leaves_the_region_as_it_was(graph, engine, value, words):
    tracker = graph.tracker(engine, roi_x_px=10)
    result = set_atomically(graph, roi_x_px=20, max_rate_hz=5.0, roi_height_px=value)
    assert not result.successful
    assert words in result.reason
    values = [tracker.get_parameter(n).value for n in ('roi_x_px', 'max_rate_hz', 'roi_height_px')]
    assert values == [10, 0.0, 0]


@pytest.mark.parametrize(
    'size', [(1, 1), (1, 500), (64, 48), (480, 640), (4096, 3072)], ids=lambda s: f'{s[0]}x{s[1]}'
)
def test_images_of_any_size_are_processed(scene, image, size):
    scene = scene()
    array = scene.show(image(1.0, size=size))
    assert (array.image_width, array.image_height) == size
    assert scene.engine.images[0].shape == (size[1], size[0], 3)
    assert not scene.tracker.warnings


def broken_images(image):
    padded = image(1.0, size=(8, 2))
    rows = np.frombuffer(padded.data, np.uint8).reshape(2, 24)
    padded.step = 1 << 20
    padded.data = rows[0].tobytes() + bytes((1 << 20) - 24) + rows[1].tobytes()
    yield 'a huge step', padded, None
    for step in (2**32 - 1, 3):
        message = image(1.0)
        message.step = step
        yield f'a step of {step}', message, 'step' if step == 3 else 'bytes'
    message = image(1.0)
    message.data = message.data[:-1]
    yield 'one byte missing', message, 'cut off'
    message = image(1.0)
    message.data = b''
    yield 'no data', message, 'got 0'
    for width, height in ((0, 0), (0, 160), (160, 0)):
        message = image(1.0)
        message.width, message.height = width, height
        yield f'{width}x{height}', message, 'at least one pixel'
    message = image(1.0)
    message.width = message.height = 2**32 - 1
    yield 'absurd size', message, 'step'
    message = image(1.0)
    message.encoding = 'é' * 10
    yield 'no such encoding', message, 'encoding'


def test_broken_images_are_refused_one_by_one_and_the_next_good_one_is_tracked(scene, image):
    scene = scene()
    health = scene.tracker._health
    for number, (what, message, words) in enumerate(broken_images(image), start=1):
        message.header.stamp.sec = number
        before = scene.tracker._intake.counts()
        send(scene, message)
        counts = settled(scene, before['received'] + 1)
        is_refused = counts['refused'] == before['refused'] + 1
        assert is_refused == (words is not None), what
        if words is not None:
            assert words in health.active()['image'], what
        before = scene.tracker._intake.counts()['processed']
        array = scene.show(image(number + 0.5))
        assert len(array.poses) == 1, what
        assert 'image' not in health.active()
    assert sum('not readable' in warning for warning in scene.tracker.warnings) == 1


def test_a_storm_of_parameters_loses_no_image(scene, image, graph):
    """A thousand changes, as fast as they go, while images flow."""
    from rclpy.parameter import Parameter

    scene = scene()
    tracker = scene.tracker
    for number in range(1000):
        (result,) = [
            tracker.set_parameters_atomically(
                [
                    Parameter('min_person_score', value=number / 2000),
                    Parameter('max_lost_s', value=1.0 + number / 1000),
                    # Every tenth is refused, as a whole.
                    Parameter('roi_x_px', value=-1 if number % 10 == 9 else number % 10),
                ]
            )
        ]
        assert result.successful == (number % 10 != 9)
        if number % 10 == 0:
            send(scene, image(1 + number / 100))
    counts = settled(scene, 100)
    assert counts['refused'] == counts['failed'] == counts['skipped'] == 0
    assert counts['processed'] + counts['dropped'] == 100
    graph.until(lambda: len(scene.poses) == counts['processed'], 'poses')
    # What is in use at last is the last that was accepted.
    scene.show(image(100.0))
    assert scene.engine.settings.min_person_score == 998 / 2000
    assert tracker._pipeline.tracker.settings.max_lost_s == 1.998
    assert tracker._pipeline.image_input.roi_x_px == 8
