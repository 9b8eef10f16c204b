"""Keypoint scores as probabilities: the line through the logits, its file, and what is right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from pose_tracking_ros.network.calibration import ScoreCalibration, logits
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import WeightsError, load_network, save_weights
from pose_tracking_ros.people import People
from pose_tracking_ros.training.calibration import calibration_error, fit, judged_joints
from pose_tracking_ros.training.pictures import DataError, Labels


def test_calibration_by_hand() -> None:
    # logit(0.5) = 0; logit(0.8) = ln 4: twice that plus ln 2 is ln 32, p = 32 / 33.
    calibration = ScoreCalibration(2.0, float(np.log(2)))
    got = calibration.apply(np.array([0.5, 0.8], np.float32))
    assert got == pytest.approx([2 / 3, 32 / 33], abs=1e-6)
    assert logits(np.array([0.8])) == pytest.approx([np.log(4)], abs=1e-6)


def test_unknown_calibration_changes_nothing_and_extremes_stay_probabilities() -> None:
    scores = np.array([0.0, 0.3, 1.0], np.float32)
    assert ScoreCalibration().apply(scores) is scores
    got = ScoreCalibration(3.0, 1.0).apply(scores)
    assert (got >= 0).all()
    assert (got <= 1).all()
    assert (np.diff(got) > 0).all()


@pytest.mark.parametrize(('slope', 'offset'), [(0.0, 0.0), (-1.0, 0.0), (1.0, float('nan'))])
def test_impossible_lines_are_refused(slope: float, offset: float) -> None:
    with pytest.raises(ValueError, match='slope above 0'):
        ScoreCalibration(slope, offset)


def test_fit_finds_the_line_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.02, 0.98, 20_000).astype(np.float32)
    true = ScoreCalibration(1.7, -0.8)
    is_right = rng.random(len(scores)) < true.apply(scores)
    found = fit(scores, is_right)
    assert found.slope == pytest.approx(1.7, abs=0.08)
    assert found.offset == pytest.approx(-0.8, abs=0.06)
    assert calibration_error(found.apply(scores), is_right) < 0.015
    assert calibration_error(scores, is_right) > 0.1


def test_fit_wants_right_and_wrong_joints() -> None:
    with pytest.raises(DataError, match='3 right ones of 3'):
        fit(np.array([0.2, 0.5, 0.7]), np.ones(3, bool))


def test_calibration_error_by_hand() -> None:
    # Two bins: 0.25 with half right, 0.75 with all right; each gap is 0.25.
    scores = np.array([0.25, 0.25, 0.75, 0.75])
    assert calibration_error(scores, np.array([True, False, True, True])) == pytest.approx(0.25)


def person(scores: float) -> People:
    joints = np.full((1, 17, 2), 50.0)
    return People(
        boxes=np.array([[0.0, 0.0, 100.0, 100.0]]),
        scores=np.ones(1),
        keypoints=joints,
        keypoint_scores=np.full((1, 17), scores),
        embeddings=np.zeros((1, 0)),
        image_size=(200, 200),
    )


def test_right_joints_are_near_a_labelled_one() -> None:
    keypoints = np.full((1, 17, 3), 50.0, np.float32)
    keypoints[..., 2] = 1
    # sqrt(0.53) * 100 px * 2 * 0.026 (nose) = 3.79 px; half likeness at 1.177 times that: 4.46.
    keypoints[0, 0, 0] = 54.3
    keypoints[0, 1, 2] = 0
    labels = Labels(
        np.array([[0, 0, 100, 100]], np.float32), keypoints, np.zeros((0, 4)), np.zeros(1)
    )
    scores, is_right = judged_joints(person(0.4), labels)
    assert scores == pytest.approx(np.full(17, 0.4))
    assert is_right.tolist() == [True, False] + [True] * 15
    keypoints[0, 0, 0] = 54.7
    assert not judged_joints(person(0.4), labels)[1][0]


def test_people_nobody_labelled_say_nothing() -> None:
    far = Labels(
        np.array([[150, 150, 190, 190]], np.float32),
        np.ones((1, 17, 3), np.float32),
        np.zeros((0, 4)),
        np.zeros(1),
    )
    assert len(judged_joints(person(0.4), far)[0]) == 0
    nobody = Labels(np.zeros((0, 4)), np.zeros((0, 17, 3)), np.zeros((0, 4)), np.zeros(0))
    assert len(judged_joints(person(0.4), nobody)[0]) == 0


def test_checkpoint_carries_its_calibration(tmp_path: Path) -> None:
    network = build_network('lite')
    save_weights(
        network, tmp_path / 'a.safetensors', 'lite', {}, calibration=ScoreCalibration(2.0, -0.5)
    )
    save_weights(network, tmp_path / 'b.safetensors', 'lite', {})
    assert load_network('lite', tmp_path / 'a.safetensors')[1].calibration == ScoreCalibration(
        2.0, -0.5
    )
    assert load_network('lite', tmp_path / 'b.safetensors')[1].calibration == ScoreCalibration()


def test_damaged_calibration_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'a.safetensors'
    save_weights(build_network('lite'), path, 'lite', {})
    with safe_open(path, framework='pt') as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata | {'keypoint_calibration': json.dumps([1])})
    with pytest.raises(WeightsError, match='keypoint_calibration: expected two numbers'):
        load_network('lite', path)
