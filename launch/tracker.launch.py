"""Start the tracker, and with it a video source or RViz if wished.

ros2 launch pose_tracking_ros tracker.launch.py image:=/camera/image_raw
ros2 launch pose_tracking_ros tracker.launch.py video:=street.mp4 rviz:=true
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
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

PACKAGE = 'pose_tracking_ros'
# The first is read by Fast DDS 2 (Humble to Jazzy), the second by Fast DDS 3.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
TRUTHS = ['true', 'false']
SHARE = Path(get_package_share_directory(PACKAGE))


def generate_launch_description():
    """Return the arguments and what is started with them."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'image',
                default_value='',
                description='Topic of the camera images. Empty: CAMERA_NAME/image_raw, or image '
                'without camera_name.',
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='',
                description='Topic of the calibration. Empty: CAMERA_NAME/camera_info, or '
                'camera_info without camera_name.',
            ),
            DeclareLaunchArgument(
                'depth',
                default_value='',
                description='Topic of depth that is aligned with the image: places people in '
                'space. With video:=simulation:SCENE it is published there. Empty: no depth.',
            ),
            DeclareLaunchArgument(
                'depth_transport',
                default_value='',
                description='raw, or compressedDepth to subscribe to DEPTH/compressedDepth; '
                'empty: as in params_file.',
            ),
            DeclareLaunchArgument(
                'camera_name',
                default_value='',
                description='Prefix of the camera topics, for example camera.',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='raw',
                choices=['raw', 'compressed'],
                description='compressed subscribes to IMAGE/compressed.',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Namespace of all that is started.'
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=str(SHARE / 'config' / 'tracker.yaml'),
                description='Parameter file of the tracker.',
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
                'video',
                default_value='',
                description='Play this instead of waiting for a camera: a file, a folder of '
                'images, a webcam index, or simulation:SCENE.',
            ),
            DeclareLaunchArgument(
                'rviz', default_value='false', choices=TRUTHS, description='Start RViz.'
            ),
            DeclareLaunchArgument(
                'rviz_view',
                default_value='tracker',
                choices=['tracker', 'overlay', 'space'],
                description='What RViz shows, a file of rviz/: tracker: markers and annotated '
                'image; overlay: the image of the camera with markers over it; space: people in '
                'metres.',
            ),
            DeclareLaunchArgument(
                'rviz_frame',
                default_value='',
                description='Fixed frame of RViz: the frame_id of the images, or target_frame. '
                'Empty: camera_optical_frame, that of video.',
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
                description='Fast DDS profile that lets large images arrive; empty for none. One '
                'that is set in the environment is kept. The camera driver needs it too.',
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
    if values['video'] and values['image_transport'] != 'raw':
        raise RuntimeError(
            'image_transport: expected raw together with video, which publishes raw images; '
            f'got {values["image_transport"]}'
        )
    if values['video'] and values['depth_transport'] == 'compressedDepth':
        raise RuntimeError(
            'depth_transport: expected raw together with video, which publishes raw depth; got '
            'compressedDepth'
        )
    actions = profile_actions(values['dds_profile'])
    remappings = camera_remappings(values)
    if values['video']:
        actions.append(
            Node(
                package=PACKAGE,
                executable='video_source',
                name='video_source',
                parameters=[
                    {
                        'video': text(values['video']),
                        'depth': bool(values['depth']),
                        'use_sim_time': values['use_sim_time'] == 'true',
                    }
                ],
                **common(values, remappings),
            )
        )
    actions.append(
        Node(
            package=PACKAGE,
            executable='tracker_node',
            name='tracker_node',
            parameters=[values['params_file'], tracker_parameters(values)],
            **common(values, remappings),
        )
    )
    if values['rviz'] == 'true':
        actions.append(rviz_action(values, remappings))
    return actions


def camera_remappings(values):
    """Return where the topics `image`, `camera_info` and `depth/image` are."""
    prefix = f'{values["camera_name"]}/' if values['camera_name'] else ''
    image = values['image'] or (f'{prefix}image_raw' if prefix else 'image')
    camera_info = values['camera_info'] or f'{prefix}camera_info'
    remappings = [('image', image), ('camera_info', camera_info)]
    return [*remappings, ('depth/image', values['depth'])] if values['depth'] else remappings


def tracker_parameters(values):
    """Return the parameters that arguments set over those of the file."""
    parameters = {
        'image_transport': text(values['image_transport']),
        'use_sim_time': values['use_sim_time'] == 'true',
        'autostart': values['autostart'] == 'true',
    }
    for name in ('preset', 'weights', 'device', 'depth_transport'):
        if values[name]:
            parameters[name] = text(values[name])
    if values['depth']:
        parameters['use_depth'] = True
    return parameters


def text(value):
    """Keep a value text that would else be read as a number, like the index of a webcam."""
    return ParameterValue(value, value_type=str)


def common(values, remappings):
    """Return what both nodes are started with; when one of them ends, all ends."""
    return {
        'namespace': values['namespace'],
        'remappings': remappings,
        'arguments': ['--ros-args', '--log-level', values['log_level']],
        'output': 'screen',
        'emulate_tty': True,
        'on_exit': Shutdown(reason='a node has ended; its last messages say why'),
    }


def profile_actions(profile):
    """Return the actions that give the nodes a Fast DDS profile."""
    if not profile:
        return []
    for variable in PROFILE_VARIABLES:
        if os.environ.get(variable):
            return [LogInfo(msg=f'keeping {variable}={os.environ[variable]}')]
    if not Path(profile).is_file():
        raise FileNotFoundError(f'dds_profile: expected a file, found none at {profile}')
    return [SetEnvironmentVariable(variable, profile) for variable in PROFILE_VARIABLES]


def rviz_arguments(values):
    """Return what RViz is started with: its view, and the fixed frame if that is another."""
    view = ['-d', str(SHARE / 'rviz' / f'{values["rviz_view"]}.rviz')]
    return [*view, '-f', values['rviz_frame']] if values['rviz_frame'] else view


def rviz_action(values, remappings):
    """Return RViz with this package's view, on the topics of the nodes."""
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError as error:
        raise RuntimeError(
            'rviz:=true needs rviz2, which is not installed '
            f'(sudo apt install ros-{os.environ.get("ROS_DISTRO", "DISTRO")}-rviz2)'
        ) from error
    namespace = f'/{values["namespace"].strip("/")}'.rstrip('/')
    return Node(
        package='rviz2',
        executable='rviz2',
        arguments=rviz_arguments(values),
        remappings=[
            *(
                (f'/tracker_node/{name}', f'{namespace}/tracker_node/{name}')
                for name in ('markers', 'markers_3d', 'image_annotated')
            ),
            *(
                (f'/{name}', topic if topic.startswith('/') else f'{namespace}/{topic}')
                for name, topic in remappings
            ),
        ],
        parameters=[{'use_sim_time': values['use_sim_time'] == 'true'}],
        output='screen',
    )
