"""The launch file: its arguments, what it starts with them, and a real start."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('launch', reason='launch is not on PyPI: a full ROS 2 installation has it')
pytest.importorskip('launch_ros', reason='launch_ros is not on PyPI: a full installation has it')

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

try:
    get_package_share_directory('pose_tracking_ros')
except PackageNotFoundError:
    pytest.skip('the package is not built: run make build', allow_module_level=True)

from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    SetEnvironmentVariable,
)
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

from launch import LaunchContext

FILE = Path(__file__).parents[2] / 'launch' / 'tracker.launch.py'
ARGUMENTS = {
    'image', 'camera_info', 'depth', 'image_transport', 'camera_name', 'namespace', 'params_file',
    'preset', 'weights', 'device', 'video', 'rviz', 'use_sim_time', 'autostart', 'dds_profile',
    'log_level', 'rviz_view', 'rviz_frame', 'depth_transport',
}  # fmt: skip


@pytest.fixture(scope='module')
def launch_file():
    spec = importlib.util.spec_from_file_location('tracker_launch', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start(launch_file, monkeypatch):
    """Return the actions for some arguments, by what they are."""
    for variable in launch_file.PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)

    def actions_for(**arguments):
        context = LaunchContext()
        for entity in launch_file.generate_launch_description().entities:
            if isinstance(entity, DeclareLaunchArgument):
                default = perform_substitutions(context, entity.default_value)
                context.launch_configurations[entity.name] = default
        context.launch_configurations.update(arguments)
        actions = launch_file.start(context)
        nodes = {a.node_executable: a for a in actions if isinstance(a, Node)}
        return context, nodes, [a for a in actions if not isinstance(a, Node)]

    return actions_for


def text_of(context, substitutions):
    return perform_substitutions(context, substitutions)


def remappings_of(context, node):
    pairs = node._Node__remappings
    return {text_of(context, a): text_of(context, b) for a, b in pairs}


def parameters_of(context, node):
    """Return the parameters that the launch file itself sets."""
    from launch_ros.utilities import evaluate_parameters

    merged = {}
    for one in evaluate_parameters(context, node._Node__parameters):
        if isinstance(one, dict):
            merged.update(one)
    return {
        name: value.evaluate(context) if hasattr(value, 'evaluate') else value
        for name, value in merged.items()
    }


def test_all_arguments_are_declared_and_described(launch_file):
    declared = [
        entity
        for entity in launch_file.generate_launch_description().entities
        if isinstance(entity, DeclareLaunchArgument)
    ]
    assert {one.name for one in declared} == ARGUMENTS
    assert all(len(one.description) > 8 for one in declared)


def test_alone_the_tracker_is_started_on_the_topic_image(start):
    context, nodes, _ = start()
    assert set(nodes) == {'tracker_node'}
    assert remappings_of(context, nodes['tracker_node']) == {
        'image': 'image',
        'camera_info': 'camera_info',
    }
    parameters = parameters_of(context, nodes['tracker_node'])
    assert parameters == {'image_transport': 'raw', 'use_sim_time': False, 'autostart': True}


@pytest.mark.parametrize(
    ('arguments', 'image', 'camera_info'),
    [
        ({'camera_name': 'front'}, 'front/image_raw', 'front/camera_info'),
        ({'image': '/cam/rgb'}, '/cam/rgb', 'camera_info'),
        ({'camera_name': 'front', 'image': '/rect'}, '/rect', 'front/camera_info'),
        ({'camera_info': '/c/info'}, 'image', '/c/info'),
    ],
)
def test_the_camera_is_found_by_its_name_or_its_topics(start, arguments, image, camera_info):
    context, nodes, _ = start(**arguments)
    remappings = remappings_of(context, nodes['tracker_node'])
    assert remappings == {'image': image, 'camera_info': camera_info}


def test_arguments_become_parameters(start):
    context, nodes, _ = start(
        preset='fastpose-50', weights='/w.pt', device='cpu', use_sim_time='true', autostart='false'
    )
    assert parameters_of(context, nodes['tracker_node']) == {
        'image_transport': 'raw',
        'preset': 'fastpose-50',
        'weights': '/w.pt',
        'device': 'cpu',
        'use_sim_time': True,
        'autostart': False,
    }


def test_depth_is_used_when_its_topic_is_given(start):
    context, nodes, _ = start(depth='/camera/aligned_depth', video='simulation:near')
    for node in nodes.values():
        assert remappings_of(context, node)['depth/image'] == '/camera/aligned_depth'
    assert parameters_of(context, nodes['tracker_node'])['use_depth'] is True
    assert parameters_of(context, nodes['video_source'])['depth'] is True


def test_a_webcam_index_stays_text_and_both_nodes_share_the_topic(start):
    context, nodes, _ = start(video='0', namespace='robot', image='/cam')
    assert set(nodes) == {'tracker_node', 'video_source'}
    assert parameters_of(context, nodes['video_source'])['video'] == '0'
    assert remappings_of(context, nodes['video_source']) == remappings_of(
        context, nodes['tracker_node']
    )


def test_compressed_video_is_refused(start):
    with pytest.raises(RuntimeError, match='expected raw together with video'):
        start(video='0', image_transport='compressed')
    with pytest.raises(RuntimeError, match='depth_transport: expected raw together with video'):
        start(video='simulation:near', depth='depth/image', depth_transport='compressedDepth')


def test_the_profile_is_set_for_the_nodes(start, launch_file):
    context, _, others = start()
    variables = {
        text_of(context, a.name): text_of(context, a.value)
        for a in others
        if isinstance(a, SetEnvironmentVariable)
    }
    assert set(variables) == set(launch_file.PROFILE_VARIABLES)
    assert all(Path(value).name == 'fastdds.xml' for value in variables.values())
    assert all(Path(value).is_file() for value in variables.values())
    assert start(dds_profile='')[2] == []


def test_a_profile_of_the_user_is_kept(start, monkeypatch):
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', '/mine.xml')
    _, _, others = start()
    assert [type(action) for action in others] == [LogInfo]


def test_a_profile_that_is_not_there_is_told(start):
    with pytest.raises(FileNotFoundError, match='/nowhere.xml'):
        start(dds_profile='/nowhere.xml')


def test_rviz_shows_the_view_and_frame_asked_for(launch_file):
    values = {'rviz_view': 'tracker', 'rviz_frame': ''}
    option, file = launch_file.rviz_arguments(values)
    assert (option, Path(file).name, Path(file).is_file()) == ('-d', 'tracker.rviz', True)
    values |= {'rviz_view': 'space', 'rviz_frame': 'map'}
    _, file, *frame = launch_file.rviz_arguments(values)
    assert (Path(file).name, frame) == ('space.rviz', ['-f', 'map'])


def test_a_missing_rviz_is_told(start):
    try:
        get_package_share_directory('rviz2')
    except PackageNotFoundError:
        with pytest.raises(RuntimeError, match='rviz2, which is not installed'):
            start(rviz='true')
    else:
        _, nodes, _ = start(rviz='true')
        assert 'rviz2' in nodes


LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

source = PythonLaunchDescriptionSource(sys.argv[1])
arguments = [argument.split(':=', 1) for argument in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


def test_everything_ends_when_a_node_cannot_work(tmp_path):
    """A real start of both programs; the tracker refuses its file and takes the other with it."""
    file = tmp_path / 'bad.yaml'
    file.write_text('/**: {ros__parameters: {max_lost_s: -1.0}}')
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((32, 48, 3), np.uint8))
    ended = subprocess.run(
        [
            *(sys.executable, '-c', LAUNCH, str(FILE)),
            *(f'video:={tmp_path}', f'params_file:={file}'),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, 'ROS_DOMAIN_ID': str(1 + os.getpid() % 100)},
    )
    said = ended.stdout + ended.stderr
    assert 'max_lost_s: expected at least 0.0 s, got -1.0' in said
    assert 'was required: shutting down' in said
    # It may be interrupted while it is still importing, before it can end cleanly.
    assert re.search(r'video_source-\d+\]: process has (finished cleanly|died)', said), said
