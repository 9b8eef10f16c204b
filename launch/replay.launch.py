"""Play a bag to the tracker over DDS, and record what it publishes.

ros2 launch pose_tracking_ros replay.launch.py bag:=/path/to/bag image:=/camera/image_raw
ros2 launch pose_tracking_ros replay.launch.py bag:=street rate:=0.5 output:=street_live

The offline counterpart drops no image and needs no DDS: ros2 run pose_tracking_ros evaluate_bag.
"""

import os
from pathlib import Path

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

PACKAGE = 'pose_tracking_ros'
# The first is read by Fast DDS 2 (Humble to Jazzy), the second by Fast DDS 3.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
TRUTHS = ['true', 'false']
SHARE = Path(get_package_share_directory(PACKAGE))
CLOCK_HZ = 100
# One inference of a large network on a slow CPU, and the last messages.
LAST_RESULTS_S = 3.0


def generate_launch_description():
    """Return the arguments and what is started with them."""
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='Folder or file of the bag.'),
            DeclareLaunchArgument(
                'image', default_value='/camera/image_raw', description='Topic of the images.'
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='',
                description='Topic of the calibration. Empty: camera_info beside the images.',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='raw',
                choices=['raw', 'compressed'],
                description='compressed plays and subscribes to IMAGE/compressed.',
            ),
            DeclareLaunchArgument(
                'rate',
                default_value='1.0',
                description='Speed of the playback; lower it until no image is dropped.',
            ),
            DeclareLaunchArgument(
                'loop',
                default_value='false',
                choices=TRUTHS,
                description='Play again and again; each time the tracker begins a new session.',
            ),
            DeclareLaunchArgument(
                'delay',
                default_value='8.0',
                description='Seconds until the playback begins: the network is loaded meanwhile.',
            ),
            DeclareLaunchArgument(
                'output',
                default_value='recorded_poses',
                description='Folder of the recorded results; it must not exist yet.',
            ),
            DeclareLaunchArgument(
                'with_markers',
                default_value='false',
                choices=TRUTHS,
                description='Record the markers too.',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=str(SHARE / 'config' / 'tracker.yaml'),
                description='Parameter file of the tracker.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='true',
                choices=TRUTHS,
                description='Take the time from the bag.',
            ),
            DeclareLaunchArgument(
                'dds_profile',
                default_value=str(SHARE / 'config' / 'fastdds.xml'),
                description='Fast DDS profile that lets large images arrive; empty for none. One '
                'that is set in the environment is kept.',
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
    """Return the actions for the values of the arguments."""
    values = dict(context.launch_configurations)
    check(values)
    use_sim_time = values['use_sim_time'] == 'true'
    common = {
        'arguments': ['--ros-args', '--log-level', values['log_level']],
        'output': 'screen',
        'emulate_tty': True,
        'on_exit': Shutdown(reason='a node has ended; its last messages say why'),
    }
    image, camera_info = values['image'], camera_info_of(values)
    tracker = Node(
        package=PACKAGE,
        executable='tracker_node',
        name='tracker_node',
        parameters=[
            values['params_file'],
            {
                'image_transport': text(values['image_transport']),
                'use_sim_time': use_sim_time,
                'autostart': True,
            },
        ],
        remappings=[('image', image), ('camera_info', camera_info)],
        **common,
    )
    recorder = Node(
        package=PACKAGE,
        executable='pose_recorder',
        name='pose_recorder',
        parameters=[
            {
                'output': text(values['output']),
                'with_markers': values['with_markers'] == 'true',
                'use_sim_time': use_sim_time,
            }
        ],
        **common,
    )
    player = ExecuteProcess(cmd=play_command(values), output='screen', emulate_tty=True)
    the_end = TimerAction(
        period=LAST_RESULTS_S, actions=[Shutdown(reason='the bag has been played')]
    )
    return [
        *profile_actions(values['dds_profile']),
        recorder,
        tracker,
        player,
        RegisterEventHandler(OnProcessExit(target_action=player, on_exit=[the_end])),
    ]


def check(values):
    """Tell early what would otherwise be told by a program among many."""
    if not Path(values['bag']).exists():
        raise FileNotFoundError(f'bag: expected a folder or file, found none at {values["bag"]}')
    if Path(values['output']).exists():
        raise FileExistsError(
            f'output: expected a folder that does not exist yet, got {values["output"]}'
        )
    for name, low in (('rate', 0.0), ('delay', -1.0)):
        if not float(values[name]) > low:
            raise ValueError(f'{name}: expected more than {low:g}, got {values[name]}')
    try:
        get_package_prefix('ros2bag')
    except PackageNotFoundError as error:
        raise RuntimeError(
            'playing a bag needs ros2bag, which is not installed '
            f'(sudo apt install ros-{os.environ.get("ROS_DISTRO", "DISTRO")}-ros2bag); '
            'python -m pose_tracking_ros.evaluation bag does without'
        ) from error


def camera_info_of(values):
    """Return the topic of the calibration."""
    namespace = values['image'][: values['image'].rfind('/') + 1]
    return values['camera_info'] or f'{namespace}camera_info'


def play_command(values):
    """Return the command that plays the images and their calibration, and nothing else.

    A bag may hold results of an earlier run, which must not mix with those of this one.
    """
    images = values['image'] + ('/compressed' if values['image_transport'] == 'compressed' else '')
    return [
        'ros2', 'bag', 'play', values['bag'],
        '--clock', str(CLOCK_HZ),
        '--rate', values['rate'],
        '--delay', values['delay'],
        *(['--loop'] if values['loop'] == 'true' else []),
        '--topics', images, camera_info_of(values),
    ]  # fmt: skip


def text(value):
    """Keep a value text that would else be read as a number."""
    return ParameterValue(value, value_type=str)


def profile_actions(profile):
    """Return the actions that give all programs a Fast DDS profile."""
    if not profile:
        return []
    for variable in PROFILE_VARIABLES:
        if os.environ.get(variable):
            return [LogInfo(msg=f'keeping {variable}={os.environ[variable]}')]
    if not Path(profile).is_file():
        raise FileNotFoundError(f'dds_profile: expected a file, found none at {profile}')
    return [SetEnvironmentVariable(variable, profile) for variable in PROFILE_VARIABLES]
