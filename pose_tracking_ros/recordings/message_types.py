"""The messages of ROS 2 and of this package, as bags name and serialise them, without ROS."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pose_tracking_ros.places import data_file

POSES_TYPE: Final = 'pose_tracking_ros/msg/TrackedPoseArray'
IMAGE_TYPE: Final = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE_TYPE: Final = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES: Final = (IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)
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


def blank_message(type_name: str) -> Any:
    """Return a message whose fields are all zero or empty, to be filled.

    Args:
        type_name: one that `typestore_with_poses` knows.

    Raises:
        KeyError: it does not know the type.
    """
    store = typestore_with_poses()
    fields = store.fielddefs[type_name][1]
    return store.types[type_name](**{name: _blank(kind) for name, kind in fields})


def _blank(kind: Any) -> Any:
    node, what = kind
    if node == Nodetype.NAME:
        return blank_message(what)
    if node == Nodetype.BASE:
        return {'string': '', 'bool': False}.get(what[0], 0)
    element, length = what
    if element[0] == Nodetype.BASE and element[1][0] != 'string':
        # A sequence has no fixed length; what stands in its place is its bound.
        return np.zeros(length if node == Nodetype.ARRAY else 0, dtype=element[1][0])
    return [_blank(element) for _ in range(length if node == Nodetype.ARRAY else 0)]


def fill_header(header: Any, stamp_ns: int, frame_id: str) -> None:
    """Put stamp and frame into a `std_msgs/Header`.

    Args:
        header: is written to.
        stamp_ns: at least 0, ns.
        frame_id: coordinate frame of the camera.
    """
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
    header.frame_id = frame_id
