"""Start a tracker for each of several cameras, in a namespace of its own.

ros2 launch pose_tracking_ros multi_camera.launch.py cameras:=front,rear
ros2 launch pose_tracking_ros multi_camera.launch.py cameras:=front,rear image:=color/image_raw

The first subscribes to /front/image_raw and /rear/image_raw and publishes /front/tracked_poses and
/rear/tracked_poses. Track ids are those of each camera: a person seen by both has two.
"""

import re
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription

SHARE = Path(get_package_share_directory('pose_tracking_ros'))
TRUTHS = ['true', 'false']
# Handed on to tracker.launch.py as they are.
SHARED = (
    'image', 'camera_info', 'image_transport', 'params_file', 'preset', 'weights', 'device',
    'use_sim_time', 'autostart', 'dds_profile', 'log_level',
)  # fmt: skip
# What ROS takes for a namespace: words of letters, digits and underscores, joined by slashes.
CAMERA = re.compile(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


def generate_launch_description():
    """Return the arguments and what is started with them."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                description='Names of the cameras, which are their namespaces too, separated by '
                'commas; for example front,rear.',
            ),
            DeclareLaunchArgument(
                'image',
                default_value='image_raw',
                description="Topic of the images, in each camera's namespace.",
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='camera_info',
                description="Topic of the calibration, in each camera's namespace.",
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Put before the names of the cameras.'
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='raw',
                choices=['raw', 'compressed'],
                description='compressed subscribes to IMAGE/compressed.',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=str(SHARE / 'config' / 'tracker.yaml'),
                description='Parameter file of the trackers. A section /front/tracker_node in it '
                'counts for that camera alone.',
            ),
            DeclareLaunchArgument(
                'preset',
                default_value='',
                description='Network architecture; empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'weights',
                default_value='',
                description='Checkpoint, a file; empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'device',
                default_value='',
                description='auto, cpu, cuda or cuda:N; empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=TRUTHS,
                description='Take the time from /clock, for example when a bag is played.',
            ),
            DeclareLaunchArgument(
                'autostart',
                default_value='true',
                choices=TRUTHS,
                description='false: wait for a life cycle manager.',
            ),
            DeclareLaunchArgument(
                'dds_profile',
                default_value=str(SHARE / 'config' / 'fastdds.xml'),
                description='Fast DDS profile that lets large images arrive; empty for none. The '
                'camera drivers need it too.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='Least level that is logged.',
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context):
    """Return a tracker for each camera."""
    values = dict(context.launch_configurations)
    return [
        # A group of its own: arguments of one camera do not reach the next.
        GroupAction(
            [
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(str(SHARE / 'launch' / 'tracker.launch.py')),
                    launch_arguments=list(arguments_for(camera, values).items()),
                )
            ]
        )
        for camera in cameras_in(values['cameras'])
    ]


def cameras_in(text):
    """Return the names in a list that is separated by commas."""
    cameras = [name.strip().strip('/') for name in text.split(',') if name.strip()]
    if not cameras:
        raise RuntimeError(f'cameras: expected names separated by commas, got {text!r}')
    for name in cameras:
        if not CAMERA.fullmatch(name):
            raise RuntimeError(
                f'cameras: expected names of letters, digits and underscores, got {name!r}'
            )
    for name in cameras:
        if cameras.count(name) > 1:
            raise RuntimeError(
                f'cameras: expected each name once, got {name!r} more than once: two trackers '
                'would publish on the same topics'
            )
    return cameras


def arguments_for(camera, values):
    """Return the arguments of tracker.launch.py for one camera."""
    parts = [values['namespace'].strip('/'), camera]
    return {name: values[name] for name in SHARED} | {
        'namespace': '/' + '/'.join(part for part in parts if part)
    }
