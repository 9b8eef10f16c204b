"""Start a tracker for each of several cameras, in a namespace of its own.

ros2 launch pose_tracking_ros multi_camera.launch.py cameras:=front,rear
ros2 launch pose_tracking_ros multi_camera.launch.py cameras:=front,rear image:=color/image_raw
ros2 launch pose_tracking_ros multi_camera.launch.py cameras:=front,rear one_process:=true

The first subscribes to /front/image_raw and /rear/image_raw and publishes /front/tracked_poses and
/rear/tracked_poses. Track ids are those of each camera: a person seen by both has two. The last
does the same with one network in memory.
"""

import importlib.util
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
from launch_ros.actions import Node

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
                'one_process',
                default_value='false',
                choices=TRUTHS,
                description='true: one process and one network for all cameras. false: a process '
                'for each.',
            ),
            DeclareLaunchArgument(
                'share_gallery',
                default_value='false',
                choices=TRUTHS,
                description='A person enrolled on one camera is called by name on all of them; '
                'needs one_process:=true.',
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
    """Return a tracker for each camera, or one process with all of them."""
    values = dict(context.launch_configurations)
    cameras = cameras_in(values['cameras'])
    if values['one_process'] == 'true':
        return one_process(cameras, values)
    if values['share_gallery'] == 'true':
        raise RuntimeError(
            'share_gallery: expected one_process:=true with it: processes do not share a gallery'
        )
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
        for camera in cameras
    ]


def one_process(cameras, values):
    """Return the process that holds the trackers of all cameras."""
    tracker = tracker_launch_file()
    values = values | {'camera_name': '', 'depth': '', 'depth_transport': ''}
    namespace = values['namespace'].strip('/')
    own = {
        'cameras': tracker.text(','.join(cameras)),
        'share_gallery': values['share_gallery'] == 'true',
    }
    return [
        *tracker.profile_actions(values['dds_profile']),
        Node(
            package='pose_tracking_ros',
            executable='multi_camera_node',
            # Without name: launch would write the parameters for a node of that name alone, and
            # they are for those of the cameras.
            parameters=[values['params_file'], tracker.tracker_parameters(values), own],
            **tracker.common(
                values | {'namespace': f'/{namespace}' if namespace else ''},
                tracker.camera_remappings(values),
            ),
        ),
    ]


def tracker_launch_file():
    """Return tracker.launch.py as a module: what it does for one camera counts for all."""
    path = SHARE / 'launch' / 'tracker.launch.py'
    spec = importlib.util.spec_from_file_location('tracker_launch_file', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
