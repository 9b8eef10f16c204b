"""PoseTrack: videos with 15 joints and track ids, one JSON file per sequence.

2018 and 2021 (arXiv 1710.10000; https://github.com/anDoer/PoseTrack21) have COCO's layout.
`images` may have `is_labeled` (2021: also `has_labeled_person`) and `ignore_regions_x` and `_y`,
polygons of which the surrounding box is ignored here. `annotations` have `track_id`, which counts
within a sequence, in 2021 `person_id`, which counts everywhere, and perhaps no `bbox`. A joint's v
is 1 if it is labelled; in 2021 a hidden one has a place and 0. 2017's layout (`annolist`) is read
by `posetrack_2017`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.skeleton import LABEL_LAYOUTS
from pose_tracking_ros.training.datasets import posetrack_2017
from pose_tracking_ros.training.datasets.coco_layout import CocoFile, Pose
from pose_tracking_ros.training.datasets.json_fields import Fields, load_json
from pose_tracking_ros.training.datasets.problems import DataError, Problems
from pose_tracking_ros.training.datasets.records import (
    Dataset,
    IdentityNumbers,
    LabelKinds,
    RecordBuilder,
    box_about,
)
from pose_tracking_ros.training.datasets.settings import Source


class _PoseTrackFile(CocoFile):
    clips = True

    def _is_used(self, image: Fields) -> bool:
        # A frame nobody labelled is full of people without labels.
        return image.flag('is_labeled', default=True) or image.flag(
            'has_labeled_person', default=False
        )

    def _size_of(self, image: Fields) -> tuple[int, int] | None:
        return super()._size_of(image) if image.has('width') else None

    def _ignore_regions(self, image: Fields, builder: RecordBuilder) -> None:
        if not image.has('ignore_regions_x'):
            return
        xs, ys = image.number_lists('ignore_regions_x'), image.number_lists('ignore_regions_y')
        if [len(x) for x in xs] != [len(y) for y in ys]:
            raise image.error(
                'ignore_regions_y', 'expected as many numbers as ignore_regions_x has'
            )
        for x, y in zip(xs, ys, strict=True):
            if len(x):
                box = np.array([x.min(), y.min(), np.ptp(x), np.ptp(y)])
                if (box[2:] > 0).all():
                    builder.ignore(f'{image.where}.ignore_regions_x', box)

    def _unified(self, values: Float[np.ndarray, 'joint 3']) -> Float[np.ndarray, 'joint']:
        has_place = (values[:, :2] != 0).any(1)
        return np.select([values[:, 2] > 0, has_place], [2.0, 1.0], 0.0)

    def _box_of(self, person: Fields, pose: Pose | None) -> Float[np.ndarray, '4']:
        if person.has('bbox'):
            return person.numbers('bbox', 4)
        points = [] if pose is None else [pose[0][pose[1] > 0]]
        if person.has('bbox_head'):
            head = person.numbers('bbox_head', 4)
            points.append(np.stack([head[:2], head[:2] + head[2:]]))
        known = np.concatenate(points) if points else np.zeros((0, 2))
        if not len(known):
            raise person.error('bbox', 'expected 4 numbers or labelled joints, both are missing')
        return box_about(known)

    def _identity_of(self, person: Fields) -> int:
        if person.has('person_id'):
            return self.identities.of(person.whole('person_id'))
        if person.has('track_id'):
            return self.identities.of((self.path.name, person.whole('track_id')))
        return -1


def read(source: Source, problems: Problems) -> Dataset:
    """Read a file or a folder of files, all of the same year."""
    name, top = source.settings.name, source.annotations
    paths = sorted(top.glob('*.json')) if top.is_dir() else [top]
    paths = [path for path in paths if fnmatchcase(path.stem, source.settings.sequences)]
    if not paths:
        raise DataError(f'{top}: expected files {source.settings.sequences}.json, found none')
    identities = IdentityNumbers()
    builders: list[RecordBuilder] = []
    years = set()
    for path in paths:
        content = load_json(path)
        is_2017 = isinstance(content, dict) and 'annolist' in content
        years.add(is_2017)
        if is_2017:
            builders += posetrack_2017.read_file(path, content, source, problems, identities)
        else:
            layout = LABEL_LAYOUTS['posetrack']
            file = _PoseTrackFile(path, source.images, name, layout, problems, identities)
            builders += file.read()
    if len(years) > 1:
        raise DataError(
            f'{top}: expected files of one year, found 2017 (annolist) and later ones; '
            'make two datasets of them'
        )
    # In 2017 nobody drew boxes.
    kinds = LabelKinds(boxes=years == {False}, joints=True, identities=len(identities) > 0)
    records = [builder.build() for builder in builders]
    return Dataset(name, 'posetrack', kinds, records, len(identities), clips=True)
