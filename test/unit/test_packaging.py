"""What holds the package together: messages, versions, requirements, build files."""

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from rosbags.typesys import get_types_from_msg

from pose_tracking_ros import people

try:
    import tomllib
except ImportError:  # Python 3.10
    tomllib = None

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = sorted((ROOT / 'msg').glob('*.msg'))
needs_tomllib = pytest.mark.skipif(tomllib is None, reason='tomllib comes with Python 3.11')


def constants_of(message):
    text = (ROOT / 'msg' / f'{message}.msg').read_text()
    return {name: int(value) for name, value in re.findall(r'^uint8 ([A-Z_]+)=(\d+)', text, re.M)}


@pytest.mark.parametrize(
    ('message', 'enum'),
    [
        ('Keypoint', people.KeypointState),
        ('TrackedPose', people.TrackState),
        ('TrackEvent', people.EventKind),
    ],
)
def test_message_constants_are_those_of_people(message, enum):
    assert constants_of(message) == {member.name: member.value for member in enum}


@pytest.mark.parametrize('path', MESSAGES, ids=lambda path: path.stem)
def test_every_field_is_commented(path):
    """A comment line above the field, or above the block of fields that it belongs to."""
    block_has_comment = False
    for line in path.read_text().splitlines():
        if line.startswith('#'):
            block_has_comment = True
        elif not line:
            block_has_comment = False
        elif '=' not in line:
            assert block_has_comment, f'{path.name}: {line}'


@pytest.mark.parametrize('path', MESSAGES, ids=lambda path: path.stem)
def test_message_parses_and_is_built(path):
    assert get_types_from_msg(path.read_text(), f'pose_tracking_ros/msg/{path.stem}')
    assert f'"msg/{path.name}"' in (ROOT / 'CMakeLists.txt').read_text()


def test_all_promised_messages_are_there():
    assert {path.stem for path in MESSAGES} >= {
        'BoundingBox2D',
        'Keypoint',
        'Keypoint3D',
        'SkeletonInfo',
        'TrackEvent',
        'TrackedPose',
        'TrackedPoseArray',
    }


@pytest.fixture
def manifest():
    return ElementTree.parse(ROOT / 'package.xml').getroot()


def test_package_manifest_is_valid():
    catkin_package = pytest.importorskip('catkin_pkg.package', reason='comes with colcon')
    warnings = []
    package = catkin_package.parse_package(ROOT / 'package.xml', warnings=warnings)
    assert warnings == []
    assert package.name == 'pose_tracking_ros'
    assert package.get_build_type() == 'ament_cmake'
    assert package.licenses == ['Apache-2.0']
    # An address that does not parse makes colcon take the package for plain Python.
    assert re.fullmatch(r'[^@\s]+@[^@\s]+\.[^@\s]+', package.maintainers[0].email)


def test_interfaces_can_be_used_by_others(manifest):
    assert manifest.findtext('member_of_group') == 'rosidl_interface_packages'
    assert 'rosidl_default_runtime' in [element.text for element in manifest.iter('exec_depend')]


def test_ros_imports_are_declared(manifest):
    """What `ros/` and `launch/` import from ROS 2, package.xml names."""
    kinds = ('depend', 'exec_depend')
    declared = {element.text for kind in kinds for element in manifest.iter(kind)}
    known = {
        'ament_index_python', 'builtin_interfaces', 'cv_bridge', 'diagnostic_msgs',
        'geometry_msgs', 'launch', 'launch_ros', 'lifecycle_msgs', 'message_filters',
        'rcl_interfaces', 'rclpy', 'sensor_msgs', 'std_msgs', 'std_srvs', 'tf2_ros',
        'visualization_msgs',
    }  # fmt: skip
    used = set()
    for folder in ('pose_tracking_ros/ros', 'launch'):
        for path in (ROOT / folder).glob('*.py'):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    used |= {alias.name.split('.')[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    used.add(node.module.split('.')[0])
    assert 'rclpy' in used
    assert (used & known) - declared == set()


@needs_tomllib
def test_version_is_the_same_everywhere(manifest):
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    assert project['version'] == manifest.findtext('version')
    changelog = (ROOT / 'CHANGELOG.rst').read_text()
    first = re.search(r'^(Forthcoming|\d+\.\d+\.\d+ \(.*\))$', changelog, re.M).group(1)
    assert first == 'Forthcoming' or first.startswith(project['version'] + ' ')


def names_in(path):
    lines = [line.split('#')[0].strip() for line in path.read_text().splitlines()]
    names = [re.match(r'[A-Za-z0-9._-]+', line).group() for line in lines if line]
    return [re.sub(r'[-_.]+', '-', name).lower() for name in names]


def test_every_requirement_is_pinned():
    pinned = set(names_in(ROOT / 'requirements' / 'constraints.txt'))
    for path in (ROOT / 'requirements').glob('*.txt'):
        if not path.name.startswith('constraints'):
            assert set(names_in(path)) - pinned == set(), path.name


def test_pins_are_exact_and_single():
    for name in ('constraints.txt', 'constraints-numpy1.txt'):
        seen = set()
        for line in (ROOT / 'requirements' / name).read_text().splitlines():
            if not line.startswith('#'):
                package, _, marker = line.partition(';')
                assert re.fullmatch(r'[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+', package.strip()), line
                key = (package.split('==')[0].lower(), marker.strip())
                assert key not in seen, line
                seen.add(key)


@needs_tomllib
def test_pip_and_make_setup_install_the_same():
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']

    def lines_of(name):
        lines = (ROOT / 'requirements' / name).read_text().splitlines()
        return sorted(line for line in lines if line and not line.startswith('#'))

    assert sorted(project['dependencies']) == lines_of('runtime.txt')
    for extra in ('training', 'engines', 'int8', 'ray'):
        assert sorted(project['optional-dependencies'][extra]) == lines_of(f'{extra}.txt')


# Names under which a distribution is imported, where they differ from its own.
DISTRIBUTIONS = {
    'PIL': 'pillow',
    'backports': 'backports-zstd',
    'cv2': 'opencv-python-headless',
    'yaml': 'pyyaml',
}


def third_party_imports():
    """Return the distributions that the package imports, those of ROS 2 left out."""
    names = set()
    for path in (ROOT / 'pose_tracking_ros').rglob('*.py'):
        if 'ros' not in path.relative_to(ROOT).parts:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split('.')[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names.add(node.module.split('.')[0])
    # Python 3.14 has `compression`; before, `backports` takes its place.
    names -= {*sys.stdlib_module_names, 'compression', 'pose_tracking_ros'}
    return {DISTRIBUTIONS.get(name, name.replace('_', '-').lower()) for name in names}


def test_imports_and_requirements_agree():
    files = ('runtime', 'engines', 'int8', 'training', 'ray', 'standalone', 'peers')
    required = {name for file in files for name in names_in(ROOT / f'requirements/{file}.txt')}
    used = third_party_imports()
    assert used - required == set(), 'imported, but in no requirements file'
    # faster-coco-eval is checked against pycocotools in tests; trackeval imports tabulate, and
    # torch's exporter onnx.
    indirect = {'pycocotools', 'tabulate', 'onnx'}
    assert required - used - indirect == set(), 'required, but not imported'


def test_peers_are_imported_by_the_peers_script_alone():
    for path in (ROOT / 'pose_tracking_ros').rglob('*.py'):
        if path.name != 'peer_trackers.py':
            source = path.read_text()
            assert not re.search(r'^\s*(import|from) (trackers|supervision)\b', source, re.M), path


def test_installation_is_guarded_against_an_empty_destination():
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    guard = cmake.index('"${PYTHON_INSTALL_DIR}" STREQUAL ""')
    assert guard < cmake.index('DESTINATION ${PYTHON_INSTALL_DIR}')
    # rosidl's own __init__.py is replaced, hence it must come first.
    assert cmake.index('rosidl_generate_interfaces(') < cmake.index('DIRECTORY pose_tracking_ros/')


def test_installed_folders_exist():
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    folders = re.search(r'install\(DIRECTORY ([a-z ]+) DESTINATION share', cmake).group(1).split()
    assert folders == ['config', 'foxglove', 'launch', 'models', 'rviz']
    for folder in folders:
        assert any((ROOT / folder).iterdir()), folder


def test_programs_exist_as_modules():
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    programs = re.search(r'foreach\(program ([a-z_ ]+)\)', cmake).group(1).split()
    assert programs == [
        'doctor',
        'multi_camera_node',
        'pose_recorder',
        'tracker_node',
        'video_source',
    ]
    for program in programs:
        source = (ROOT / 'pose_tracking_ros' / 'ros' / f'{program}.py').read_text()
        names = [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
        assert 'main' in names


def test_programs_of_the_evaluation_are_commands_of_it():
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    programs = re.findall(r'foreach\(program ([a-z_ ]+)\)', cmake)[1].split()
    assert programs == ['evaluate_bag', 'make_bag']
    template = (ROOT / 'scripts' / 'evaluation_program.py.in').read_text()
    assert "main(['@command@', *sys.argv[1:]])" in template
    # As CMake makes the command's name of the program's.
    replaced = re.findall(r'string\(REPLACE "(.*)" "(.*)" command', cmake)
    parser = (ROOT / 'pose_tracking_ros' / 'evaluation' / 'replay').glob('*command.py')
    known = {name for path in parser for name in re.findall(r"'([a-z-]+)',", path.read_text())}
    for program in programs:
        command = program
        for old, new in replaced:
            command = command.replace(old, new)
        assert command in known, command
