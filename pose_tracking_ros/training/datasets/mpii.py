"""MPII Human Pose as JSON, the form that HRNet and mmpose use: `mpii_train.json`.

A list with one object per person: `image`, `joints` (16 positions), `joints_vis` (1 labelled, 0
not), `center` and `scale` (the body is about 200 px times it high). Positions count from 1, as
Matlab does. http://human-pose.mpi-inf.mpg.de. Not every person is labelled and nobody is boxed:
the box is that of the joints, and no background is learned here. docs/training-data.md says how
the original .mat file becomes this.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.skeleton import COCO_17, LABEL_LAYOUTS
from pose_tracking_ros.training.datasets.json_fields import Fields, load_json
from pose_tracking_ros.training.datasets.picture_files import PictureFile
from pose_tracking_ros.training.datasets.problems import DataError, Problems
from pose_tracking_ros.training.datasets.records import (
    Dataset,
    LabelKinds,
    RecordBuilder,
    box_about,
)
from pose_tracking_ros.training.datasets.settings import Source

# With fewer joints the box about them says little about the person.
_MIN_JOINTS = 3


def read(source: Source, problems: Problems) -> Dataset:
    """Read an MPII file."""
    path, name = source.annotations, source.settings.name
    content = load_json(path)
    if not isinstance(content, list):
        raise DataError(f'{path}: expected a list of people, got {type(content).__name__}')
    builders: dict[str, RecordBuilder] = {}
    for number, item in enumerate(content):
        with problems.guard():
            person = Fields(item, path, f'[{number}]')
            _add_person(person, source, builders)
    records = [builder.build() for builder in builders.values()]
    kinds = LabelKinds(boxes=False, joints=True, identities=False)
    return Dataset(name, 'mpii', kinds, records, clips=True)


def _add_person(person: Fields, source: Source, builders: dict[str, RecordBuilder]) -> None:
    layout = LABEL_LAYOUTS['mpii']
    name = person.text('image')
    if name not in builders:
        picture = source.images / name
        if not picture.is_file():
            raise person.error('image', f'expected a picture, there is no file {picture}')
        builders[name] = RecordBuilder(
            person.where, PictureFile(picture), None, source.settings.name, clips=True
        )
    levels = person.numbers('joints_vis', len(layout))
    if not np.isin(levels, (0, 1)).all():
        wrong = int(np.flatnonzero(~np.isin(levels, (0, 1)))[0])
        raise person.error(f'joints_vis[{wrong}]', f'expected 0 or 1, got {levels[wrong]:g}')
    points = _positions(person, len(layout)) - 1.0
    is_labelled = levels > 0
    if is_labelled.sum() < _MIN_JOINTS:
        builders[name].ignore(f'{person.where}.center', _rough_box(person))
        return
    order = COCO_17.order_from(layout)
    visibility = np.where((order >= 0) & is_labelled[order], 2, 0)
    joints = np.where(visibility[:, None] > 0, points[order], 0.0)
    box = box_about(points[is_labelled])
    builders[name].add_person(person.where, 'joints', box, (joints, visibility))


def _positions(person: Fields, count: int) -> Float[np.ndarray, 'joint 2']:
    pairs = person.number_lists('joints')
    if len(pairs) != count:
        raise person.error('joints', f'expected {count} positions, got {len(pairs)}')
    for number, pair in enumerate(pairs):
        if len(pair) != 2:
            raise person.error(f'joints[{number}]', f'expected 2 numbers, got {len(pair)}')
    return np.array(pairs)


def _rough_box(person: Fields) -> Float[np.ndarray, '4']:
    """Return the square that `center` and `scale` span."""
    centre = person.numbers('center', 2) - 1.0
    scale = person.value('scale', 'a number')
    if type(scale) not in (int, float) or not 0 < scale < np.inf:
        raise person.error('scale', f'expected a number above 0, got {scale}')
    side = 200.0 * scale
    return np.concatenate([centre - side / 2, [side, side]])
