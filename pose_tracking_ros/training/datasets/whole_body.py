"""COCO-WholeBody and Halpe-FullBody: bodies with feet, face and hands; the body's joints are used.

COCO-WholeBody (https://github.com/jin-s13/COCO-WholeBody, arXiv 2007.11858) keeps COCO's 17 joints
in `keypoints` and the rest in `foot_kpts`, `face_kpts`, `lefthand_kpts`, `righthand_kpts`; some
tools join all 133 in `keypoints`. Halpe (https://github.com/Fang-Haoshu/Halpe-FullBody, arXiv
2211.03375) has 136 in `keypoints`, some tools keep the first 26.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.skeleton import COCO_17, LABEL_LAYOUTS
from pose_tracking_ros.training.datasets.coco_layout import CocoFile
from pose_tracking_ros.training.datasets.json_fields import Fields
from pose_tracking_ros.training.datasets.problems import Problems
from pose_tracking_ros.training.datasets.records import Dataset, LabelKinds
from pose_tracking_ros.training.datasets.settings import Source

_FACE_AND_HANDS = 68 + 2 * 21


class _WholeBodyFile(CocoFile):
    has_further_joints = True

    def _values_of(self, person: Fields, joints: tuple[str, ...]) -> Float[np.ndarray, 'number']:
        values = person.numbers('keypoints', None)
        body = len(self._layout)
        # The categories may name fewer joints than the annotations have: COCO's names with 133.
        counts = sorted({len(COCO_17), body, body + _FACE_AND_HANDS, len(joints)})
        if len(values) not in [3 * count for count in counts]:
            expected = ' or '.join(str(3 * count) for count in counts)
            raise person.error('keypoints', f'expected {expected} numbers, got {len(values)}')
        # Face and hands are beyond `joints`; joints beyond the values are not labelled.
        padded = np.zeros(3 * len(joints))
        count = min(len(values), len(padded))
        padded[:count] = values[:count]
        return padded


class _HalpeFile(_WholeBodyFile):
    # Boxes of half-seen people go over the border by some pixels.
    clips = True


def read_coco_wholebody(source: Source, problems: Problems) -> Dataset:
    """Read a COCO-WholeBody file."""
    return _read(_WholeBodyFile, 'coco_wholebody', source, problems)


def read_halpe(source: Source, problems: Problems) -> Dataset:
    """Read a Halpe-FullBody file."""
    return _read(_HalpeFile, 'halpe', source, problems)


def _read(kind: type[CocoFile], format_name: str, source: Source, problems: Problems) -> Dataset:
    name, layout = source.settings.name, LABEL_LAYOUTS[format_name]
    file = kind(source.annotations, source.images, name, layout, problems)
    records = [builder.build() for builder in file.read()]
    kinds = LabelKinds(boxes=True, joints=file.has_joints, identities=False)
    return Dataset(name, format_name, kinds, records, clips=kind.clips)
