"""The measurement of camera motion: its pictures, its truth, its command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.camera_motion import distance_px, swung_images

SIZE = (320, 200)


def test_the_true_map_brings_images_to_coincide() -> None:
    before, *images = swung_images(4, SIZE)
    np.testing.assert_array_equal(before.affine, np.eye(2, 3))
    for now in images:
        assert now.image.shape == (200, 320, 3)
        # OpenCV has the centre of the first pixel at (0, 0), the product at (0.5, 0.5).
        linear = now.affine[:, :2]
        shift = now.affine[:, 2] + linear @ [0.5, 0.5] - 0.5
        moved = cv2.warpAffine(before.image, np.column_stack([linear, shift]), SIZE)
        inner = np.s_[30:-30, 30:-30]
        as_told = np.abs(moved[inner].astype(float) - now.image[inner]).mean()
        as_if_still = np.abs(before.image[inner].astype(float) - now.image[inner]).mean()
        assert as_told < 0.5 * as_if_still
        before = now


def test_people_are_where_the_boxes_say() -> None:
    boxes = [image.boxes for image in swung_images(3, SIZE)]
    assert all(len(one) for one in boxes)
    assert all((one[:, 2:] > one[:, :2]).all() for one in boxes)


def test_distance_is_that_of_the_worst_corner() -> None:
    identity, shifted = np.eye(2, 3), np.array([[1.0, 0, 3], [0, 1, 4]])
    assert distance_px(identity, shifted, SIZE) == 5.0
    wider = np.array([[1.1, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert distance_px(identity, wider, SIZE) == pytest.approx(32.0)


def test_command_measures_both_methods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'deep' / 'camera.json'
    options = ['--frames', '6', '--image-size', '640x400', '--json', str(out)]
    assert main(['camera-motion', *options]) == 0
    report = json.loads(out.read_text())
    assert (report['frames'], report['image_size']) == (6, '640x400')
    assert report['motion_px_median'] > 3
    assert 0 < report['flow.ms_median'] <= report['flow.ms_p95']
    assert report['flow.trusted'] == 1.0
    # The compensation leaves little of the motion.
    assert report['flow.error_px_median'] < 0.3 * report['motion_px_median']
    assert report['ecc.ms_median'] > 0
    assert 'flow' in capsys.readouterr().out
    picture = cv2.imread(str(out.with_suffix('.png')))
    assert picture is not None
    assert picture.std() > 1


def test_command_wants_two_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['camera-motion', '--frames', '1']) == 2
    assert 'expected at least 2 frames, got 1' in capsys.readouterr().err
