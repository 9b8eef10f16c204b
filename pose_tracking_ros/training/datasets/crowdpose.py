"""CrowdPose: 20,000 crowded pictures with 14 joints, in COCO's layout.

https://github.com/Jeff-sjtu/CrowdPose, arXiv 1812.00324. Shoulders to ankles are COCO's joints;
the head's top and the neck have no counterpart, COCO's nose, eyes and ears no label. Boxes may go
over the border by some pixels.
"""

from __future__ import annotations

from pose_tracking_ros.skeleton import LABEL_LAYOUTS
from pose_tracking_ros.training.datasets.coco_layout import CocoFile
from pose_tracking_ros.training.datasets.problems import Problems
from pose_tracking_ros.training.datasets.records import Dataset, LabelKinds
from pose_tracking_ros.training.datasets.settings import Source


class _CrowdPoseFile(CocoFile):
    clips = True


def read(source: Source, problems: Problems) -> Dataset:
    """Read a CrowdPose file."""
    name, layout = source.settings.name, LABEL_LAYOUTS['crowdpose']
    file = _CrowdPoseFile(source.annotations, source.images, name, layout, problems)
    records = [builder.build() for builder in file.read()]
    kinds = LabelKinds(boxes=True, joints=file.has_joints, identities=False)
    return Dataset(name, 'crowdpose', kinds, records, clips=True)
