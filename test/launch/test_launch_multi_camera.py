"""Several cameras: a tracker each, in its namespace, with the shared arguments."""

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

from launch.actions import DeclareLaunchArgument
from launch.utilities import perform_substitutions

from launch import LaunchContext

FOLDER = Path(__file__).parents[2] / 'launch'
OF_ONE_CAMERA_ONLY = {
    'camera_name', 'video', 'rviz', 'rviz_view', 'rviz_frame', 'depth_transport',
}  # fmt: skip


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.launch.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def launch_file():
    return loaded('multi_camera')


def declared(module):
    return {
        entity.name: entity
        for entity in module.generate_launch_description().entities
        if isinstance(entity, DeclareLaunchArgument)
    }


@pytest.fixture
def start(launch_file):
    """Return the actions for some arguments."""

    def actions_for(**arguments):
        context = LaunchContext()
        for name, argument in declared(launch_file).items():
            if argument.default_value is not None:
                context.launch_configurations[name] = perform_substitutions(
                    context, argument.default_value
                )
        context.launch_configurations.update(arguments)
        return launch_file.start(context), dict(context.launch_configurations)

    return actions_for


def test_shared_arguments_are_those_of_one_tracker(launch_file):
    """An argument that tracker.launch.py gains is either handed on or known to be left out."""
    single, several = declared(loaded('tracker')), declared(launch_file)
    assert set(launch_file.SHARED) <= set(single)
    own = {'cameras', 'namespace', 'one_process', 'share_gallery'}
    assert set(several) == {*launch_file.SHARED, *own}
    assert all(len(one.description) > 8 for one in several.values())
    assert several['cameras'].default_value is None


def test_each_camera_gets_a_tracker_in_its_namespace(start, launch_file):
    actions, values = start(cameras='front, rear', device='cpu')
    assert len(actions) == 2
    arguments = [launch_file.arguments_for(camera, values) for camera in ('front', 'rear')]
    assert [a['namespace'] for a in arguments] == ['/front', '/rear']
    assert {a['image'] for a in arguments} == {'image_raw'}
    assert {a['device'] for a in arguments} == {'cpu'}


def test_a_namespace_goes_before_the_names(start, launch_file):
    _, values = start(cameras='front', namespace='/robot/')
    assert launch_file.arguments_for('head/left', values)['namespace'] == '/robot/head/left'


@pytest.mark.parametrize(
    ('cameras', 'words'),
    [
        (' , ', 'expected names'),
        ('front,/front', 'more than once'),
        ('front,2nd', "'2nd'"),
        ('front rear', "'front rear'"),
    ],
)
def test_names_that_cannot_be_are_told(start, cameras, words):
    with pytest.raises(RuntimeError, match=words):
        start(cameras=cameras)


def test_what_is_started_are_trackers_on_the_topics_of_their_cameras(launch_file):
    """Visited as `ros2 launch` would, up to the nodes."""
    from launch_ros.actions import Node

    nodes = []
    context = LaunchContext()
    context.launch_configurations['cameras'] = 'front,rear'

    def visit(entity):
        if isinstance(entity, Node):
            remappings = {
                perform_substitutions(context, a): perform_substitutions(context, b)
                for a, b in entity._Node__remappings
            }
            # Text or substitutions, by the version of launch_ros.
            namespace = ''.join(
                part if isinstance(part, str) else context.perform_substitution(part)
                for part in entity._Node__node_namespace
            )
            nodes.append((namespace, remappings['image'], remappings['camera_info']))
            return
        for child in entity.visit(context) or ():
            visit(child)

    visit(launch_file.generate_launch_description())
    assert nodes == [
        ('/front', 'image_raw', 'camera_info'),
        ('/rear', 'image_raw', 'camera_info'),
    ]


def test_one_process_serves_all_cameras_with_the_same_topics(start):
    from launch_ros.actions import Node

    actions, _ = start(
        cameras='front, arm/left', one_process='true', namespace='/robot/', device='cpu'
    )
    (node,) = [action for action in actions if isinstance(action, Node)]
    context = LaunchContext()

    def text(value):
        return value if isinstance(value, str) else perform_substitutions(context, value)

    assert text(node._Node__node_executable) == 'multi_camera_node'
    assert text(node._Node__node_namespace) == '/robot'
    # With a name, launch would hand the parameters to that node alone.
    assert not node._Node__node_name
    remappings = {text(a): text(b) for a, b in node._Node__remappings}
    assert (remappings['image'], remappings['camera_info']) == ('image_raw', 'camera_info')


def test_processes_do_not_share_a_gallery(start):
    with pytest.raises(RuntimeError, match='one_process:=true'):
        start(cameras='front,rear', share_gallery='true')
