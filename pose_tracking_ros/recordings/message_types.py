"""The messages of ROS 2 and of this package, as bags name and serialise them, without ROS."""

from __future__ import annotations

from functools import cache
from typing import Final

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pose_tracking_ros.places import data_file

POSES_TYPE: Final = 'pose_tracking_ros/msg/TrackedPoseArray'
IMAGE_TYPE: Final = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE_TYPE: Final = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO_TYPE: Final = 'sensor_msgs/msg/CameraInfo'
MARKERS_TYPE: Final = 'visualization_msgs/msg/MarkerArray'


@cache
def typestore_with_poses() -> Typestore:
    """Return the standard messages of ROS 2 together with those of this package."""
    typestore = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for file in sorted(data_file('msg/TrackedPoseArray.msg').parent.glob('*.msg')):
        types.update(get_types_from_msg(file.read_text(), f'pose_tracking_ros/msg/{file.stem}'))
    typestore.register(types)
    return typestore
