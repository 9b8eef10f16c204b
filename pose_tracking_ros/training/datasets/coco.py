"""COCO keypoints (`person_keypoints_train2017.json`) and what is labelled in its manner.

https://cocodataset.org, arXiv 1405.0312. Crowds (`iscrowd` = 1) are ignored regions. Files of
instances without keypoints have boxes only.
"""

from __future__ import annotations

from pose_tracking_ros.skeleton import LABEL_LAYOUTS
from pose_tracking_ros.training.datasets.coco_layout import CocoFile
from pose_tracking_ros.training.datasets.problems import Problems
from pose_tracking_ros.training.datasets.records import Dataset, LabelKinds
from pose_tracking_ros.training.datasets.settings import Source


def read(source: Source, problems: Problems) -> Dataset:
    """Read a COCO file."""
    name = source.settings.name
    file = CocoFile(source.annotations, source.images, name, LABEL_LAYOUTS['coco'], problems)
    records = [builder.build() for builder in file.read()]
    kinds = LabelKinds(boxes=True, joints=file.has_joints, identities=False)
    return Dataset(name, 'coco', kinds, records)
