"""Fitting pose NMS: it finds the parameters between too few and too many eliminations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.pose_nms_fit import STARTS, fit_pose_nms, keypoint_ap
from pose_tracking_ros.people import People

SIZE = (640, 480)


def scene(duplicates: bool = True) -> tuple[dict[int, People], dict[str, Any]]:
    """Return people found twice, the worse one 5 px off, and the truth.

    In each of two images two people stand close together, 30 px apart, and one elsewhere. Every
    duplicate ranks behind its original but before another person, so it costs precision; removing
    all duplicates and nobody else gives an AP of 1.
    """
    rng = np.random.default_rng(3)
    pose = rng.random((17, 2)) * [80, 200]
    annotations: list[dict[str, Any]] = []
    found = {}
    for image in (1, 2):
        keypoints, scores = [], []
        for number, x in enumerate((50.0, 80.0, 400.0)):
            points = pose + rng.normal(0, 4, (17, 2)) + [x, 100.0]
            low, high = points.min(0), points.max(0)
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': image,
                    'category_id': 1,
                    'bbox': [*low.tolist(), *(high - low).tolist()],
                    'area': float((high - low).prod() * 0.6),
                    'iscrowd': 0,
                    'num_keypoints': 17,
                    'keypoints': np.column_stack([points, np.full(17, 2)]).reshape(-1).tolist(),
                }
            )
            keypoints.append(points)
            scores.append(0.9 - 0.2 * number)
            if duplicates:
                angles = rng.random(17) * 2 * np.pi
                keypoints.append(points + 5 * np.stack([np.cos(angles), np.sin(angles)], 1))
                scores.append(0.85 - 0.2 * number)
        arrays = np.array(keypoints)
        found[image] = People(
            boxes=np.concatenate([arrays.min(1), arrays.max(1)], 1),
            scores=np.array(scores),
            keypoints=arrays,
            keypoint_scores=np.full(arrays.shape[:2], 0.9),
            embeddings=np.zeros((len(arrays), 0)),
            image_size=SIZE,
        )
    truth = {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'width': SIZE[0], 'height': SIZE[1]} for i in (1, 2)
        ],
        'categories': [{'id': 1, 'name': 'person'}],
        'annotations': annotations,
    }
    return found, truth


@pytest.mark.parametrize('form', ['paper', 'scaled'])
@pytest.mark.parametrize('least', [120.0, 0.001])
def test_the_fit_finds_what_separates_duplicates_from_neighbours(form: str, least: float) -> None:
    found, truth = scene()
    # Nobody is ever redundant, or everybody who has another one near.
    start = replace(STARTS[form], min_similarity=least)
    fit = fit_pose_nms(found, truth, start)
    assert fit.plain_ap == pytest.approx(keypoint_ap(found, truth))
    assert fit.start_ap < 0.9
    assert fit.plain_ap < 0.9
    assert fit.ap == pytest.approx(1.0)
    assert (fit.images, fit.poses, fit.kept) == (2, 12, 6)
    assert fit.parameters.form == form
    assert len(fit.tried) > 9
    assert dict(fit.tried)[fit.parameters] == fit.ap == max(ap for _, ap in fit.tried)


def test_without_duplicates_the_start_remains() -> None:
    found, truth = scene(duplicates=False)
    fit = fit_pose_nms(found, truth, STARTS['scaled'])
    assert fit.parameters == STARTS['scaled']
    assert fit.ap == fit.start_ap == fit.plain_ap == pytest.approx(1.0)


def test_nobody_or_elsewhere() -> None:
    found, truth = scene()
    with pytest.raises(EvaluationError, match='nobody was found'):
        fit_pose_nms({1: People.none(SIZE)}, truth, STARTS['paper'])
    with pytest.raises(EvaluationError, match='expected images of the ground truth, got 7'):
        fit_pose_nms({7: found[1]}, truth, STARTS['paper'])


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, truth = scene()
    annotations = tmp_path / 'truth.json'
    annotations.write_text(json.dumps(truth))
    for image in (1, 2):
        noise = np.random.default_rng(image).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'{image}.png'), noise)
    out = tmp_path / 'fit.json'
    arguments = [
        'fit-pose-nms', '--annotations', str(annotations), '--images', str(tmp_path),
        '--device', 'cpu', '--long-side', '128', '--json', str(out),
    ]  # fmt: skip
    # In noise, anything is found only without a threshold.
    assert main([*arguments, '--min-score', '0']) == 0
    report = json.loads(out.read_text())
    assert report['form'] == 'scaled'
    assert report['poses'] >= report['kept'] > 0
    assert report['min_similarity'] > 0
    assert report['nms_iou'] == 0.9
    assert 'min_similarity' in capsys.readouterr().out
    assert report['trials'] > 9
    assert 'tried' not in report
    picture = cv2.imread(str(out.with_suffix('.png')))
    assert picture is not None
    assert picture.std() > 1
    assert main([*arguments, '--min-score', '1']) == 2
    assert 'nobody was found' in capsys.readouterr().err
