"""Average precision by faster-coco-eval equals that of pycocotools, COCO's own code."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pose_tracking_ros.evaluation.keypoints import load_ground_truth, score
from pose_tracking_ros.skeleton import COCO_17

DEV_SET = Path(__file__).resolve().parents[2] / 'data' / 'eval_coco_dev' / 'annotations.json'
# Where pycocotools puts AP over all thresholds, at 0.5 and at 0.75.
PLACES = {'ap': 0, 'ap50': 1, 'ap75': 2}


def written_sample() -> dict[str, Any]:
    """Return 4 images with 3 people each, of all of COCO's sizes, and a region to ignore."""
    rng = np.random.default_rng(2)
    people: list[dict[str, Any]] = []
    for image in range(1, 5):
        for place in range(3):
            width, height = 20.0 * (place + 1) * image, 45.0 * (place + 1)
            x, y = 150.0 * place + 5 * image, 20.0
            xy = np.round([x, y] + rng.random((17, 2)) * [width, height], 1)
            # Some joints are not annotated, some occluded.
            visible = rng.choice([0, 1, 2], 17, p=[0.2, 0.2, 0.6])
            points = np.column_stack([np.where(visible[:, None] > 0, xy, 0), visible])
            people.append(
                {
                    'id': len(people) + 1,
                    'image_id': image,
                    'category_id': 1,
                    'bbox': [x, y, width, height],
                    'area': 0.6 * width * height,
                    'iscrowd': int(image == 4 and place == 2),
                    'num_keypoints': int((visible > 0).sum()),
                    'keypoints': points.reshape(-1).tolist(),
                }
            )
    return {
        'images': [
            {'id': image, 'file_name': f'{image}.png', 'width': 640, 'height': 480}
            for image in range(1, 5)
        ],
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(COCO_17.joints)}],
        'annotations': people,
    }


def perturbed(truth: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Return results: the truth off by some noise, people missing, doubled and made up."""
    rng = np.random.default_rng(seed)
    results = []
    for person in truth['annotations']:
        box = np.array(person['bbox'], np.float64)
        points = np.array(person['keypoints'], np.float64).reshape(17, 3)
        unknown = points[:, 2] == 0
        points[unknown, :2] = box[:2] + rng.random((int(unknown.sum()), 2)) * box[2:]
        side = np.sqrt(box[2] * box[3])
        # None for missed people, two for those found twice.
        for _ in range(int(rng.choice(3, p=[0.15, 0.65, 0.2]))):
            off = rng.normal(0, 0.05 * side * rng.random(), (17, 2))
            off += rng.choice([0, 0, 0, 0.4]) * side
            flat = np.column_stack([points[:, :2] + off, rng.random(17)])
            results.append(
                {
                    'image_id': person['image_id'],
                    'category_id': person['category_id'],
                    'bbox': (box + rng.normal(0, 0.08 * side * rng.random(), 4)).clip(1).tolist(),
                    'score': float(rng.random()),
                    'keypoints': flat.reshape(-1).tolist(),
                    'pose_score': float(rng.random()),
                }
            )
    return results


def by_pycocotools(
    truth: dict[str, Any], results: list[dict[str, Any]], kind: str, ranked_by: str
) -> dict[str, float]:
    ranked = [{**result, 'score': result[ranked_by]} for result in results]
    if kind == 'bbox':
        ranked = [{k: v for k, v in result.items() if k != 'keypoints'} for result in ranked]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = truth
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(ranked), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(evaluation.stats[place]) for name, place in PLACES.items()}


def check(truth: dict[str, Any], seed: int) -> None:
    results = perturbed(truth, seed)
    report = vars(score(truth, results, 'perturbed truth'))
    for kind, prefix, ranked_by in (
        ('keypoints', 'keypoint', 'pose_score'),
        ('bbox', 'box', 'score'),
    ):
        for name, value in by_pycocotools(truth, results, kind, ranked_by).items():
            assert report[f'{prefix}_{name}'] == pytest.approx(value, abs=1e-4), (kind, name)
            # Neither end of the scale, where everything agrees.
            assert 0.02 < value < 0.98, (kind, name)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_equal_on_a_written_sample(seed: int) -> None:
    check(written_sample(), seed)


@pytest.mark.skipif(not DEV_SET.is_file(), reason=f'{DEV_SET} is not here')
@pytest.mark.parametrize('seed', [1, 2])
def test_equal_on_coco_pictures(seed: int) -> None:
    check(load_ground_truth(DEV_SET), seed)
