"""The views for RViz and Foxglove show what the nodes publish, under the names they publish it."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from pose_tracking_ros.people import KeypointState, PoseInSpace, Track, TrackState
from pose_tracking_ros.skeleton import COCO_17

ROOT = Path(__file__).parents[2]
VIEWS = sorted((ROOT / 'rviz').glob('*.rviz'))
LAYOUT = ROOT / 'foxglove' / 'tracker.json'
# Classes of RViz in ROS 2 (plugins_description.xml of rviz_default_plugins), with the key that
# holds the topic and its type.
RVIZ_DISPLAYS = {
    'Axes': {},
    'Grid': {},
    'TF': {},
    'Camera': {'Topic': 'sensor_msgs/msg/Image'},
    'Image': {'Topic': 'sensor_msgs/msg/Image'},
    'MarkerArray': {'Topic': 'visualization_msgs/msg/MarkerArray'},
    'DepthCloud': {
        'Depth Map Topic': 'sensor_msgs/msg/Image',
        'Color Image Topic': 'sensor_msgs/msg/Image',
    },
}
RVIZ_PANELS = {'rviz_common/Displays', 'rviz_common/Views'}
RVIZ_TOOLS = {'MoveCamera', 'Select', 'FocusCamera', 'Measure'}
# Panels of Foxglove and Lichtblick, with the types of the topics that they show.
FOXGLOVE_PANELS = {'3D', 'Image', 'Plot', 'DiagnosticSummary', 'RawMessages'}
NUMBERS = {
    'boolean', 'float', 'double', 'builtin_interfaces/Duration', 'builtin_interfaces/Time',
    *(f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)),
}  # fmt: skip


@pytest.fixture
def topics(graph, engine):
    """Type by name of all that the tracker publishes and listens to."""
    graph.tracker(engine, use_depth=True)

    def known():
        names = {}
        for get in (
            graph.peer.get_publisher_names_and_types_by_node,
            graph.peer.get_subscriber_names_and_types_by_node,
        ):
            for name, types in get('tracker_node', graph.namespace):
                names[name.removeprefix(graph.namespace)] = types[0]
        return names if {'/camera_info', '/depth/image'} <= names.keys() else None

    return graph.until(known, 'topics of the tracker')


def displays(view):
    return yaml.safe_load(view.read_text())['Visualization Manager']['Displays']


def test_there_is_a_view_for_the_image_and_one_for_space():
    assert {view.stem for view in VIEWS} == {'tracker', 'overlay', 'space'}
    kinds = {view.stem: {d['Class'].split('/')[1] for d in displays(view)} for view in VIEWS}
    assert {'Camera', 'MarkerArray'} <= kinds['overlay']
    assert {'TF', 'DepthCloud', 'MarkerArray'} <= kinds['space']


@pytest.mark.parametrize('view', VIEWS, ids=lambda view: view.stem)
def test_rviz_knows_all_classes_of_a_view(view):
    content = yaml.safe_load(view.read_text())
    assert {panel['Class'] for panel in content['Panels']} <= RVIZ_PANELS
    manager = content['Visualization Manager']
    for display in manager['Displays']:
        package, name = display['Class'].split('/')
        assert (package, name in RVIZ_DISPLAYS) == ('rviz_default_plugins', True)
        assert display['Enabled'] == display['Value']
    names = [display['Name'] for display in manager['Displays']]
    assert len(set(names)) == len(names)
    tools = {tool['Class'] for tool in manager['Tools']}
    assert tools == {f'rviz_default_plugins/{name}' for name in RVIZ_TOOLS}
    assert manager['Transformation']['Current']['Class'] == 'rviz_default_plugins/TF'
    assert manager['Views']['Current']['Class'] == 'rviz_default_plugins/Orbit'
    # That of the video source, which has no other frame.
    assert manager['Global Options']['Fixed Frame'] == 'camera_optical_frame'


def test_views_show_topics_of_the_tracker(topics):
    shown = set()
    for view in VIEWS:
        for display in displays(view):
            for key, kind in RVIZ_DISPLAYS[display['Class'].split('/')[1]].items():
                topic = display[key] if isinstance(display[key], str) else display[key]['Value']
                assert topics[topic] == kind, (view.stem, display['Name'])
                shown.add(topic)
    assert {'/tracker_node/markers', '/tracker_node/markers_3d', '/image'} <= shown


def every_namespace():
    """Namespaces by topic, of people of all kinds: seen, hidden, moving, facing somewhere."""
    from rclpy.serialization import deserialize_message
    from std_msgs.msg import Header
    from visualization_msgs.msg import MarkerArray

    from pose_tracking_ros.ros.marker_array import MarkerView
    from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
    from pose_tracking_ros.ros.markers_3d import SpaceMarkerWriter

    joints = len(COCO_17)
    plane, header = PixelPlane(1.0, (0.0, 0.0), 100.0), Header()
    flat, space = MarkerWriter(COCO_17), SpaceMarkerWriter(COCO_17)
    found = {'markers': set(), 'markers_3d': set()}
    for number in range(3):
        states = np.full(joints, KeypointState.VISIBLE)
        places = np.column_stack([np.full((joints, 2), 0.1 * number), np.arange(joints)])
        if number:
            states[-1], places[-1] = KeypointState.OCCLUDED, np.nan
        track = Track(
            1, TrackState.CONFIRMED, True, np.array([0, 0, 9, 9], np.float32), 0.9, 1.0,
            np.zeros(2, np.float32), np.full((joints, 2), 3.0 + number), np.ones(joints), states,
            np.zeros(0, np.float32), 1.0, 0.0,
            in_space=PoseInSpace(
                places, np.zeros((joints, 3, 3)), places[0], np.ones(3), np.array([0, 0, 0, 1.0])
            ),
        )  # fmt: skip
        view = MarkerView(number / 10, 1, 2.0, 3.0)
        for name, content in (
            ('markers', flat.write([track], header=header, plane=plane, view=view)),
            ('markers_3d', space.write([track], header=header, view=view)),
        ):
            found[name] |= {m.ns for m in deserialize_message(content, MarkerArray).markers}
    return found


def test_views_list_the_namespaces_that_there_are():
    found = every_namespace()
    for view in VIEWS:
        for display in displays(view):
            if display['Class'].endswith('/MarkerArray'):
                topic = display['Topic']['Value'].rsplit('/', 1)[1]
                assert set(display['Namespaces']) == found[topic], (view.stem, topic)


def layout():
    return json.loads(LAYOUT.read_text())


def panels_of(node):
    """Return the panels that a tree of rows and columns holds."""
    if isinstance(node, str):
        return [node]
    assert node['direction'] in ('row', 'column')
    assert 0 < node['splitPercentage'] < 100
    return [*panels_of(node['first']), *panels_of(node['second'])]


def test_the_layout_has_the_form_of_an_export():
    content = layout()
    assert set(content) == {
        'configById', 'globalVariables', 'layout', 'playbackConfig', 'userNodes', 'version',
    }  # fmt: skip
    assert content['version'] == 1
    shown = panels_of(content['layout'])
    assert sorted(shown) == sorted(content['configById'])
    assert {panel.split('!')[0] for panel in shown} == FOXGLOVE_PANELS


def test_the_layout_shows_topics_of_the_tracker(topics):
    kinds = {}
    for panel, config in layout()['configById'].items():
        kind = panel.split('!')[0]
        used = {}
        if kind in ('3D', 'Image'):
            used |= dict.fromkeys(config['topics'], 'visualization_msgs/msg/MarkerArray')
            mode = config['imageMode']
            used |= {mode[k]: 'sensor_msgs/msg/Image' for k in ('imageTopic',) if k in mode}
            used |= {
                mode[k]: 'sensor_msgs/msg/CameraInfo' for k in ('calibrationTopic',) if k in mode
            }
        elif kind == 'DiagnosticSummary':
            used[config['topicToRender']] = 'diagnostic_msgs/msg/DiagnosticArray'
        elif kind == 'RawMessages':
            used[config['topicPath']] = topics[config['topicPath']]
        for topic, message in used.items():
            assert topics[topic] == message, panel
            kinds.setdefault(kind, set()).add(topic)
    assert '/tracker_node/markers_3d' in kinds['3D']
    assert {'/image', '/tracker_node/image_annotated'} <= kinds['Image']


def class_of(name):
    package, *_, kind = name.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), kind)


def type_at(message, path):
    """Return the type that a Foxglove message path leads to: names, and [:] for each element."""
    for part in path.split('.'):
        name = part.removesuffix('[:]')
        kind = message.get_fields_and_field_types()[name]
        is_sequence = kind.startswith('sequence<')
        assert is_sequence == part.endswith('[:]'), part
        kind = kind.removeprefix('sequence<').removesuffix('>')
        if kind in NUMBERS:
            assert part == path.split('.')[-1]
            return kind
        message = class_of(kind)
    raise AssertionError(f'{path} leads to a message, not to a number')


def test_paths_of_plots_lead_to_numbers(topics):
    fields = set()
    for panel, config in layout()['configById'].items():
        if not panel.startswith('Plot!'):
            continue
        for series in config['paths']:
            topic, path = series['value'].split('.', 1)
            assert type_at(class_of(topics[topic]), path) in NUMBERS
            fields.add(path)
    assert fields == {'processing_time', 'frames_dropped', 'poses[:].track_id'}
