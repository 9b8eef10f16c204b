"""Keypoint evaluation: known answers, malformed files, the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.accuracy_pictures import draw_precision_curves
from pose_tracking_ros.evaluation.keypoints import (
    EvaluationError,
    load_ground_truth,
    results_from_people,
    run_engine,
    score,
)
from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.people import People

SIZE = (200, 160)


def boxes_and_points(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    boxes = np.array([[10 + 60 * i, 20, 55 + 60 * i, 130] for i in range(count)], np.float32)
    points = boxes[:, None, :2] + rng.random((count, 17, 2)) * [45, 110]
    return boxes, points.astype(np.float32)


def truth(count: int = 3) -> dict[str, Any]:
    boxes, points = boxes_and_points(count)
    return {
        'images': [{'id': 5, 'file_name': 'a.png', 'width': SIZE[0], 'height': SIZE[1]}],
        'categories': [{'id': 1, 'name': 'person'}],
        'annotations': [
            {
                'id': number + 1,
                'image_id': 5,
                'category_id': 1,
                'bbox': [*map(float, box[:2]), *map(float, box[2:] - box[:2])],
                'area': float((box[2:] - box[:2]).prod() * 0.6),
                'iscrowd': 0,
                'num_keypoints': 17,
                'keypoints': np.column_stack([xy, np.full(17, 2)]).reshape(-1).tolist(),
            }
            for number, (box, xy) in enumerate(zip(boxes, points, strict=True))
        ],
    }


def found(count: int = 3, shift_px: float = 0.0) -> People:
    boxes, points = boxes_and_points(count)
    return People(
        boxes=boxes + shift_px,
        scores=np.linspace(0.9, 0.5, count),
        keypoints=points + shift_px,
        keypoint_scores=np.full((count, 17), 0.8),
        embeddings=np.zeros((count, 0)),
        image_size=SIZE,
    )


def test_perfect_people_score_one() -> None:
    report = score(truth(), results_from_people(found(), 5, 1), 'm')
    assert report.box_ap == report.box_ap50 == pytest.approx(1.0)
    assert report.keypoint_ap == report.keypoint_ap50 == pytest.approx(1.0)
    assert (report.images, report.people, report.model_id) == (1, 3, 'm')


def test_no_people_score_zero() -> None:
    none = People.none(SIZE)
    report = score(truth(), results_from_people(none, 5, 1), 'm')
    assert report.box_ap == report.keypoint_ap50 == 0


def test_one_of_three_found() -> None:
    # Precision is 1 up to recall 1/3: 34 of the 101 recall points of the COCO metric.
    report = score(truth(), results_from_people(found().select([0]), 5, 1), 'm')
    assert report.box_ap == pytest.approx(34 / 101, abs=1e-6)
    assert report.keypoint_ap == pytest.approx(34 / 101, abs=1e-6)


def test_displaced_people_score_less() -> None:
    report = score(truth(), results_from_people(found(shift_px=2), 5, 1), 'm')
    assert 0 < report.box_ap < 0.9
    assert report.box_ap50 == pytest.approx(1.0)
    assert 0 < report.keypoint_ap < 1


def test_ignored_regions_are_neither_missed_nor_false() -> None:
    content = truth()
    content['annotations'][2]['iscrowd'] = 1
    report = score(content, results_from_people(found(), 5, 1), 'm')
    assert report.box_ap == pytest.approx(1.0)
    assert report.people == 2


def test_joints_not_estimated_are_finite_in_the_results() -> None:
    people = found(1)
    keypoints = people.keypoints.copy()
    keypoints[0, 3] = np.nan
    result = results_from_people(
        People(people.boxes, people.scores, keypoints, people.keypoint_scores,
               people.embeddings, SIZE), 5, 1
    )[0]  # fmt: skip
    assert np.isfinite(result['keypoints']).all()
    assert result['pose_score'] == pytest.approx(0.9 * 0.8)


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda c: c.pop('images'), "expected a non-empty list 'images'"),
        (lambda c: c['annotations'].clear(), "expected a non-empty list 'annotations'"),
        (lambda c: c['annotations'][1].pop('area'), r'annotations\[1\] lacks area'),
        (lambda c: c['images'][0].pop('file_name'), r'images\[0\] lacks file_name'),
        (lambda c: c['annotations'].append(7), r'annotations\[3\]: expected an object, got 7'),
        (
            lambda c: c['images'][0].update(id='5'),
            r"images\[0\]: id: expected a whole number, got '5'",
        ),
        (
            lambda c: c['images'].append(dict(c['images'][0])),
            r'images\[1\]: id: has been used before: 5',
        ),
        (lambda c: c['images'][0].update(width=0), r'images\[0\]: width: expected more than 0'),
        (
            lambda c: c['annotations'][2].update(image_id=6),
            r'annotations\[2\]: image_id: expected one that the file lists, got 6',
        ),
        (
            lambda c: c['annotations'][0].update(category_id=3),
            r'annotations\[0\]: category_id: expected one that the file lists, got 3',
        ),
        (
            lambda c: c['annotations'][1].update(id=1),
            r'annotations\[1\]: id: has been used before: 1',
        ),
        (
            lambda c: c['annotations'][1]['bbox'].pop(),
            r'annotations\[1\]: bbox: expected 4 finite numbers, got 3',
        ),
        (
            lambda c: c['annotations'][1].update(bbox=[1, 2, -3, 4]),
            r'annotations\[1\]: bbox: expected x, y, width, height',
        ),
        (
            lambda c: c['annotations'][1].update(area='large'),
            r"annotations\[1\]: area: expected a finite number, got 'large'",
        ),
        (
            lambda c: c['annotations'][1]['keypoints'].append(1),
            r'annotations\[1\]: keypoints: expected 51 finite numbers, got 52',
        ),
        (
            lambda c: c['annotations'][1].update(num_keypoints=0),
            r'annotations\[1\]: num_keypoints: expected 17, the number of joints',
        ),
        (
            lambda c: c['annotations'][1].pop('num_keypoints'),
            r'annotations\[1\] lacks num_keypoints',
        ),
        (
            lambda c: c['annotations'][1].update(iscrowd='no'),
            r'annotations\[1\]: iscrowd: expected true or false',
        ),
    ],
)
def test_malformed_ground_truth(tmp_path: Path, damage: Any, message: str) -> None:
    content = truth()
    damage(content)
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match=message):
        load_ground_truth(path)


class Oracle:
    """An engine that knows the answer."""

    model_id = 'oracle'
    device_name = 'none'

    def infer(self, image: np.ndarray) -> People:
        assert image.shape == (SIZE[1], SIZE[0], 3)
        return found()


def test_running_an_engine_on_pictures(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r'a\.png: missing or not a picture \(image 5\)'):
        run_engine(Oracle(), truth(), tmp_path)  # type: ignore[arg-type]
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    results = run_engine(Oracle(), truth(), tmp_path)  # type: ignore[arg-type]
    assert score(truth(), results, 'oracle').keypoint_ap == pytest.approx(1.0)


def test_command_writes_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    annotations = tmp_path / 'truth.json'
    annotations.write_text(json.dumps(truth()))
    out = tmp_path / 'deep' / 'report.json'
    arguments = ['keypoints', '--annotations', str(annotations), '--images', str(tmp_path)]
    assert main([*arguments, '--device', 'cpu', '--long-side', '128', '--json', str(out)]) == 0
    report = json.loads(out.read_text())
    assert {'box_ap', 'box_ap50', 'keypoint_ap', 'keypoint_ap50'} <= report.keys()
    assert report['model_id'].startswith('lite@')
    assert 'box_ap50' in capsys.readouterr().out
    assert 'curves' not in report
    assert cv2.imread(str(out.with_suffix('.png'))) is not None


def test_command_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = tmp_path / 'truth.json'
    content = truth()
    content['annotations'][2]['keypoints'] = 'none'
    annotations.write_text(json.dumps(content))
    assert main(['keypoints', '--annotations', str(annotations), '--images', str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f'error: {annotations}: annotations[2]: keypoints: expected 51 finite numbers, '
        "got 'none'\n"
    )


def test_command_hands_the_precision_to_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processor, 'here', lambda: Processor('Old CPU', 2, ('avx2',)))
    annotations = tmp_path / 'truth.json'
    annotations.write_text(json.dumps(truth()))
    arguments = ['keypoints', '--annotations', str(annotations), '--images', str(tmp_path)]
    assert main([*arguments, '--device', 'cpu', '--precision', 'bf16']) == 2
    assert capsys.readouterr().err.startswith('error: precision: Old CPU has neither')


def test_command_with_missing_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['keypoints', '--annotations', 'none.json', '--images', '.']) == 2
    assert capsys.readouterr().err.startswith('error: none.json: no such file')


def test_curves_have_the_averages_as_their_areas() -> None:
    report = score(truth(), results_from_people(found(2, shift_px=3.0), 5, 1), 'test')
    assert list(report.curves) == ['boxes, IoU', 'poses, OKS']
    for kind, name in zip(report.curves, ('box', 'keypoint'), strict=True):
        areas = [np.mean(curve) for curve in report.curves[kind].values()]
        wanted = [getattr(report, f'{name}_{figure}') for figure in ('ap50', 'ap75', 'ap')]
        np.testing.assert_allclose(areas, wanted, atol=1e-9)
    assert score(truth(), [], 'test').curves == {'boxes, IoU': {}, 'poses, OKS': {}}


def test_curves_are_drawn_also_without_any(tmp_path: Path) -> None:
    for number, curves in enumerate(
        ({'boxes': {'0.50': [1.0, 0.5]}, 'poses': {'0.50': [0.7]}}, {'boxes': {}})
    ):
        path = tmp_path / 'new' / f'{number}.png'
        draw_precision_curves(path, 'test', curves)
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.std() > 1
