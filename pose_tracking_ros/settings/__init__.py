"""Every setting of the product: one declaration each, with default, unit, range and description.

ROS parameters, the command lines and the docs are derived from these classes. A setting marked
`live` may be changed while running; the others need a restart (or a cleanup and configure).
Range checks happen on construction, so a settings object that exists is valid.
"""

from pose_tracking_ros.settings.camera_motion import CameraMotionSettings
from pose_tracking_ros.settings.depth import DepthSettings
from pose_tracking_ros.settings.gallery import GallerySettings
from pose_tracking_ros.settings.image_input import ImageInputSettings
from pose_tracking_ros.settings.interop import InteropSettings
from pose_tracking_ros.settings.limits import Limits, check_settings, limits_of, setting
from pose_tracking_ros.settings.network import NetworkSettings
from pose_tracking_ros.settings.nodes import (
    MultiCameraSettings,
    NodeSettings,
    PoseRecorderSettings,
    VideoSourceSettings,
)
from pose_tracking_ros.settings.pose_nms import PoseNmsSettings
from pose_tracking_ros.settings.tracker import TrackerSettings

__all__ = [
    'CameraMotionSettings',
    'DepthSettings',
    'GallerySettings',
    'ImageInputSettings',
    'InteropSettings',
    'Limits',
    'MultiCameraSettings',
    'NetworkSettings',
    'NodeSettings',
    'PoseNmsSettings',
    'PoseRecorderSettings',
    'TrackerSettings',
    'VideoSourceSettings',
    'check_settings',
    'limits_of',
    'setting',
]
