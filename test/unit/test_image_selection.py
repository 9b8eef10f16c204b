"""Which images are looked at, and which part of them."""

import numpy as np
import pytest

from pose_tracking_ros.image_selection import Region, StampRateLimit
from pose_tracking_ros.people import People
from pose_tracking_ros.pipeline import Pipeline
from pose_tracking_ros.settings import ImageInputSettings, TrackerSettings
from pose_tracking_ros.tracking.tracker import Tracker


def region(x=0, y=0, width=0, height=0, image_size=(640, 480)):
    settings = ImageInputSettings(roi_x_px=x, roi_y_px=y, roi_width_px=width, roi_height_px=height)
    return Region.of(settings, image_size)


def corners(part):
    return (part.left, part.top, part.right, part.bottom)


@pytest.mark.parametrize(
    ('wish', 'expected'),
    [
        ({}, (0, 0, 640, 480)),
        ({'x': 100, 'y': 50}, (100, 50, 640, 480)),
        ({'width': 10, 'height': 20}, (0, 0, 10, 20)),
        ({'x': 630, 'y': 470, 'width': 10, 'height': 10}, (630, 470, 640, 480)),
    ],
)
def test_a_region_inside_the_image_is_taken_as_it_is(wish, expected):
    assert corners(region(**wish)) == expected
    assert region(**wish).problem == ''


def test_a_region_is_cut_at_the_edge_and_says_so():
    part = region(x=600, y=400, width=100, height=100)
    assert corners(part) == (600, 400, 640, 480)
    for words in ('x 600 to 700', 'y 400 to 500', '640x480', 'cut', 'roi_width_px'):
        assert words in part.problem
    assert not part.is_empty


@pytest.mark.parametrize('wish', [{'x': 640}, {'y': 480, 'height': 5}, {'x': 9000, 'width': 3}])
def test_a_region_outside_of_the_image_is_empty_and_says_so(wish):
    part = region(**wish)
    assert part.is_empty
    assert 'outside' in part.problem
    assert 'nobody is looked for' in part.problem


def passed(stamps_s, max_rate_hz, limit=None):
    limit = limit or StampRateLimit()
    return [stamp_s for stamp_s in stamps_s if limit.allows(stamp_s, max_rate_hz)]


@pytest.mark.parametrize(
    ('camera_hz', 'limit_hz', 'expected'),
    [(30, 0, 300), (30, 30, 300), (30, 15, 150), (30, 10, 100), (25, 20, 240), (30, 60, 300)],
)
def test_as_many_images_pass_as_the_limit_says(camera_hz, limit_hz, expected):
    """In about 10 to 12 s, with stamps that jitter as those of cameras do."""
    generator = np.random.default_rng(3)
    stamps_s = 100 + (np.arange(300) + generator.uniform(-0.1, 0.1, 300)) / camera_hz
    assert len(passed(stamps_s, limit_hz)) == pytest.approx(expected, abs=2)


def test_a_camera_that_is_irregular_never_gets_more_than_the_limit():
    stamps_s = np.sort(np.random.default_rng(4).uniform(1000, 1100, 5000))
    assert 1500 <= len(passed(stamps_s, 20)) <= 2001


def test_after_a_jump_back_the_next_image_passes():
    limit = StampRateLimit()
    assert passed([500.0, 500.1, 3.0, 3.1, 4.0], 1.0, limit) == [500.0, 3.0, 4.0]


def test_after_a_pause_images_do_not_come_in_a_burst():
    assert passed([0.5, 60.0, 60.1, 60.2, 60.3, 61.0], 1.0) == [0.5, 60.0, 61.0]


def test_a_raised_limit_counts_at_once():
    limit = StampRateLimit()
    assert limit.allows(100.0, 0.1)
    assert not limit.allows(101.0, 0.1)
    assert limit.allows(101.1, 10.0)


def test_images_without_stamp_are_limited_by_their_arrival():
    now_s = [50.0]
    limit = StampRateLimit(lambda: now_s[0])
    assert limit.allows(0.0, 1.0)
    now_s[0] = 50.5
    assert not limit.allows(0.0, 1.0)
    now_s[0] = 51.0
    assert limit.allows(0.0, 1.0)


class _CornerEngine:
    """Finds one person of 10 x 20 px in the top left corner of what it is shown."""

    model_id = device_name = 'paper'
    fallback_reason = ''
    embedding_dim = 4

    def __init__(self):
        self.shapes = []

    def infer(self, image):
        self.shapes.append(image.shape)
        assert image.flags.c_contiguous
        return People(
            boxes=np.array([[0.0, 0.0, 10.0, 20.0]]),
            scores=np.array([0.9]),
            keypoints=np.full((1, 17, 2), 5.0),
            keypoint_scores=np.full((1, 17), 0.8),
            embeddings=np.eye(1, 4),
            image_size=(image.shape[1], image.shape[0]),
        )


def test_results_of_a_region_are_in_pixels_of_the_whole_image():
    engine = _CornerEngine()
    settings = ImageInputSettings(roi_x_px=100, roi_y_px=30, roi_width_px=50, roi_height_px=60)
    pipeline = Pipeline(engine, Tracker(TrackerSettings()), image_input=settings)
    result = pipeline.process(np.zeros((200, 300, 3), np.uint8), 1.0)
    assert engine.shapes == [(60, 50, 3)]
    assert result.people.image_size == (300, 200)
    np.testing.assert_allclose(result.tracks[0].box, [100, 30, 110, 50])
    np.testing.assert_allclose(result.tracks[0].keypoints, np.tile([105.0, 35.0], (17, 1)))
    assert result.region_problem == ''


def test_outside_of_the_image_nobody_is_looked_for():
    engine = _CornerEngine()
    settings = ImageInputSettings(roi_x_px=300)
    pipeline = Pipeline(engine, Tracker(TrackerSettings()), image_input=settings)
    result = pipeline.process(np.zeros((200, 300, 3), np.uint8), 1.0)
    assert engine.shapes == []
    assert (len(result.people), result.people.image_size) == (0, (300, 200))
    assert 'outside' in result.region_problem
