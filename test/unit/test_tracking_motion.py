"""The motion filter: physics that any correct implementation shares."""

import numpy as np
import pytest

from pose_tracking_ros.tracking import motion
from pose_tracking_ros.tracking.motion import MotionModel

MODEL = MotionModel()
NOT_COASTING = np.zeros(1, dtype=bool)
COASTING = np.ones(1, dtype=bool)


def _box(x: float, y: float, width: float = 40, height: float = 100) -> np.ndarray:
    return np.array([[x - width / 2, y - height / 2, x + width / 2, y + height / 2]])


def _follow(speed_px_s: float, rate_hz: float, duration_s: float) -> np.ndarray:
    moments = motion.start(_box(100, 200), MODEL)
    for i in range(1, round(duration_s * rate_hz) + 1):
        moments = motion.predict(moments, 1 / rate_hz, NOT_COASTING, MODEL)
        box = _box(100 + speed_px_s * i / rate_hz, 200)
        moments = motion.correct(moments, box, np.ones(1), MODEL)
    return moments


def test_a_new_state_expects_the_measured_box():
    np.testing.assert_allclose(motion.boxes_of(motion.start(_box(70, 80), MODEL)), _box(70, 80))


@pytest.mark.parametrize('rate_hz', [5.0, 30.0])
def test_velocity_is_found_in_pixels_per_second_at_any_rate(rate_hz):
    moments = _follow(80.0, rate_hz, 2.0)
    np.testing.assert_allclose(moments[0, motion.VELOCITY], [80, 0, 0, 0], atol=2.0)
    ahead = motion.predict(moments, 0.5, NOT_COASTING, MODEL)
    np.testing.assert_allclose(motion.boxes_of(ahead), _box(100 + 80 * 2.5, 200), atol=3.0)


@pytest.mark.parametrize('coasting', [COASTING, NOT_COASTING])
def test_two_steps_expect_what_one_step_expects(coasting):
    moments = _follow(60.0, 15.0, 1.0)
    once = motion.predict(moments, 0.6, coasting, MODEL)
    twice = motion.predict(motion.predict(moments, 0.2, coasting, MODEL), 0.4, coasting, MODEL)
    np.testing.assert_allclose(once[:, :2], twice[:, :2], rtol=1e-9)


def test_noise_does_not_depend_on_the_frame_rate():
    moments = _follow(60.0, 15.0, 1.0)
    once = motion.predict(moments, 0.6, NOT_COASTING, MODEL)
    many = moments
    for _ in range(12):
        many = motion.predict(many, 0.05, NOT_COASTING, MODEL)
    np.testing.assert_allclose(once, many, rtol=1e-6)


def test_no_time_changes_nothing():
    moments = _follow(60.0, 15.0, 1.0)
    np.testing.assert_allclose(motion.predict(moments, 0.0, COASTING, MODEL), moments)


def test_an_unseen_person_slows_down_and_never_runs_off():
    moments = _follow(60.0, 15.0, 1.0)
    start = moments[0, motion.POSITION, 0]
    later = motion.predict(moments, 60.0, COASTING, MODEL)
    speed = moments[0, motion.VELOCITY, 0]
    assert abs(later[0, motion.VELOCITY, 0]) < 1e-6 * speed
    assert later[0, motion.POSITION, 0] - start < 1.001 * MODEL.coast_s * speed


def test_uncertainty_grows_unseen_and_shrinks_when_seen():
    moments = _follow(0.0, 15.0, 1.0)
    reach = [motion.reach_px(moments)]
    for _ in range(5):
        moments = motion.predict(moments, 0.2, COASTING, MODEL)
        reach.append(motion.reach_px(moments))
    assert (np.diff(np.concatenate(reach), axis=0) > 0).all()
    seen = motion.correct(moments, _box(100, 200), np.ones(1), MODEL)
    assert (motion.reach_px(seen) < reach[-1]).all()


def test_reach_scales_with_the_person():
    near = motion.predict(motion.start(_box(0, 0, 80, 200), MODEL), 0.2, NOT_COASTING, MODEL)
    far = motion.predict(motion.start(_box(0, 0, 8, 20), MODEL), 0.2, NOT_COASTING, MODEL)
    np.testing.assert_allclose(motion.reach_px(near), 10 * motion.reach_px(far))


def test_a_noisy_measurement_moves_the_expectation_less():
    moments = motion.predict(_follow(0.0, 15.0, 1.0), 0.1, NOT_COASTING, MODEL)
    shift = [
        motion.correct(moments, _box(120, 200), np.array([scale]), MODEL)[0, motion.POSITION, 0]
        for scale in (1.0, 3.0)
    ]
    assert 100 < shift[1] < shift[0] < 120


def test_variances_stay_positive_over_a_long_run():
    rng = np.random.default_rng(0)
    moments = motion.start(_box(100, 200), MODEL)
    for _ in range(2000):
        moments = motion.predict(moments, float(rng.uniform(0, 0.3)), rng.random(1) < 0.3, MODEL)
        if rng.random() < 0.7:
            box = _box(*rng.uniform(90, 110, 2))
            moments = motion.correct(moments, box, np.ones(1), MODEL)
    assert np.isfinite(moments).all()
    assert (moments[:, motion.VAR_POSITION] > 0).all()
    assert (moments[0, motion.VAR_VELOCITY, :2] > 0).all()
    assert (
        moments[:, motion.COVARIANCE] ** 2
        <= moments[:, motion.VAR_POSITION] * moments[:, motion.VAR_VELOCITY] + 1e-9
    ).all()


def test_a_box_of_no_size_is_survived():
    moments = motion.start(np.array([[5.0, 5.0, 5.0, 5.0]]), MODEL)
    moments = motion.predict(moments, 0.1, NOT_COASTING, MODEL)
    moments = motion.correct(moments, np.array([[5.0, 5, 5, 5]]), np.ones(1), MODEL)
    assert np.isfinite(moments).all()


def test_results_do_not_depend_on_the_order_in_memory():
    moments = np.concatenate([_follow(60.0, 15.0, 1.0), _follow(-30.0, 15.0, 1.0)])
    straight = np.ascontiguousarray(moments)
    tracks_last = np.ascontiguousarray(moments.transpose(1, 2, 0)).transpose(2, 0, 1)
    boxes = np.concatenate([_box(160, 200), _box(70, 210)])
    results = []
    for state, measured in ((straight, boxes), (tracks_last, np.asfortranarray(boxes))):
        ahead = motion.predict(state, 0.2, np.array([True, False]), MODEL)
        is_cut = motion.cut_sides(measured, (640, 480))
        completed, _ = motion.complete_boxes(measured, is_cut, np.full((2, 2), 120.0))
        results.append(motion.correct(ahead, completed, np.array([1.0, 3.0]), MODEL))
    np.testing.assert_array_equal(*results)


class TestCompleteBoxes:
    sizes = np.array([[40.0, 100.0]])

    def complete(self, box, sizes=sizes):
        """Return the box completed in an image of 640 x 480, and whether it was cut."""
        box = np.array([box], dtype=np.float64)
        return motion.complete_boxes(box, motion.cut_sides(box, (640, 480)), sizes)

    def test_a_box_inside_is_left_alone(self):
        box = [100, 100, 120, 190]
        completed, is_cut = self.complete(box)
        np.testing.assert_allclose(completed, [box])
        assert not is_cut.any()

    @pytest.mark.parametrize(
        ('box', 'expected'),
        [
            ([0, 100, 15, 200], [-25, 100, 15, 200]),
            ([630, 100, 640, 200], [630, 100, 670, 200]),
            ([100, 0, 140, 30], [100, -70, 140, 30]),
            ([100, 440, 140, 480], [100, 440, 140, 540]),
        ],
    )
    def test_the_side_on_the_border_is_put_where_the_size_has_it(self, box, expected):
        completed, is_cut = self.complete(box)
        np.testing.assert_allclose(completed, [expected])
        assert is_cut.all()

    def test_a_box_that_grows_at_the_border_is_left_alone(self):
        box = [0, 100, 50, 220]
        completed, is_cut = self.complete(box)
        np.testing.assert_allclose(completed, [box])
        assert not is_cut.any()

    def test_a_person_as_wide_as_the_image_is_left_alone(self):
        box = [0, 0, 640, 480]
        completed, _ = self.complete(box, np.array([[900.0, 900.0]]))
        np.testing.assert_allclose(completed, [box])


def test_sides_count_as_cut_within_a_hundredth_of_the_image_of_its_border():
    boxes = np.array([[6.4, 4.9, 633.5, 475.2], [-9, -9, 700, 500], [7, 5, 633, 475]])
    is_cut = motion.cut_sides(boxes, (640, 480))
    assert is_cut.tolist() == [[True, False, False, True], [True] * 4, [False] * 4]


def test_boxes_are_clipped_to_the_image():
    boxes = np.array([[-5.0, 10, 700, 470], [-20, -10, -5, -1]])
    clipped = motion.clip_boxes(boxes, (640, 480))
    np.testing.assert_array_equal(clipped, [[0, 10, 640, 470], [0, 0, 0, 0]])


def test_some_coast_while_others_do_not():
    moments = np.concatenate([_follow(60.0, 15.0, 1.0), _follow(-30.0, 15.0, 1.0)])
    mixed = motion.predict(moments, 0.4, np.array([True, False]), MODEL)
    coasting = motion.predict(moments[:1], 0.4, COASTING, MODEL)
    walking = motion.predict(moments[1:], 0.4, NOT_COASTING, MODEL)
    np.testing.assert_allclose(mixed, np.concatenate([coasting, walking]), rtol=1e-12)
