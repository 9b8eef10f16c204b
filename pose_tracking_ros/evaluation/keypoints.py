"""Person boxes and keypoints against COCO ground truth, by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from rich.progress import track

from pose_tracking_ros.evaluation.errors import EvaluationError
from pose_tracking_ros.evaluation.json_records import Record
from pose_tracking_ros.inference import Engine
from pose_tracking_ros.people import People
from pose_tracking_ros.skeleton import COCO_17

__all__ = [
    'MIN_PERSON_SCORE',
    'EvaluationError',
    'KeypointReport',
    'average_precisions',
    'find_people',
    'load_ground_truth',
    'results_from_people',
    'run_engine',
    'score',
]

MIN_PERSON_SCORE: Final = 0.02
"""Of engines under evaluation: average precision ranks everybody, and a higher one would only cut
the curve short."""

# COCO looks at no more than 100 boxes and 20 poses per image.
_PERSON_FIELDS = ('id', 'image_id', 'category_id', 'bbox', 'area', 'keypoints', 'num_keypoints')
_STATS = {'bbox': {'ap': 0, 'ap50': 1, 'ap75': 2}, 'keypoints': {'ap': 0, 'ap50': 1, 'ap75': 2}}


@dataclass(frozen=True)
class KeypointReport:
    """Average precision over OKS or IoU 0.50:0.95, and at single thresholds.

    Attributes:
        box_ap: person boxes.
        box_ap50: at IoU 0.5.
        box_ap75: at IoU 0.75.
        keypoint_ap: poses.
        keypoint_ap50: at OKS 0.5.
        keypoint_ap75: at OKS 0.75.
        images: evaluated.
        people: in the ground truth, ignored regions left out.
        model_id: what was evaluated.
        curves: precision at 101 recalls from 0 to 1: per kind, per threshold; none without a
            result.
    """

    box_ap: float
    box_ap50: float
    box_ap75: float
    keypoint_ap: float
    keypoint_ap50: float
    keypoint_ap75: float
    images: int
    people: int
    model_id: str
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Accuracy:
    averages: dict[str, float]
    curves: dict[str, list[float]]


def load_ground_truth(annotations: Path) -> dict[str, Any]:
    """Return a COCO keypoint file's content, checked.

    Raises:
        EvaluationError: the file is missing, not JSON, or lacks what the evaluation reads; names
            record and field.
    """
    if not annotations.is_file():
        raise EvaluationError(f'{annotations}: no such file; expected a COCO keypoint JSON')
    try:
        content = json.loads(annotations.read_text())
    except ValueError as error:
        raise EvaluationError(f'{annotations}: not readable as JSON: {error}') from error
    for section, fields in (
        ('images', ('id', 'file_name', 'width', 'height')),
        ('annotations', _PERSON_FIELDS),
        ('categories', ('id',)),
    ):
        records = content.get(section) if isinstance(content, dict) else None
        if not isinstance(records, list) or not records:
            raise EvaluationError(f'{annotations}: expected a non-empty list {section!r}')
        for number, record in enumerate(records):
            if not isinstance(record, dict):
                raise EvaluationError(
                    f'{annotations}: {section}[{number}]: expected an object, got {record!r:.60}'
                )
            missing = [field for field in fields if field not in record]
            if missing:
                raise EvaluationError(
                    f'{annotations}: {section}[{number}] lacks {", ".join(missing)}'
                )
    checked: dict[str, Any] = content
    _check_fields(Record(checked, str(annotations)))
    return checked


def _check_fields(file: Record) -> None:
    """Check what the fields of a COCO keypoint file hold.

    Raises:
        EvaluationError: names record and field, and tells what was expected.
    """
    categories = {category.whole('id') for category in file.records('categories')}
    images: set[int] = set()
    for image in file.records('images'):
        _check_new(image, images)
        image.text('file_name')
        for side in ('width', 'height'):
            if not image.number(side) > 0:
                raise image.error(side, f'expected more than 0 px, got {image.number(side):g}')
    people: set[int] = set()
    for person in file.records('annotations'):
        _check_new(person, people)
        for name, known in (('image_id', images), ('category_id', categories)):
            if person.whole(name) not in known:
                raise person.error(
                    name, f'expected one that the file lists, got {person.whole(name)}'
                )
        *_, width, height = person.numbers('bbox', 4).tolist()
        if min(width, height, person.number('area')) < 0:
            raise person.error('bbox', 'expected x, y, width, height and an area of at least 0')
        joints = person.numbers('keypoints', 3 * len(COCO_17))
        labelled = int(np.count_nonzero(joints[2::3]))
        # The tool goes by this number, and passes over people who have none.
        stated = person.whole('num_keypoints')
        if stated != labelled:
            raise person.error(
                'num_keypoints',
                f'expected {labelled}, the number of joints with a visibility above 0; '
                f'got {stated}',
            )
        person.flag('iscrowd', default=False)


def _check_new(record: Record, known: set[int]) -> None:
    number = record.whole('id')
    if number in known:
        raise record.error('id', f'has been used before: {number}')
    known.add(number)


def results_from_people(people: People, image_id: int, category_id: int) -> list[dict[str, Any]]:
    """Return COCO results of one image.

    A pose is ranked by the person's score times the mean score of its joints: a well found person
    with a guessed pose goes behind one whose pose is clear.
    """
    results = []
    for index in range(len(people)):
        x1, y1, x2, y2 = people.boxes[index].tolist()
        points = np.nan_to_num(people.keypoints[index])
        flat = np.concatenate([points, people.keypoint_scores[index][:, None]], 1).reshape(-1)
        score = float(people.scores[index])
        results.append(
            {
                'image_id': image_id,
                'category_id': category_id,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'score': score,
                'keypoints': flat.tolist(),
                'pose_score': score * float(people.keypoint_scores[index].mean()),
            }
        )
    return results


def run_engine(engine: Engine, truth: dict[str, Any], images: Path) -> list[dict[str, Any]]:
    """Return the engine's COCO results for every picture, with a progress bar.

    Raises:
        EvaluationError: a picture is missing or unreadable.
    """
    category = int(truth['categories'][0]['id'])
    return [
        result
        for image_id, people in find_people(engine, truth, images)
        for result in results_from_people(people, image_id, category)
    ]


def find_people(
    engine: Engine, truth: dict[str, Any], images: Path
) -> Iterator[tuple[int, People]]:
    """Yield each picture's id and the people found in it, with a progress bar.

    Raises:
        EvaluationError: a picture is missing or unreadable.
    """
    for record in track(truth['images'], description='keypoints', transient=True):
        path = images / record['file_name']
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
        if picture is None:
            raise EvaluationError(f'{path}: missing or not a picture (image {record["id"]})')
        rgb = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        yield int(record['id']), engine.infer(rgb)


def score(truth: dict[str, Any], results: list[dict[str, Any]], model_id: str) -> KeypointReport:
    """Return the report of results against the ground truth; no result at all scores 0."""
    boxes = _accuracy(truth, results, 'bbox', 'score')
    poses = _accuracy(truth, results, 'keypoints', 'pose_score')
    return KeypointReport(
        **{f'box_{name}': value for name, value in boxes.averages.items()},
        **{f'keypoint_{name}': value for name, value in poses.averages.items()},
        curves={'boxes, IoU': boxes.curves, 'poses, OKS': poses.curves},
        images=len(truth['images']),
        people=sum(not person.get('iscrowd', 0) for person in truth['annotations']),
        model_id=model_id,
    )


def average_precisions(
    truth: dict[str, Any], results: list[dict[str, Any]], kind: str, ranked_by: str
) -> dict[str, float]:
    """Return average precision over all thresholds, `ap`, and at 0.5 and 0.75, in [0, 1].

    Args:
        truth: content of a COCO keypoint file.
        results: COCO results; none at all score 0.
        kind: `bbox` or `keypoints`.
        ranked_by: field of the results with the ranking.
    """
    return _accuracy(truth, results, kind, ranked_by).averages


def _accuracy(
    truth: dict[str, Any], results: list[dict[str, Any]], kind: str, ranked_by: str
) -> _Accuracy:
    if not results:
        return _Accuracy(dict.fromkeys(_STATS[kind], 0.0), {})
    ranked = [{**result, 'score': result[ranked_by]} for result in results]
    if kind == 'bbox':
        # With joints present the tool would take their extent for the box.
        ranked = [{k: v for k, v in result.items() if k != 'keypoints'} for result in ranked]
    # The tool prints its own tables; ours are one table for all commands.
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO(truth)
        evaluation = COCOeval_faster(ground_truth, ground_truth.loadRes(ranked), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # -1 is the tool's "no such ground truth".
    averages = {name: max(float(evaluation.stats[i]), 0.0) for name, i in _STATS[kind].items()}
    # Threshold, recall, category, sizes of people (all), most results per image (the last).
    precision = np.asarray(evaluation.eval['precision'])[:, :, 0, 0, -1].clip(min=0.0)
    curves = {
        '0.50': precision[0].tolist(),
        '0.75': precision[5].tolist(),
        'mean of 0.50 to 0.95': precision.mean(axis=0).tolist(),
    }
    return _Accuracy(averages, curves)
