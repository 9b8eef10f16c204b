"""Comparisons of boxes, poses and looks, on cases worked out by hand."""

import numpy as np
import pytest

from pose_tracking_ros.tracking import similarity


def test_iou_of_known_boxes():
    a = np.array([[0.0, 0.0, 10.0, 10.0]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4]])
    np.testing.assert_allclose(similarity.pairwise_iou(a, b), [[1, 1 / 3, 0, 0.04]])


def test_boxes_without_area_overlap_nothing():
    point = np.array([[3.0, 3.0, 3.0, 3.0]])
    assert similarity.pairwise_iou(point, point) == 0.0


@pytest.mark.parametrize(('rows', 'columns'), [(0, 3), (2, 0), (0, 0)])
def test_empty_sides_give_empty_matrices(rows, columns):
    a, b = np.zeros((rows, 4)), np.zeros((columns, 4))
    assert similarity.pairwise_iou(a, b).shape == (rows, columns)
    assert similarity.pairwise_grown_iou(a, b, np.zeros((rows, 2))).shape == (rows, columns)
    distance = similarity.pairwise_distance(np.zeros((rows, 8)), np.zeros((columns, 8)))
    assert distance.shape == (rows, columns)


def test_grown_iou_without_reach_is_the_iou():
    rng = np.random.default_rng(0)
    corner, size = rng.uniform(0, 50, (2, 6, 2)), rng.uniform(5, 40, (2, 6, 2))
    a, b = np.concatenate([corner, corner + size], axis=2)
    np.testing.assert_allclose(
        similarity.pairwise_grown_iou(a, b, np.zeros((6, 2))), similarity.pairwise_iou(a, b)
    )


def test_grown_iou_reaches_a_box_that_moved_by_its_own_width():
    track, person = np.array([[0.0, 0, 40, 100]]), np.array([[45.0, 0, 85, 100]])
    assert similarity.pairwise_iou(track, person) == 0.0
    reached = similarity.pairwise_grown_iou(track, person, np.array([[30.0, 30.0]]))
    # Both are 100 x 160 then and share 55 x 160.
    np.testing.assert_allclose(reached, [[55 / 145]])


def test_grown_iou_of_a_perfect_prediction_stays_one():
    box = np.array([[10.0, 20, 50, 120]])
    np.testing.assert_allclose(
        similarity.pairwise_grown_iou(box, box, np.array([[70.0, 5.0]])), 1.0
    )


def test_certainty_falls_with_the_reach_and_is_one_without():
    boxes = np.array([[0.0, 0, 40, 100]] * 3)
    reach = np.array([[0.0, 0.0], [20.0, 50.0], [60.0, 150.0]])
    np.testing.assert_allclose(similarity.certainty(boxes, reach), [1.0, 0.5, 0.25])


def test_distance_of_unit_vectors():
    a = np.array([[1.0, 0.0]])
    b = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(
        similarity.pairwise_distance(a, b), [[0.0, np.sqrt(2.0), 2.0]], atol=1e-7
    )


def _pose(offset_px: float) -> np.ndarray:
    return np.arange(10, dtype=np.float64).reshape(1, 5, 2) * 10 + offset_px * np.array([1.0, 0.0])


def test_oks_is_cocos_formula():
    seen = np.ones((1, 5), dtype=bool)
    sigmas = np.array([0.1, 0.1, 0.1, 0.1, 0.2])
    area = np.array([400.0])
    got = similarity.object_keypoint_similarity(_pose(0), seen, area, _pose(3), seen, sigmas)
    expected = np.mean(np.exp(-9.0 / (2 * 400.0 * (2 * sigmas) ** 2)))
    np.testing.assert_allclose(got, [expected])


def test_oks_uses_only_joints_seen_in_both():
    seen_a, seen_b = np.ones((1, 5), dtype=bool), np.ones((1, 5), dtype=bool)
    seen_a[0, 0] = seen_b[0, 1] = False
    a, b = _pose(0), _pose(0)
    a[0, 0] = np.nan
    b[0, 1] = 999.0
    sigmas, area = np.full(5, 0.1), np.array([400.0])
    got = similarity.object_keypoint_similarity(a, seen_a, area, b, seen_b, sigmas)
    np.testing.assert_allclose(got, [1.0])


def test_oks_of_too_few_common_joints_is_unknown():
    seen = np.zeros((1, 5), dtype=bool)
    seen[0, :2] = True
    sigmas, area = np.full(5, 0.1), np.array([400.0])
    got = similarity.object_keypoint_similarity(_pose(0), seen, area, _pose(0), seen, sigmas)
    assert np.isnan(got).all()


class TestFastposeSimilarity:
    position = np.array([[0.6, 0.6, 0.6]])
    distance = np.array([[0.0, 0.5, 1.7]])

    def test_the_corrected_form_rewards_like_looks(self):
        got = similarity.fastpose_similarity(self.position, self.distance, 0.5, 1.0)
        np.testing.assert_allclose(got, [[0.8, 0.55, 0.3]])

    def test_the_literal_form_rewards_unlike_looks_as_printed(self):
        got = similarity.fastpose_similarity(self.position, self.distance, 0.5, 1.0, 'literal')
        np.testing.assert_allclose(got, [[0.3, 0.55, 0.8]])

    def test_where_a_look_is_unknown_position_counts_alone(self):
        for form in similarity.SIMILARITY_FORMS:
            got = similarity.fastpose_similarity(
                self.position, np.full((1, 3), np.nan), 0.5, 1.0, form
            )
            np.testing.assert_allclose(got, self.position)

    def test_an_unknown_form_is_refused(self):
        with pytest.raises(ValueError, match='corrected, literal'):
            similarity.fastpose_similarity(self.position, self.distance, 0.5, 1.0, 'printed')
