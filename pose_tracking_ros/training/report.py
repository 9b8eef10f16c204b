"""A training run as one HTML file: curves, errors per joint, best and worst poses.

`python -m pose_tracking_ros.training.report runs/lite`
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pose_tracking_ros.evaluation.judged_people import JudgedPerson, judge_people
from pose_tracking_ros.evaluation.keypoints import (
    EvaluationError,
    load_ground_truth,
    run_engine,
    score,
)
from pose_tracking_ros.network.weights import Provenance, WeightsError, load_network, preset_of
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.arguments import add_data_root
from pose_tracking_ros.training.journal import read_journal
from pose_tracking_ros.training.pictures import DataError
from pose_tracking_ros.training.report_pictures import picture_of
from pose_tracking_ros.training.report_plots import joints_plot, losses_plot, validation_plot
from pose_tracking_ros.training.validation import engine_of
from pose_tracking_ros.viewing.html_pages import jpeg_address, rendered_page, svg_address

REPORT_NAME = 'report.html'
_TEMPLATES = Path(__file__).parent / 'templates'
_SHOWN = 12
# A joint is right when its term of OKS is at least this.
_RIGHT = 0.5


def write_report(folder: Path, root: Path) -> Path:
    """Write `report.html` into the folder of a run and return its path.

    Accuracy is that of `best.safetensors`, or of the last weights where there are no best ones, on
    the pictures that the run's configuration names for validation.

    Args:
        folder: of the run, finished or not.
        root: folder of the data.

    Raises:
        DataError: the folder holds no run, or labels or pictures are not usable.
        WeightsError: the weights cannot be read.
    """
    steps, validations = read_journal(folder)
    if not steps:
        raise DataError(f'{folder}: no run: expected log.jsonl with at least one step')
    weights = _weights_in(folder)
    plots = [_plot('Losses', 'Grey as logged, blue the running median.', losses_plot(steps))]
    if validations:
        plots.append(_plot('Validation', 'Averaged weights.', validation_plot(validations)))
    content: dict[str, Any] = {
        'title': f'Training run {folder.name}',
        'subtitle': f'{steps[-1]["step"]} steps',
        'headline': [('steps', steps[-1]['step'])],
        'notes': [],
        'plots': plots,
        'galleries': [],
        'provenance': [],
    }
    if weights is None:
        content['notes'].append('No weights are saved yet.')
    else:
        _add_accuracy(content, weights, root)
    path = folder / REPORT_NAME
    path.write_text(rendered_page(_TEMPLATES, 'report.html.j2', content), encoding='utf-8')
    return path


def _weights_in(folder: Path) -> Path | None:
    best = folder / 'best.safetensors'
    if best.is_file():
        return best
    return next(iter(sorted(folder.glob('*.safetensors'))), None)


def _add_accuracy(content: dict[str, Any], weights: Path, root: Path) -> None:
    network, provenance = load_network(preset_of(weights), weights)
    config = _config_of(provenance)
    content['provenance'] = [('weights', weights.name), *provenance.training.items()]
    validation = config.get('validation') or {}
    if not validation.get('annotations'):
        content['notes'].append('The configuration names no pictures for validation.')
        return
    side_px = int(validation['long_side_px'])
    engine = engine_of(network.float(), provenance.preset, side_px, provenance.calibration)
    images = root / validation['images']
    try:
        truth = load_ground_truth(root / validation['annotations'])
        results = run_engine(engine, truth, images)
        figures = score(truth, results, weights.stem)
    except EvaluationError as error:
        raise DataError(f'validation: {error}') from error
    for name in ('box_ap', 'box_ap50', 'keypoint_ap', 'keypoint_ap50'):
        text = f'{getattr(figures, name):.3f}'
        content['headline'].append((f'{name.replace("_", " ")}, {weights.stem}', text))
    people = judge_people(truth, results, NetworkSettings().min_person_score)
    if not people:
        content['notes'].append('Nobody in the validation pictures has labelled joints.')
        return
    right, off = joint_errors(people)
    note = (
        f'{len(people)} labelled people, '
        f'{sum(p.found is None for p in people)} of them not found. '
        f"Right: the joint's term of OKS is at least {_RIGHT}; joints of people who are not found "
        'count as wrong. Distances are of found people.'
    )
    content['plots'].append(_plot('Joints', note, joints_plot(COCO_17.joints, right, off)))
    files = {int(record['id']): images / record['file_name'] for record in truth['images']}
    note = 'White is the label, orange what was found; joints without a label are not drawn.'
    found = [person for person in people if person.found is not None]
    # Nobody is shown twice.
    worst, best = found[: -(-len(found) // 2)], found[-(-len(found) // 2) :][::-1]
    for title, chosen in (('Worst', worst[:_SHOWN]), ('Best', best[:_SHOWN])):
        shown = [_picture(person, files[person.image_id]) for person in chosen]
        content['galleries'].append(
            {'title': f'{title} poses of people who are found', 'note': note, 'pictures': shown}
        )


def joint_errors(people: Sequence[JudgedPerson]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each joint the share that is right, and the median distance; NaN without labels.

    Args:
        people: at least one.
    """
    likeness = np.stack([person.likeness for person in people])
    distances = np.stack([person.distances for person in people])
    right, off = (np.full(likeness.shape[1], np.nan) for _ in range(2))
    for joint in range(likeness.shape[1]):
        there = likeness[~np.isnan(likeness[:, joint]), joint]
        measured = distances[~np.isnan(distances[:, joint]), joint]
        if len(there):
            right[joint] = (there >= _RIGHT).mean()
        if len(measured):
            off[joint] = np.median(measured)
    return right, off


def _config_of(provenance: Provenance) -> Mapping[str, Any]:
    config = json.loads(provenance.training.get('config', '{}'))
    return config if isinstance(config, dict) else {}


def _plot(title: str, note: str, svg: str) -> dict[str, str]:
    return {'title': title, 'note': note, 'address': svg_address(svg)}


def _picture(person: JudgedPerson, path: Path) -> dict[str, str]:
    return {
        'title': f'OKS {person.oks:.2f}',
        'caption': f'{path.name}, {int(person.has_joint.sum())} labelled joints',
        'address': jpeg_address(picture_of(person, path)),
    }


def main() -> int:
    """Write the report of a run; exit 0, or 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.training.report', description=__doc__
    )
    parser.add_argument('run', type=Path, help='folder of a training run')
    add_data_root(parser)
    arguments = parser.parse_args()
    try:
        path = write_report(arguments.run, arguments.data_root)
    except (DataError, WeightsError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'wrote {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
