"""Pose NMS: similarities, suppression and merging worked out by hand; nothing depends on order."""

from math import exp, log, sqrt, tanh

import numpy as np
import pytest

from pose_tracking_ros.people import People
from pose_tracking_ros.settings import PoseNmsSettings
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.pose_nms import (
    apply_oks_nms,
    apply_parametric_nms,
    merge_poses,
    oks_nms,
    parametric_nms,
    suppress_duplicates,
)
from pose_tracking_ros.tracking.pose_similarity import (
    POSE_NMS_FORMS,
    RELEASED_CODE,
    ParametricPoseNms,
    are_redundant,
    parametric_similarity,
)

SIZE = (640, 480)


def parameters(form, *, score_scale=0.5, distance_scale=10.0, weight=2.0, least=1.0):
    return ParametricPoseNms(form, score_scale, distance_scale, weight, least)


def similarity(boxes, keypoints, keypoint_scores, chosen, reference=0):
    """Return the similarity of person 1 to person 0, or the other way round."""
    return parametric_similarity(
        np.array(boxes, float),
        np.array(keypoints, float),
        np.array(keypoint_scores, float),
        np.array([reference]),
        np.array([1 - reference]),
        chosen,
    )[0]


class TestSimilarityByHand:
    boxes = ((0, 0, 100, 200), (0, 0, 40, 80))
    # Offsets of (2, 4) and (3, 0): distances squared 20 and 9.
    keypoints = (((10, 10), (50, 50)), ((12, 14), (53, 50)))
    scores = ((0.9, 0.8), (0.5, 0.7))

    def of(self, chosen, reference=0):
        return similarity(self.boxes, self.keypoints, self.scores, chosen, reference)

    def test_paper(self):
        # Person 1 in question: its matching box is 4 px wide and 8 px high, centred at the joint.
        # The first joint is at its corner, the second beyond its right side.
        matching = tanh(0.9 / 0.5) * tanh(0.5 / 0.5)
        close = exp(-20 / 10) + exp(-9 / 10)
        assert self.of(parameters('paper')) == pytest.approx(matching + 2 * close, abs=1e-12)

    def test_paper_takes_the_box_of_the_person_in_question(self):
        # Person 0 in question: a matching box of 10 × 20 px holds both joints.
        matching = tanh(0.9 / 0.5) * tanh(0.5 / 0.5) + tanh(0.8 / 0.5) * tanh(0.7 / 0.5)
        close = exp(-20 / 10) + exp(-9 / 10)
        value = self.of(parameters('paper'), reference=1)
        assert value == pytest.approx(matching + 2 * close, abs=1e-12)

    def test_scaled(self):
        # A tenth of the geometric mean of 40 and 80 px, squared: 32 px².
        matching = tanh(0.9 / 0.5) * tanh(0.5 / 0.5)
        close = exp(-20 / 32 / 10) + exp(-9 / 32 / 10)
        assert self.of(parameters('scaled')) == pytest.approx(matching + 2 * close, abs=1e-12)

    def test_scaled_does_not_depend_on_the_size_of_the_image(self):
        large = similarity(
            7 * np.array(self.boxes), 7 * np.array(self.keypoints), self.scores,
            parameters('scaled'),
        )  # fmt: skip
        assert large == pytest.approx(self.of(parameters('scaled')), abs=1e-12)

    def test_released(self):
        # Joints 1 and 2 px apart: the first matches, and distances are not squared.
        value = similarity(
            self.boxes, (((10, 10), (50, 50)), ((10, 11), (52, 50))), self.scores,
            RELEASED_CODE,
        )  # fmt: skip
        expected = tanh(0.9) * tanh(0.5) + 1.7 * (exp(-1 / 2.65) + exp(-2 / 2.65))
        assert value == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize('form', POSE_NMS_FORMS)
    def test_a_missing_joint_adds_nothing(self, form):
        with_nan = np.array(self.keypoints, float)
        with_nan[1, 1] = np.nan
        value = similarity(self.boxes, with_nan, self.scores, parameters(form))
        without = similarity(
            self.boxes, np.array(self.keypoints)[:, :1], np.array(self.scores)[:, :1],
            parameters(form),
        )  # fmt: skip
        assert value == pytest.approx(without, abs=1e-12)


def row(*offsets_px, joints=6, side=100.0):
    """Return boxes, keypoints and scores of people who differ by a shift to the right."""
    shift = np.array(offsets_px, float)
    boxes = np.array([0, 0, side, side]) + shift[:, None] * [1, 0, 1, 0]
    points = np.stack([np.linspace(10, 90, joints), np.linspace(90, 10, joints)], 1)
    keypoints = points + shift[:, None, None] * [1, 0]
    return boxes, keypoints, np.full((len(shift), joints), 0.9)


def kept(arrays, chosen, scores):
    suppression = parametric_nms(*arrays, np.array(scores, float), chosen)
    return suppression.kept.tolist(), suppression.keeper.tolist()


class TestSuppression:
    def test_the_similar_go_and_the_unlike_stay(self):
        # The first two are 1 px apart: similarity 6 tanh(1.8)² + 2 * 6 exp(-0.1) = 16.2.
        arrays = row(0, 1, 60)
        assert kept(arrays, parameters('paper', least=16.0), [0.8, 0.9, 0.7]) == (
            [1, 2],
            [1, 1, 2],
        )
        assert kept(arrays, parameters('paper', least=16.5), [0.8, 0.9, 0.7])[0] == [0, 1, 2]

    def test_at_the_threshold_both_stay(self):
        # Equal poses without any certainty: the second sum alone, 2 * 6.
        boxes, keypoints, _ = row(0, 0)
        arrays = (boxes, keypoints, np.zeros((2, 6)))
        assert kept(arrays, parameters('paper', least=12.0), [0.9, 0.8])[0] == [0, 1]
        assert kept(arrays, parameters('paper', least=11.999), [0.9, 0.8])[0] == [0]

    def test_only_who_is_kept_suppresses(self):
        # 1 would suppress 2, but goes itself to 0, which 2 is not similar to.
        arrays = row(0, 3, 6)
        near = parameters('paper', least=8.0)
        assert kept(arrays, near, [0.9, 0.8, 0.7]) == ([0, 2], [0, 0, 2])
        assert kept(arrays, near, [0.8, 0.9, 0.7]) == ([1], [1, 1, 1])

    def test_five_close_joints_are_enough_for_the_released_form(self):
        far = row(0, 7, joints=5)
        assert kept(far, RELEASED_CODE, [0.9, 0.8])[0] == [0]
        assert kept(row(0, 7.1, joints=5), RELEASED_CODE, [0.9, 0.8])[0] == [0, 1]
        assert kept(row(0, 7, joints=4), RELEASED_CODE, [0.9, 0.8])[0] == [0, 1]
        # A tenth of a box of 60 px is less than 7 px.
        small = row(0, 7, joints=5, side=60.0)
        assert kept(small, RELEASED_CODE, [0.9, 0.8])[0] == [0, 1]

    def test_oks(self):
        # Areas 5,000 and 15,000 px², mean 10,000; sigma 0.1: e^(-d² / 800) per joint.
        sigmas, seen = np.full(6, 0.1), np.ones((2, 6), bool)
        _, keypoints, _ = row(0, sqrt(800 * log(2)))
        boxes = np.array([[0, 0, 100, 50], [0, 0, 100, 150]], float)
        scores = np.array([0.8, 0.9])
        half = oks_nms(boxes, keypoints, seen, scores, sigmas, 0.499)
        assert (half.kept.tolist(), half.keeper.tolist()) == ([1], [1, 1])
        assert oks_nms(boxes, keypoints, seen, scores, sigmas, 0.501).kept.tolist() == [0, 1]
        # Two joints in common do not tell.
        seen[0, 2:] = False
        assert oks_nms(boxes, keypoints, seen, scores, sigmas, 0.1).kept.tolist() == [0, 1]


def test_merging_by_hand():
    # The second is 4 px to the right and has a third of the weight.
    boxes, keypoints, scores = row(0, 4, joints=3, side=200.0)
    scores = np.array([[0.9, 0.9, 0.0], [0.3, 0.3, 0.0]])
    # Too far from the first's: not merged. The limit is 15 px, not a tenth of the box.
    keypoints[1, 1] = keypoints[0, 1] + [15.1, 0]
    suppression = parametric_nms(
        boxes, keypoints, scores, np.array([0.9, 0.3]), parameters('paper', least=0.0)
    )
    assert suppression.kept.tolist() == [0]
    merged, merged_scores = merge_poses(boxes, keypoints, scores, suppression)
    np.testing.assert_allclose(merged[0, 0], keypoints[0, 0] + [0.3 * 4 / 1.2, 0])
    np.testing.assert_allclose(merged[0, 1], keypoints[0, 1])
    # Weighted with themselves: (0.81 + 0.09) / 1.2. Without any weight, the first's own.
    np.testing.assert_allclose(merged_scores[0], [0.75, 0.9, 0.0])
    np.testing.assert_allclose(merged[0, 2], keypoints[0, 2])


def people_of(boxes, keypoints, keypoint_scores, scores):
    count = len(boxes)
    return People(
        boxes=boxes,
        scores=scores,
        keypoints=keypoints,
        keypoint_scores=keypoint_scores,
        embeddings=np.eye(count, 8),
        image_size=SIZE,
    )


def test_the_released_form_merges_and_drops_the_unclear():
    boxes, keypoints, scores = row(0, 4, 80)
    scores[1], scores[2] = 0.3, 0.29
    result = apply_parametric_nms(
        people_of(boxes, keypoints, scores, np.array([0.5, 0.9, 0.9])), RELEASED_CODE
    )
    # The first leads by its joints, though the second has the better box; the third has no clear
    # joint. Box, score and appearance are the first's.
    assert len(result) == 1
    np.testing.assert_allclose(result.boxes[0], boxes[0])
    np.testing.assert_allclose(result.scores, [0.5])
    np.testing.assert_allclose(result.embeddings[0], np.eye(8)[0])
    np.testing.assert_allclose(result.keypoints[0], keypoints[0] + [1, 0], rtol=1e-6)
    np.testing.assert_allclose(result.keypoint_scores[0], 0.75, rtol=1e-6)


@pytest.mark.parametrize('form', ['paper', 'scaled'])
def test_the_other_forms_rank_by_score_and_joints_and_change_no_pose(form):
    boxes, keypoints, scores = row(0, 1)
    scores[0] = 0.6
    # 0.8 * 0.6 < 0.7 * 0.9.
    result = apply_parametric_nms(
        people_of(boxes, keypoints, scores, np.array([0.8, 0.7])), parameters(form)
    )
    np.testing.assert_array_equal(result.keypoints, keypoints[1:].astype(np.float32))


def crowd(seed):
    """Return doubled and tripled people, some with equal scores, some joints missing."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, 5, 12)
    corners = np.array([[100.0 * i, 20.0 * i] for i in range(5)])[chosen]
    poses = np.random.default_rng(9).random((5, 17, 2)) * [60, 120]
    keypoints = corners[:, None] + poses[chosen] + rng.normal(0, 2, (12, 17, 2))
    # In every other person, so that the others' scores are equal.
    keypoints[::2][rng.random((6, 17)) < 0.1] = np.nan
    boxes = np.concatenate([corners, corners + np.array([60, 120])], 1) + rng.normal(0, 3, (12, 4))
    scores = np.where(np.isnan(keypoints[..., 0]), 0, rng.choice([0.5, 0.75, 1.0], (12, 1)))
    return people_of(boxes, keypoints, scores, rng.choice([0.5, 0.75, 1.0], 12))


CHOICES = [
    lambda people: apply_parametric_nms(people, ParametricPoseNms()),
    lambda people: apply_parametric_nms(people, RELEASED_CODE),
    lambda people: apply_parametric_nms(
        people, parameters('paper', distance_scale=100.0, least=20.0)
    ),
    lambda people: apply_parametric_nms(people, parameters('scaled', least=20.0)),
    lambda people: apply_oks_nms(people, COCO_17.sigma_array, 0.6),
]
everyone = pytest.mark.parametrize(
    'apply', CHOICES, ids=['default', 'released', 'paper', 'scaled', 'oks']
)


@everyone
def test_the_order_of_people_does_not_matter(apply):
    for seed in range(5):
        people = crowd(seed)
        result = apply(people)
        assert 0 < len(result) < len(people)
        rng = np.random.default_rng(seed)
        for _ in range(4):
            order = rng.permutation(len(people))
            other = apply(people.select(order))
            back = np.lexsort(other.boxes.T), np.lexsort(result.boxes.T)
            np.testing.assert_array_equal(other.boxes[back[0]], result.boxes[back[1]])
            np.testing.assert_allclose(
                other.keypoints[back[0]], result.keypoints[back[1]], rtol=1e-5
            )
            # Those kept come in the order given.
            places = [people.boxes[order].tolist().index(box) for box in other.boxes.tolist()]
            assert places == sorted(places)


@pytest.mark.parametrize('form', POSE_NMS_FORMS)
@pytest.mark.parametrize('least', [0.0, 2.0, 20.0])
def test_pairs_that_are_not_looked_at_are_not_redundant(form, least):
    people = crowd(1)
    arrays = people.boxes, people.keypoints, people.keypoint_scores
    references, others = np.divmod(np.arange(144), 12)
    chosen = parameters(form, distance_scale=30.0, least=least)
    expected = parametric_similarity(*arrays, references, others, chosen) > least
    if form == 'released':
        offsets = people.keypoints[references] - people.keypoints[others]
        expected |= (np.linalg.norm(offsets, axis=2) <= 6.0).sum(axis=1) >= 5
    redundant = are_redundant(*arrays, references, others, chosen)
    assert redundant[expected].all()
    if form != 'released':
        np.testing.assert_array_equal(redundant, expected)


@everyone
def test_nobody_and_one(apply):
    assert len(apply(People.none(SIZE))) == 0
    one = crowd(0).select([3])
    result = apply(one)
    np.testing.assert_array_equal(result.boxes, one.boxes)
    np.testing.assert_allclose(result.keypoints, one.keypoints, rtol=1e-6)


@everyone
def test_without_joints_nobody_goes(apply):
    people = People(
        boxes=np.tile([0.0, 0.0, 10.0, 20.0], (2, 1)),
        scores=np.ones(2),
        keypoints=np.zeros((2, 0, 2)),
        keypoint_scores=np.zeros((2, 0)),
        embeddings=np.zeros((2, 0)),
        image_size=SIZE,
    )
    assert len(apply(people)) == 2


@everyone
def test_poses_that_are_missing_are_nobodys_duplicates(apply):
    boxes, keypoints, scores = row(0, 0, 0, joints=17)
    keypoints[1:] = np.nan
    scores[1:] = 0
    result = apply(people_of(boxes, keypoints, scores, np.array([0.9, 0.8, 0.7])))
    # The released form drops them for having no clear joint, whoever else is there.
    assert len(result) == (1 if apply is CHOICES[1] else 3)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'form': 'best'}, "form: expected one of paper, scaled, released; got 'best'"),
        ({'score_scale': 0.0}, 'score_scale: expected above 0, got 0'),
        ({'distance_scale': float('nan')}, 'distance_scale: expected above 0, got nan'),
        ({'distance_weight': -1.0}, 'distance_weight: expected at least 0, got -1'),
        ({'min_similarity': float('inf')}, 'min_similarity: expected at least 0, got inf'),
    ],
)
def test_parameters_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        ParametricPoseNms(**change)


def test_settings_choose_the_method() -> None:
    joints = np.random.default_rng(0).uniform(10, 90, (1, 17, 2))
    twice = People(
        boxes=np.array([[0.0, 0.0, 100.0, 100.0], [0.0, 0.0, 100.0, 60.0]]),
        scores=np.array([0.5, 0.9]),
        keypoints=np.repeat(joints, 2, axis=0),
        keypoint_scores=np.full((2, 17), 0.8),
        embeddings=np.zeros((2, 0)),
        image_size=(200, 200),
    )
    assert len(suppress_duplicates(twice, PoseNmsSettings())) == 2
    for method in ('oks', 'parametric'):
        kept = suppress_duplicates(twice, PoseNmsSettings(pose_nms=method))
        assert kept.scores.tolist() == pytest.approx([0.9])
    unlike = PoseNmsSettings(pose_nms='parametric', pose_nms_min_similarity=1000.0)
    assert len(suppress_duplicates(twice, unlike)) == 2
