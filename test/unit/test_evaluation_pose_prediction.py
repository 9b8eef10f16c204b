"""How well poses are predicted: the trials themselves, and the command."""

import json

import cv2
import numpy as np
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.pose_prediction import (
    METHODS,
    _Walk,
    move_poses,
    trials,
    walks_of,
)
from pose_tracking_ros.simulation.scenes import make_scene


def walk(swing: float, images: int = 40) -> _Walk:
    """Return somebody whose joints swing by a share of the height, once a second, at 10 Hz."""
    phase = 2 * np.pi * np.arange(images) / 10
    boxes = np.tile([100.0, 50.0, 150.0, 250.0], (images, 1)) + 3.0 * np.arange(images)[:, None]
    joints = np.tile(np.random.default_rng(0).uniform(0.1, 0.9, (17, 2)), (images, 1, 1))
    points = boxes[:, None, :2] + joints * [50, 200]
    points[..., 0] += 200 * swing * np.sin(phase)[:, None]
    return _Walk(boxes, points)


def means(of: _Walk, noise: float) -> dict[str, float]:
    found = list(trials(of, 10.0, noise, 0))
    return {m: float(np.mean([oks for method, _, oks in found if method == m])) for m in METHODS}


def test_somebody_stiff_is_predicted_exactly_either_way():
    assert means(walk(0.0), 0.0) == pytest.approx(dict.fromkeys(METHODS, 1.0), abs=1e-6)


@pytest.mark.parametrize(('swing', 'noise'), [(0.0, 0.03), (0.05, 0.03)])
def test_swings_and_noise_are_survived_better_joint_by_joint(swing, noise):
    found = means(walk(swing), noise)
    assert found['joint by joint'] > found['moved with the box'] + 0.03


def test_poses_move_and_scale_with_their_boxes():
    got = move_poses(
        np.array([[[10.0, 10.0], [20.0, 30.0]]]),
        np.array([[10.0, 10, 20, 30]]),
        np.array([[100.0, 50, 120, 90]]),
    )
    np.testing.assert_allclose(got[0], [[100, 50], [120, 90]])


def test_walks_are_unbroken_and_inside():
    scene = make_scene('crossing', seed=0, rate_hz=5.0)
    for one in walks_of(scene):
        assert len(one.boxes) == len(one.keypoints) > 0
        assert (one.boxes[:, :2] > 1).all()
        assert (one.boxes[:, 2:] < np.array(scene.image_size) - 1).all()
        # Nobody jumps.
        width = one.boxes[:, 2] - one.boxes[:, 0]
        assert (np.abs(np.diff(one.boxes[:, 0])) < 2 * width[1:]).all()


def test_the_command_writes_figures_and_a_picture(tmp_path, capsys):
    out = tmp_path / 'new' / 'prediction.json'
    arguments = ['pose-prediction', '--seeds', '1', '--rate-hz', '5', '--noise', '0.02']
    assert main([*arguments, '--json', str(out)]) == 0
    report = json.loads(out.read_text())
    assert report['trials'] > 5
    assert {result['method'] for result in report['results']} == set(METHODS)
    assert all(0 < result['oks'] <= 1 for result in report['results'])
    assert cv2.imread(str(out.with_suffix('.png'))) is not None
    assert 'joint by joint, noise 2 %' in capsys.readouterr().out
    assert main(['pose-prediction', '--seeds', '0']) == 2
