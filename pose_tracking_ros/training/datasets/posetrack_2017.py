"""PoseTrack 2017's layout, that of MPII turned to JSON: every value in a list of its own.

`annolist[]` is a frame: `image[0].name`, `annorect[]` (people), perhaps
`ignore_regions[0].point[]` polygons and `is_labeled`. A person has `track_id[0]`, a head box
`x1[0]`, `y1[0]`, `x2[0]`, `y2[0]` and `annopoints[0].point[]` with `id[0]`, `x[0]`, `y[0]` and
perhaps `is_visible[0]`. A joint without a point is not labelled. Source:
https://github.com/leonid-pishchulin/poseval.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.skeleton import COCO_17, LABEL_LAYOUTS
from pose_tracking_ros.training.datasets.json_fields import Fields
from pose_tracking_ros.training.datasets.picture_files import PictureFile
from pose_tracking_ros.training.datasets.problems import Problems
from pose_tracking_ros.training.datasets.records import (
    IdentityNumbers,
    RecordBuilder,
    box_about,
)
from pose_tracking_ros.training.datasets.settings import Source


def read_file(
    path: Path, content: Any, source: Source, problems: Problems, identities: IdentityNumbers
) -> list[RecordBuilder]:
    """Return the labelled frames of one sequence.

    Args:
        path: the file, for messages.
        content: of it.
        source: where pictures are.
        problems: what errors in single records mean.
        identities: shared by the files of one dataset.

    Raises:
        DataError: a frame is malformed, if errors are not collected.
    """
    file = Fields(content, path)
    builders = []
    for number, item in enumerate(file.objects('annolist')):
        with problems.guard():
            frame = file.item('annolist', number, item)
            people = frame.objects('annorect') if frame.has('annorect') else []
            # Frames between the labelled ones have nobody, though people are there.
            if not people or (frame.has('is_labeled') and not _number(frame, 'is_labeled')):
                continue
            builders.append(_read_frame(frame, people, path, source, problems, identities))
    return builders


def _read_frame(
    frame: Fields,
    people: list[Any],
    path: Path,
    source: Source,
    problems: Problems,
    identities: IdentityNumbers,
) -> RecordBuilder:
    image = frame.item('image', 0, _only(frame, 'image'))
    picture = source.images / image.text('name')
    if not picture.is_file():
        raise image.error('name', f'expected a picture, there is no file {picture}')
    name = source.settings.name
    builder = RecordBuilder(frame.where, PictureFile(picture), None, name, clips=True)
    regions = frame.objects('ignore_regions') if frame.has('ignore_regions') else []
    for number, region in enumerate(regions):
        points = _points(frame.item('ignore_regions', number, region))
        corners = np.array([(x, y) for _, x, y in points]).reshape(-1, 2)
        if len(corners):
            low, size = corners.min(0), np.ptp(corners, axis=0)
            if (size > 0).all():
                builder.ignore(f'{frame.where}.ignore_regions', np.concatenate([low, size]))
    for number, content in enumerate(people):
        with problems.guard():
            _add_person(frame.item('annorect', number, content), builder, path, identities)
    return builder


def _add_person(
    person: Fields, builder: RecordBuilder, path: Path, identities: IdentityNumbers
) -> None:
    layout = LABEL_LAYOUTS['posetrack_2017']
    joints, visibility = np.zeros((len(COCO_17), 2)), np.zeros(len(COCO_17), np.int64)
    known: list[Float[np.ndarray, '2']] = []
    if person.has('annopoints'):
        for key, x, y in _points(person.item('annopoints', 0, _only(person, 'annopoints'))):
            if key is None or not 0 <= key < len(layout):
                raise person.error(
                    'annopoints',
                    f'unknown joint {key}; expected an id from 0 to {len(layout) - 1}',
                )
            known.append(np.array([x, y]))
            if layout[key] in COCO_17.joints:
                index = COCO_17.index(layout[key])
                joints[index], visibility[index] = (x, y), 2
    if person.has('x1'):
        known += [
            np.array([_number(person, x), _number(person, y)])
            for x, y in (('x1', 'y1'), ('x2', 'y2'))
        ]
    if not known:
        raise person.error('annopoints', 'expected labelled joints or a head box, found neither')
    identity = -1
    if person.has('track_id'):
        identity = identities.of((path.name, _number(person, 'track_id')))
    box = box_about(np.array(known))
    builder.add_person(person.where, 'annopoints', box, (joints, visibility), identity)


def _points(parent: Fields) -> list[tuple[int | None, float, float]]:
    found = []
    for number, content in enumerate(parent.objects('point') if parent.has('point') else []):
        point = parent.item('point', number, content)
        key = int(_number(point, 'id')) if point.has('id') else None
        found.append((key, _number(point, 'x'), _number(point, 'y')))
    return found


def _number(fields: Fields, field: str) -> float:
    return float(fields.numbers(field, 1)[0])


def _only(fields: Fields, field: str) -> Any:
    items = fields.objects(field)
    if len(items) != 1:
        raise fields.error(field, f'expected a list of one object, got {len(items)}')
    return items[0]
