"""Detections made from the truth."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.truth import FrameTruth, people_from_truth

SIZE = (640, 480)


def truth_with(fractions: list[float], boxes: list[list[float]]) -> FrameTruth:
    count = len(fractions)
    corners = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    share = np.linspace(0.1, 0.9, 17)[None, :, None]
    keypoints = corners[:, None, :2] + share * (corners[:, None, 2:] - corners[:, None, :2])
    seen = np.arange(17)[None] < np.round(17 * np.array(fractions).reshape(-1, 1))
    return FrameTruth(
        stamp_s=1.0,
        person_ids=np.arange(1, count + 1),
        boxes=corners,
        keypoints=keypoints.astype(np.float32),
        joints_m=np.zeros((count, 17, 3), dtype=np.float32),
        keypoint_visible=seen,
        visible_fraction=np.array(fractions, dtype=np.float32),
        appearance=np.eye(32, dtype=np.float32)[:count],
    )


def test_without_noise_detections_are_the_truth() -> None:
    truth = truth_with([1.0, 0.9], [[10, 20, 60, 200], [300, 40, 360, 240]])
    people = people_from_truth(
        truth, SIZE, np.random.default_rng(0), box_noise=0, joint_noise=0, embedding_noise=0
    )
    np.testing.assert_allclose(people.boxes, truth.boxes)
    np.testing.assert_allclose(people.keypoints, truth.keypoints)
    np.testing.assert_allclose(people.embeddings, truth.appearance, atol=1e-6)
    assert people.image_size == SIZE


def test_hidden_people_are_not_found_and_the_best_come_first() -> None:
    boxes = [[10, 20, 60, 200], [300, 40, 360, 240], [100, 40, 160, 240]]
    people = people_from_truth(truth_with([0.5, 0.1, 1.0], boxes), SIZE, np.random.default_rng(0))
    assert len(people) == 2
    assert people.scores[0] > people.scores[1]
    assert people.boxes[0, 0] == pytest.approx(100, abs=6)


def test_scores_tell_seen_joints_from_hidden_ones() -> None:
    truth = truth_with([0.5], [[10, 20, 60, 200]])
    people = people_from_truth(truth, SIZE, np.random.default_rng(0))
    seen = truth.keypoint_visible[0]
    assert people.keypoint_scores[0][seen].min() > 0.5
    assert people.keypoint_scores[0][~seen].max() < 0.2


def test_a_half_hidden_person_looks_partly_like_the_one_in_front() -> None:
    boxes = [[100, 50, 160, 250], [105, 55, 165, 255]]
    truth = truth_with([0.4, 1.0], boxes)
    people = people_from_truth(truth, SIZE, np.random.default_rng(0), embedding_noise=0)
    front, hidden = people.embeddings
    assert front @ truth.appearance[1] > 0.999
    assert hidden @ truth.appearance[1] > hidden @ truth.appearance[0] > 0.3


def test_misses_happen_as_often_as_asked() -> None:
    truth = truth_with([1.0], [[10, 20, 60, 200]])
    rng = np.random.default_rng(0)
    found = [len(people_from_truth(truth, SIZE, rng, miss_rate=0.3)) for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.7, abs=0.06)


def test_nobody_gives_an_empty_result() -> None:
    people = people_from_truth(truth_with([], []), SIZE, np.random.default_rng(0))
    assert len(people) == 0
    assert people.embeddings.shape == (0, 32)


@pytest.mark.parametrize('name', ['street', 'crowd'])
def test_real_scenes_give_valid_people(name: str) -> None:
    scene = make_scene(name)
    rng = np.random.default_rng(1)
    for index in range(0, scene.frame_count, 50):
        truth = scene.truth(index)
        people = people_from_truth(truth, scene.image_size, rng, box_noise=0.05)
        assert len(people) <= len(truth)
        assert (people.boxes >= 0).all()
        np.testing.assert_allclose(np.linalg.norm(people.embeddings, axis=-1), 1, atol=1e-5)
