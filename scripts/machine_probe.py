"""Find out what this machine has: Pythons, ROS 2 installations, build tools.

Standard library only, and syntax of Python 3.7 (see environment_plan.py).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from environment_plan import BUILD_TOOLS, Interpreter, Machine, RosInstallation, SetupError

SYSTEM_PYTHON = '/usr/bin/python3'
ROS_ROOT = '/opt/ros'
# Best tried first; the default python3 comes before all of them.
PYTHON_NAMES = ('python3.12', 'python3.11', 'python3.13', 'python3.10', 'python3.14')

# Runs in the interpreter that is looked at. Prefixes differ within a virtual environment, whose
# own Python would vanish when it is made anew: hence the base executable.
_QUESTIONS = """
import importlib.util, json, os, platform, sys, sysconfig
is_venv = sys.prefix != sys.base_prefix
base = getattr(sys, '_base_executable', sys.executable) if is_venv else sys.executable
try:
    from importlib.metadata import version
    numpy_version = version('numpy')
except Exception:  # whatever is wrong with numpy there, the interpreter itself can be used
    numpy_version = ''
print(json.dumps(dict(
    path=base,
    version=list(sys.version_info[:3]),
    is_cpython=platform.python_implementation() == 'CPython',
    is_free_threaded=bool(sysconfig.get_config_var('Py_GIL_DISABLED')),
    has_venv=all(importlib.util.find_spec(name) for name in ('venv', 'ensurepip')),
    has_headers=os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h')),
    numpy_version=numpy_version,
)))
"""


def probe_interpreter(path: str) -> Interpreter | None:
    """Return what a Python is, or None when it does not run (a pyenv shim, a broken link)."""
    environment = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'PYTHONHOME')}
    try:
        result = subprocess.run(
            [path, '-c', _QUESTIONS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=30,
            check=True,
        )
        answers = json.loads(result.stdout.decode())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    answers['version'] = tuple(answers['version'])
    return Interpreter(**answers)


def find_ros(
    root: str = ROS_ROOT, environment: Mapping[str, str] = os.environ
) -> tuple[RosInstallation, ...]:
    """Return the ROS installations, or only that named by `ROS_SETUP` ("none" for none of them).

    Raises:
        SetupError: ROS_SETUP names a file that does not exist.
    """
    chosen = environment.get('ROS_SETUP', '')
    if chosen == 'none':
        return ()
    if chosen:
        if not os.path.isfile(chosen):
            raise SetupError(
                'cannot use the ROS 2 installation named by ROS_SETUP.',
                f'expected the setup.bash of a ROS 2 installation or "none"; there is no file '
                f'{chosen!r}.',
                'correct ROS_SETUP, or unset it to let make setup choose.',
            )
        distro = environment.get('ROS_DISTRO', '') or Path(chosen).resolve().parent.name
        return (RosInstallation(distro, str(Path(chosen).resolve())),)
    scripts = sorted(Path(root).glob('*/setup.bash'))
    return tuple(RosInstallation(script.parent.name, str(script)) for script in scripts)


def find_libc() -> tuple[str, tuple[int, ...]]:
    """Return name and version of the C library; ('', ()) when it is not the GNU one."""
    # Not platform.libc_ver(): it reports what the Python executable was linked against.
    try:
        name, _, version = (os.confstr('CS_GNU_LIBC_VERSION') or '').partition(' ')
    except (AttributeError, OSError, ValueError):
        return '', ()
    return name, tuple(int(part) for part in version.split('.') if part.isdigit())


def probe_machine() -> Machine:
    """Return what this machine has; `PYTHON` in the environment restricts the choice to one."""
    only = os.environ.get('PYTHON', '')
    names = [only] if only else ['python3', *PYTHON_NAMES]
    interpreters: list[Interpreter] = []
    for name in names:
        path = shutil.which(name)
        python = probe_interpreter(path) if path else None
        if python and python not in interpreters:
            interpreters.append(python)
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        libc=find_libc(),
        interpreters=tuple(interpreters),
        system_python=probe_interpreter(SYSTEM_PYTHON),
        ros_installations=find_ros(),
        wanted_distro=os.environ.get('ROS_DISTRO', ''),
        missing_tools=tuple(tool for tool in BUILD_TOOLS if not shutil.which(tool)),
        has_apt=shutil.which('apt-get') is not None,
    )
