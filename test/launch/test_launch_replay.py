"""The launch file that plays a bag to the tracker: its arguments, and what it starts with them."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip('launch', reason='launch is not on PyPI: a full ROS 2 installation has it')
pytest.importorskip('launch_ros', reason='launch_ros is not on PyPI: a full installation has it')

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

try:
    get_package_share_directory('pose_tracking_ros')
except PackageNotFoundError:
    pytest.skip('the package is not built: run make build', allow_module_level=True)

from launch.actions import DeclareLaunchArgument, ExecuteProcess, RegisterEventHandler
from launch.utilities import perform_substitutions
from launch_ros.actions import Node
from launch_ros.utilities import evaluate_parameters

from launch import LaunchContext

FILE = Path(__file__).parents[2] / 'launch' / 'replay.launch.py'
ARGUMENTS = {
    'bag', 'image', 'camera_info', 'image_transport', 'rate', 'loop', 'delay', 'output',
    'with_markers', 'params_file', 'use_sim_time', 'dds_profile', 'log_level',
}  # fmt: skip


@pytest.fixture(scope='module')
def launch_file():
    spec = importlib.util.spec_from_file_location('replay_launch', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start(launch_file, monkeypatch, tmp_path):
    """Return nodes by name, the words of the player's command, and everything, for arguments."""
    for variable in launch_file.PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(launch_file, 'get_package_prefix', lambda name: '/opt/ros')
    bag = tmp_path / 'bag'
    bag.mkdir()

    def actions_for(**arguments):
        context = LaunchContext()
        for entity in launch_file.generate_launch_description().entities:
            if isinstance(entity, DeclareLaunchArgument) and entity.default_value is not None:
                default = perform_substitutions(context, entity.default_value)
                context.launch_configurations[entity.name] = default
        values = {'bag': str(bag), 'output': str(tmp_path / 'new'), **arguments}
        context.launch_configurations.update(values)
        actions = launch_file.start(context)
        nodes = {a.node_executable: a for a in actions if isinstance(a, Node)}
        (player,) = (
            a for a in actions if isinstance(a, ExecuteProcess) and not isinstance(a, Node)
        )
        return context, nodes, [perform_substitutions(context, w) for w in player.cmd], actions

    return actions_for


def parameters_of(context, node):
    merged = {}
    for one in evaluate_parameters(context, node._Node__parameters):
        if isinstance(one, dict):
            merged.update(one)
    return {
        name: value.evaluate(context) if hasattr(value, 'evaluate') else value
        for name, value in merged.items()
    }


def remappings_of(context, node):
    return {
        perform_substitutions(context, a): perform_substitutions(context, b)
        for a, b in node._Node__remappings
    }


def test_all_arguments_are_declared_and_described(launch_file):
    declared = [
        entity
        for entity in launch_file.generate_launch_description().entities
        if isinstance(entity, DeclareLaunchArgument)
    ]
    assert {one.name for one in declared} == ARGUMENTS
    assert all(len(one.description) > 8 for one in declared)
    assert [one.name for one in declared if one.default_value is None] == ['bag']


def test_player_tracker_and_recorder_are_started(start, tmp_path):
    context, nodes, words, actions = start()
    assert set(nodes) == {'tracker_node', 'pose_recorder'}
    assert words == [
        'ros2', 'bag', 'play', str(tmp_path / 'bag'), '--clock', '100', '--rate', '1.0',
        '--delay', '8.0', '--topics', '/camera/image_raw', '/camera/camera_info',
    ]  # fmt: skip
    assert parameters_of(context, nodes['tracker_node']) == {
        'image_transport': 'raw', 'use_sim_time': True, 'autostart': True,
    }  # fmt: skip
    assert parameters_of(context, nodes['pose_recorder']) == {
        'output': str(tmp_path / 'new'), 'with_markers': False, 'use_sim_time': True,
    }  # fmt: skip
    # When the bag has been played, everything ends.
    assert any(isinstance(action, RegisterEventHandler) for action in actions)


def test_arguments_reach_player_and_nodes(start):
    context, nodes, words, _ = start(
        image='/front/rgb', image_transport='compressed', rate='0.5', loop='true',
        with_markers='true', use_sim_time='false', delay='0',
    )  # fmt: skip
    assert words[-3:] == ['--topics', '/front/rgb/compressed', '/front/camera_info']
    assert '--loop' in words
    assert words[words.index('--rate') + 1] == '0.5'
    assert remappings_of(context, nodes['tracker_node']) == {
        'image': '/front/rgb', 'camera_info': '/front/camera_info',
    }  # fmt: skip
    tracker = parameters_of(context, nodes['tracker_node'])
    assert (tracker['image_transport'], tracker['use_sim_time']) == ('compressed', False)
    assert parameters_of(context, nodes['pose_recorder'])['with_markers'] is True


@pytest.mark.parametrize(
    ('image', 'camera_info', 'expected'),
    [
        ('/cam/image_raw', '', '/cam/camera_info'),
        ('/image', '', '/camera_info'),
        ('image', '', 'camera_info'),
        ('cam/image', '', 'cam/camera_info'),
        ('/cam/image_raw', '/info', '/info'),
    ],
)
def test_the_calibration_is_beside_the_images(launch_file, image, camera_info, expected):
    values = {'image': image, 'camera_info': camera_info}
    assert launch_file.camera_info_of(values) == expected


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'bag': '/nowhere'}, 'bag: expected'),
        ({'rate': '0'}, 'rate: expected more than 0'),
        ({'dds_profile': '/nowhere.xml'}, 'dds_profile'),
    ],
)
def test_what_will_not_do_is_told(start, arguments, message):
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        start(**arguments)


def test_a_recording_is_not_overwritten(start, tmp_path):
    (tmp_path / 'new').mkdir()
    with pytest.raises(FileExistsError, match='does not exist yet'):
        start()


def test_without_ros2bag_the_remedy_is_told(start, launch_file, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(launch_file, 'get_package_prefix', missing)
    with pytest.raises(RuntimeError, match='needs ros2bag'):
        start()
