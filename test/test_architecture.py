"""The rules of the house: who may import whom, how modules are named, how long they may get.

Imports are read from the syntax tree, so that also those inside functions and under `if
TYPE_CHECKING` count.
"""

import ast
from pathlib import Path

import pytest

from pose_tracking_ros.skeleton import COCO_17

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / 'pose_tracking_ros'

# Known to `ros/` alone.
ROS_MODULES = {
    'ament_index_python',
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'diagnostic_updater',
    'geometry_msgs',
    'hri_msgs',
    'image_transport_py',
    'launch',
    'launch_ros',
    'lifecycle_msgs',
    'message_filters',
    'people_msgs',
    'rcl_interfaces',
    'rclpy',
    'rosbag2_py',
    'rosidl_runtime_py',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'tf2_ros',
    'vision_msgs',
    'visualization_msgs',
}
MESSAGE_PACKAGES = {f'pose_tracking_ros.{kind}' for kind in ('msg', 'srv', 'action')}
# What runs on the robot does not depend on what trains, scores or imitates it.
LEAN_PARTS = ('network', 'inference', 'tracking', 'lifting', 'follow')
OFFLINE_PARTS = {f'pose_tracking_ros.{n}' for n in ('training', 'evaluation', 'simulation', 'ros')}
# Names that say nothing about what is inside, or that hide the generated message modules.
FORBIDDEN_NAMES = {'utils', 'helpers', 'common', 'base', 'core', 'manager', 'msg', 'srv', 'action'}
MAX_LINES = 400


def imported_names(source, package):
    """Return (line, dotted name) of everything a module imports, relative imports resolved."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ''
            if node.level:
                parents = package.split('.')[: len(package.split('.')) - node.level + 1]
                origin = '.'.join([*parents, origin] if origin else parents)
            # `from a import b` may mean the module a.b.
            found += [(node.lineno, f'{origin}.{alias.name}') for alias in node.names]
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func)
            in ('importlib.import_module', 'import_module', '__import__')
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.append((node.lineno, str(node.args[0].value)))
    return found


def is_within(name, modules):
    """Return whether a dotted name is one of the modules or lies in one."""
    return any(name == module or name.startswith(module + '.') for module in modules)


def import_violations(package_dir):
    """Return one line per import that breaks a rule."""
    violations = []
    for path in sorted(package_dir.rglob('*.py')):
        inner = path.relative_to(package_dir)
        part = inner.parts[0] if len(inner.parts) > 1 else ''
        package = '.'.join(['pose_tracking_ros', *inner.parts[:-1]])
        for line, name in imported_names(path.read_text(encoding='utf-8'), package):
            where = f'{inner}:{line} imports {name}'
            if part != 'ros' and is_within(name, ROS_MODULES | MESSAGE_PACKAGES):
                violations.append(f'{where}: only ros/ may')
            if part in LEAN_PARTS and is_within(name, OFFLINE_PARTS):
                violations.append(f'{where}: {part}/ must not')
    return violations


def name_violations(package_dir):
    """Return the modules and folders with a name that is not allowed."""
    return [
        str(path.relative_to(package_dir))
        for path in sorted(package_dir.rglob('*'))
        if (path.is_dir() or path.suffix == '.py') and path.stem in FORBIDDEN_NAMES
    ]


def length_violations(folder):
    """Return the Python files that are too long, with their length."""
    lengths = {path: len(path.read_text().splitlines()) for path in folder.rglob('*.py')}
    return [f'{path}: {count} lines' for path, count in lengths.items() if count > MAX_LINES]


def joint_table_violations(package_dir):
    """Return literals, outside skeleton.py, that list joints as a table would."""
    violations = []
    for path in sorted(package_dir.rglob('*.py')):
        if path.relative_to(package_dir) == Path('skeleton.py'):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.List | ast.Tuple | ast.Set):
                words = {e.value for e in node.elts if isinstance(e, ast.Constant)}
                # A few joints may be picked by name; most of them in a row is a second table.
                if len(words & set(COCO_17.joints)) > len(COCO_17) // 2:
                    violations.append(f'{path.relative_to(package_dir)}:{node.lineno}')
    return violations


def test_only_allowed_imports():
    assert import_violations(PACKAGE) == []


def test_module_names_say_something():
    assert name_violations(PACKAGE) == []


@pytest.mark.parametrize('folder', ['pose_tracking_ros', 'scripts', 'test', 'launch'])
def test_files_are_short(folder):
    assert length_violations(ROOT / folder) == []


def test_joints_are_listed_once():
    assert joint_table_violations(PACKAGE) == []


def test_tests_have_no_packages_and_no_twins():
    files = [path for path in (ROOT / 'test').rglob('*.py') if path.name != 'conftest.py']
    names = [path.name for path in files]
    assert '__init__.py' not in names
    assert sorted(names) == sorted(set(names))


# The checks themselves: each must notice a violation.


@pytest.mark.parametrize(
    'line',
    [
        'import rclpy',
        'from rclpy.node import Node',
        'import sensor_msgs.msg as messages',
        'from pose_tracking_ros.msg import TrackedPose',
        'from pose_tracking_ros import msg',
        'from ..msg import TrackedPose',
        'from .. import ros',
        'def late():\n    import cv_bridge',
        'import importlib\nimportlib.import_module("message_filters")',
        'from pose_tracking_ros.training import losses',
        'from ..evaluation import report',
        'import pose_tracking_ros.simulation.scene',
    ],
)
def test_forbidden_import_in_tracking_is_noticed(tmp_path, line):
    (tmp_path / 'tracking').mkdir()
    (tmp_path / 'tracking' / 'injected.py').write_text(line + '\n')
    violations = import_violations(tmp_path)
    assert len(violations) == 1
    assert violations[0].startswith('tracking/injected.py:')


def test_same_import_in_ros_is_allowed(tmp_path):
    (tmp_path / 'ros').mkdir()
    (tmp_path / 'ros' / 'node.py').write_text(
        'import rclpy\nfrom pose_tracking_ros.msg import TrackedPose\n'
        'from pose_tracking_ros.simulation import scene\n'
    )
    (tmp_path / 'tracking').mkdir()
    (tmp_path / 'tracking' / 'fine.py').write_text(
        'from pose_tracking_ros.people import People\nfrom . import message_like\n'
    )
    assert import_violations(tmp_path) == []


def test_forbidden_name_is_noticed(tmp_path):
    (tmp_path / 'helpers').mkdir()
    (tmp_path / 'helpers' / 'core.py').write_text('')
    assert name_violations(tmp_path) == ['helpers', 'helpers/core.py']


def test_long_file_is_noticed(tmp_path):
    (tmp_path / 'long.py').write_text('x = 1\n' * (MAX_LINES + 1))
    (tmp_path / 'short.py').write_text('x = 1\n' * MAX_LINES)
    assert length_violations(tmp_path) == [f'{tmp_path / "long.py"}: {MAX_LINES + 1} lines']


def test_second_joint_table_is_noticed(tmp_path):
    (tmp_path / 'table.py').write_text(f'JOINTS = {list(COCO_17.joints)}\n')
    (tmp_path / 'pick.py').write_text("HIPS = ['left_hip', 'right_hip']\n")
    assert joint_table_violations(tmp_path) == ['table.py:1']
