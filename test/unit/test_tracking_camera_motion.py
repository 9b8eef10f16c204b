"""The camera's motion, found in images that were moved by a known amount."""

import cv2
import numpy as np
import pytest

from pose_tracking_ros.settings import CameraMotionSettings
from pose_tracking_ros.tracking.background_alignment import Verdict, rescale
from pose_tracking_ros.tracking.camera_motion import (
    CameraMotion,
    CameraMotionEstimator,
    background_mask,
    is_plausible,
    shrink,
)

SIZE = (640, 480)
NOBODY = np.zeros((0, 4))
METHODS = ('flow', 'ecc')
STILL = np.eye(2, 3)


def texture(seed: int) -> np.ndarray:
    """Return an image with structure at all scales, larger than `SIZE` all around."""
    rng = np.random.default_rng(seed)
    height, width = 1.5 * np.array(SIZE[::-1])
    image = np.zeros((int(height), int(width), 3))
    for cells, strength in ((8, 60), (30, 50), (100, 40), (300, 20)):
        coarse = rng.normal(0, strength, (int(cells * 0.75), cells, 3))
        image += cv2.resize(coarse, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + image, 0, 255)


WALL, OTHER_WALL = texture(0), texture(1)


def about_centre(dx: float = 0, dy: float = 0, zoom: float = 1, turn_deg: float = 0) -> np.ndarray:
    """Return a map of the product's pixels: zoom and turn about the centre, then a shift."""
    turn = np.deg2rad(turn_deg)
    linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = 0.5 * np.array(SIZE)
    return np.column_stack([linear, centre + np.array([dx, dy]) - linear @ centre])


def view(affine: np.ndarray, wall: np.ndarray = WALL, noise_seed: int = 0) -> np.ndarray:
    """Return what a camera sees of a wall when what it saw before moved by an affine map."""
    # The wall's crop in the middle is the image that has not moved.
    margin = 0.25 * np.array(SIZE)
    linear, shift = affine[:, :2], affine[:, 2] - affine[:, :2] @ margin
    # From the product's pixels, centred at (0.5, 0.5), to OpenCV's.
    shift = shift - 0.5 + linear @ np.full(2, 0.5)
    image = cv2.warpAffine(wall, np.column_stack([linear, shift]), SIZE, flags=cv2.INTER_CUBIC)
    noise = np.random.default_rng(noise_seed).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def estimator(method: str, **changes) -> CameraMotionEstimator:
    return CameraMotionEstimator(CameraMotionSettings(camera_motion=method, **changes))


def between(method: str, before: np.ndarray, now: np.ndarray, people=NOBODY) -> CameraMotion:
    compared = estimator(method)
    compared.estimate(before, 0.0, NOBODY)
    return compared.estimate(now, 0.1, people)


def error_px(found: np.ndarray, true: np.ndarray) -> float:
    """Return the error at the corner of the image where it is largest."""
    width, height = SIZE
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    return float(np.linalg.norm(found @ corners - true @ corners, axis=0).max())


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize(
    'true',
    [
        pytest.param(about_centre(dx=6, dy=-4), id='shift'),
        pytest.param(about_centre(dx=-1.3, dy=0.9), id='small_shift'),
        pytest.param(about_centre(dx=40, dy=25), id='large_shift'),
        pytest.param(about_centre(zoom=1.04), id='zoom_in'),
        pytest.param(about_centre(zoom=0.95, dx=3), id='zoom_out'),
        pytest.param(about_centre(turn_deg=2), id='turn'),
        pytest.param(about_centre(dx=8, dy=3, zoom=1.02, turn_deg=-1.5), id='all'),
    ],
)
def test_known_motion_is_found(method, true):
    found = between(method, view(STILL), view(true, noise_seed=1))
    assert found.verdict is Verdict.MOVED
    assert found.agreement > 0.8
    # The motion itself moves corners by 1.6 px at least.
    assert error_px(found.affine, true) < 0.5


@pytest.mark.parametrize('method', METHODS)
def test_a_camera_at_rest_moves_nothing_at_all(method):
    found = between(method, view(STILL), view(STILL, noise_seed=1))
    assert found.verdict is Verdict.STILL
    assert found.is_trusted
    np.testing.assert_array_equal(found.affine, STILL)


@pytest.mark.parametrize(('method', 'contrast'), [('flow', 0.3), ('ecc', 0.15)])
def test_noise_of_a_dim_background_is_no_motion(method, contrast):
    # Only the left third is seen, so that what noise does there is multiplied on the right.
    person = np.array([[250.0, 0, 640, 480]])
    dim = 128 + contrast * (view(STILL).astype(float) - 128)
    before, now = (
        np.clip(dim + np.random.default_rng(seed).normal(0, 15, dim.shape), 0, 255)
        for seed in (1, 2)
    )
    found = between(method, before.astype(np.uint8), now.astype(np.uint8), person)
    assert found.verdict is Verdict.STILL


def test_parts_that_move_each_their_own_way_are_no_camera_motion():
    image, now = view(STILL), view(STILL)
    for x, y, dx, dy in ((0, 0, 12, 0), (320, 0, 0, 12), (0, 240, 0, -12), (320, 240, -12, 0)):
        part = view(about_centre(dx=dx, dy=dy))
        now[y : y + 240, x : x + 320] = part[y : y + 240, x : x + 320]
    found = between('flow', image, now)
    assert found.verdict is Verdict.NO_AGREEMENT
    assert 0.2 < found.agreement < 0.5


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('grey', [0, 128])
def test_an_image_without_texture_tells_nothing(method, grey):
    flat = np.full((480, 640, 3), grey, dtype=np.uint8)
    found = between(method, flat, flat)
    assert found.verdict is Verdict.NO_TEXTURE
    assert not found.is_trusted
    np.testing.assert_array_equal(found.affine, STILL)


@pytest.mark.parametrize('method', METHODS)
def test_another_place_is_not_taken_for_a_motion(method):
    found = between(method, view(STILL), view(STILL, OTHER_WALL))
    assert not found.is_trusted
    assert found.verdict in (Verdict.LOST_SIGHT, Verdict.NO_AGREEMENT, Verdict.NOT_SETTLED)
    np.testing.assert_array_equal(found.affine, STILL)


def test_changing_light_does_not_matter_to_correlation():
    true = about_centre(dx=6, dy=-4)
    brighter = np.clip(0.7 * view(true).astype(float) + 50, 0, 255).astype(np.uint8)
    found = between('ecc', view(STILL), brighter)
    assert found.verdict is Verdict.MOVED
    assert error_px(found.affine, true) < 0.5


CROWD = np.array([[0.0, 160, 280, 480], [370, 140, 640, 480]])


def with_crowd(background: np.ndarray, shift_px: int) -> np.ndarray:
    """Return an image most of which is covered by people who all walk to the right."""
    image, crowd = background.copy(), view(about_centre(dx=shift_px), OTHER_WALL)
    for x1, y1, x2, y2 in CROWD.astype(int):
        x1, x2 = x1 + shift_px, min(x2 + shift_px, SIZE[0])
        image[y1:y2, x1:x2] = crowd[y1:y2, x1:x2]
    return image


class TestPeople:
    @pytest.mark.parametrize('method', METHODS)
    def test_people_in_front_of_a_still_background_are_no_camera_motion(self, method):
        before, now = with_crowd(view(STILL), 0), with_crowd(view(STILL), 8)
        assert between(method, before, now, CROWD).verdict is Verdict.STILL
        # Were they not left out, they would drag the whole image along.
        assert between(method, before, now).verdict is not Verdict.STILL

    @pytest.mark.parametrize('method', METHODS)
    def test_the_background_is_found_behind_people(self, method):
        true = about_centre(dx=-5, dy=2)
        before, now = with_crowd(view(STILL), 0), with_crowd(view(true), 8)
        found = between(method, before, now, CROWD)
        assert found.verdict is Verdict.MOVED
        assert error_px(found.affine, true) < 1.0

    def test_a_few_people_who_were_not_found_do_not_matter_to_flow(self):
        true = about_centre(dx=-5, dy=2)
        before, now = view(STILL), view(true)
        before[200:400, 100:180] = view(STILL, OTHER_WALL)[200:400, 100:180]
        now[200:400, 112:192] = view(about_centre(dx=12), OTHER_WALL)[200:400, 112:192]
        assert error_px(between('flow', before, now).affine, true) < 0.5

    @pytest.mark.parametrize('method', METHODS)
    def test_nothing_but_people_tells_nothing(self, method):
        everywhere = np.array([[0.0, 0, *SIZE]])
        found = between(method, view(STILL), view(about_centre(dx=6)), everywhere)
        assert found.verdict is Verdict.NO_TEXTURE

    def test_the_mask_covers_boxes_and_a_margin(self):
        boxes = np.array([[100.0, 200, 200, 400], [-50, -50, 20, 20]])
        mask = background_mask(boxes, (120, 160), np.array([4.0, 4.0]))
        is_masked = mask == 0
        # 10 % of 100 by 200 px: from 90 to 210 and 180 to 420, a quarter of that.
        assert is_masked[45:105, 22:53].all()
        assert not is_masked[106:].any()
        assert not is_masked[:, 54:].any()
        assert is_masked[:6, :6].all()
        assert is_masked.sum() == 60 * 31 + 7 * 7


class TestScale:
    def test_full_pixels_from_small_pixels(self):
        # What leaves the corner of the image in place and doubles distances: x -> 2 x in the
        # product's pixels, x -> 2 x + 0.5 in OpenCV's.
        small = np.array([[2.0, 0, 0.5], [0, 2, 0.5 + 3]])
        np.testing.assert_allclose(
            rescale(small, np.array([4.0, 4.0])), [[2, 0, 0], [0, 2, 12]], atol=1e-12
        )

    def test_directions_are_scaled_each_by_itself(self):
        turn = np.array([[0.0, -1, 0], [1, 0, 0]])
        linear = rescale(turn, np.array([4.0, 2.0]))[:, :2]
        # One px down in the full image is half a small one, which becomes two full ones left.
        np.testing.assert_allclose(linear, [[0, -2], [0.5, 0]])

    @pytest.mark.parametrize('long_side_px', [160, 320, 640, 1000])
    def test_the_result_is_in_pixels_of_the_full_image(self, long_side_px):
        true = about_centre(dx=9, dy=-6, zoom=1.02)
        compared = estimator('flow', camera_motion_long_side_px=long_side_px)
        compared.estimate(view(STILL), 0.0, NOBODY)
        assert error_px(compared.estimate(view(true), 0.1, NOBODY).affine, true) < 1.0

    def test_small_images_are_not_enlarged(self):
        assert shrink(np.zeros((30, 40, 3), np.uint8), 320).shape == (30, 40)
        assert shrink(np.zeros((1080, 1920, 3), np.uint8), 320).shape == (180, 320)
        assert shrink(np.zeros((1000, 1, 3), np.uint8), 320).shape == (320, 1)

    @pytest.mark.parametrize('method', METHODS)
    @pytest.mark.parametrize('shape', [(12, 16, 3), (1, 1, 3), (5, 640, 3)])
    def test_images_too_small_to_tell_are_survived(self, method, shape):
        image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
        assert between(method, image, image).verdict in (Verdict.NO_TEXTURE, Verdict.STILL)


class TestWhichImagesAreCompared:
    moved = about_centre(dx=6, dy=-4)

    def test_the_first_image_has_none_before_it(self):
        compared = estimator('flow')
        assert compared.estimate(view(STILL), 0.0, NOBODY).verdict is Verdict.FIRST_IMAGE
        compared.reset()
        assert compared.estimate(view(STILL), 0.1, NOBODY).verdict is Verdict.FIRST_IMAGE

    @pytest.mark.parametrize('stamp_s', [1.2, -0.1])
    def test_a_gap_and_time_that_goes_back_start_anew(self, stamp_s):
        compared = estimator('flow')
        compared.estimate(view(STILL), 0.0, NOBODY)
        found = compared.estimate(view(self.moved), stamp_s, NOBODY)
        assert found.verdict is Verdict.GAP
        np.testing.assert_array_equal(found.affine, STILL)
        # The next image is compared with the one after the gap, not with the one before.
        found = compared.estimate(view(self.moved), stamp_s + 0.1, NOBODY)
        assert found.verdict is Verdict.STILL

    def test_another_size_starts_anew(self):
        compared = estimator('flow')
        compared.estimate(view(STILL), 0.0, NOBODY)
        half = np.ascontiguousarray(view(self.moved)[:240])
        assert compared.estimate(half, 0.1, NOBODY).verdict is Verdict.OTHER_SIZE
        assert compared.estimate(half, 0.2, NOBODY).verdict is Verdict.STILL

    def test_an_image_that_told_nothing_is_the_one_before_the_next(self):
        compared = estimator('flow')
        compared.estimate(view(STILL), 0.0, NOBODY)
        compared.estimate(np.zeros((480, 640, 3), np.uint8), 0.1, NOBODY)
        found = compared.estimate(view(self.moved), 0.2, NOBODY)
        assert found.verdict is Verdict.NO_TEXTURE

    def test_repeated_stamps_are_compared(self):
        compared = estimator('flow')
        compared.estimate(view(STILL), 0.0, NOBODY)
        found = compared.estimate(view(self.moved), 0.0, NOBODY)
        assert found.verdict is Verdict.MOVED

    def test_switched_off_costs_and_does_nothing(self):
        compared = estimator('none')
        for stamp_s in (0.0, 0.1):
            found = compared.estimate(view(self.moved), stamp_s, NOBODY)
            assert found.verdict is Verdict.SWITCHED_OFF
        compared.apply_settings(CameraMotionSettings(camera_motion='flow'))
        found = compared.estimate(view(self.moved), 0.2, NOBODY)
        assert found.verdict is Verdict.FIRST_IMAGE

    @pytest.mark.parametrize('method', METHODS)
    def test_the_same_images_give_the_same_result(self, method):
        first, second = (between(method, view(STILL), view(self.moved)) for _ in range(2))
        np.testing.assert_array_equal(first.affine, second.affine)

    def test_an_unknown_method_is_refused(self):
        with pytest.raises(ValueError, match='camera_motion: expected one of none, flow, ecc'):
            CameraMotionSettings(camera_motion='magic')


@pytest.mark.parametrize(
    ('affine', 'plausible'),
    [
        (STILL, True),
        (about_centre(dx=200, zoom=1.3), True),
        (about_centre(turn_deg=20), True),
        (about_centre(dx=230), False),
        (about_centre(dy=-230), False),
        (about_centre(zoom=1.4), False),
        (about_centre(zoom=0.7), False),
        (about_centre(turn_deg=30), False),
        (np.array([[-1.0, 0, 640], [0, 1, 0]]), False),
        (np.array([[np.nan, 0, 0], [0, 1, 0]]), False),
    ],
)
def test_what_a_camera_may_do_between_two_images(affine, plausible):
    assert is_plausible(affine, SIZE) is plausible
