"""Which Python, which ROS 2, which packages: the decisions of `make setup`, without side effects.

Runs on a bare Python, also on one that is too old for the project, in order to be able to say so:
standard library only, and syntax of Python 3.7.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SUPPORTED_PYTHONS = ((3, 10), (3, 14))
WHEEL_ARCHITECTURES = ('x86_64', 'AMD64')
MIN_GLIBC = (2, 28)
# Oldest first. Anything else under /opt/ros is too old (ROS 1, Foxy, Galactic) or not ROS.
SUPPORTED_ROS_DISTROS = ('humble', 'iron', 'jazzy', 'kilted', 'lyrical', 'rolling')
BUILD_TOOLS = ('cmake', 'g++', 'make')
INSTALL_ROS_URL = 'https://docs.ros.org/en/jazzy/Installation.html'
NEEDED_DISK_GB = 9.0


class SetupError(Exception):
    """A step cannot be done. Its text says what failed, why, and what to do."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f'{what}\n  why:        {why}\n  what to do: {remedy}')


class Interpreter(NamedTuple):
    """A Python found on the machine.

    Attributes:
        path: the executable, outside of any virtual environment.
        version: major, minor, micro.
        is_cpython: whether it is the usual implementation.
        is_free_threaded: whether it was built without the global lock (no wheels exist for it).
        has_venv: whether it can make virtual environments with pip in them.
        has_headers: whether Python.h is there, which the messages are compiled with.
        numpy_version: NumPy it has outside of virtual environments, empty for none.
    """

    path: str
    version: tuple[int, int, int]
    is_cpython: bool = True
    is_free_threaded: bool = False
    has_venv: bool = True
    has_headers: bool = True
    numpy_version: str = ''


class RosInstallation(NamedTuple):
    """A ROS 2 installation: its distribution name and the script that activates it."""

    distro: str
    setup_script: str


class Machine(NamedTuple):
    """What was found on the machine.

    Attributes:
        system: as `platform.system()` names it.
        architecture: as `platform.machine()` names it.
        libc: name and version of the C library.
        interpreters: in order of preference; the default `python3` comes first.
        system_python: the distribution's own Python, which an installed ROS 2 is built for.
        ros_installations: everything that looks like ROS under /opt/ros.
        wanted_distro: `ROS_DISTRO` of the caller, empty for none.
        missing_tools: build tools that are not on the path.
        has_apt: whether packages are installed with apt.
    """

    system: str = 'Linux'
    architecture: str = 'x86_64'
    libc: tuple[str, tuple[int, ...]] = ('glibc', (2, 36))
    interpreters: tuple[Interpreter, ...] = ()
    system_python: Interpreter | None = None
    ros_installations: tuple[RosInstallation, ...] = ()
    wanted_distro: str = ''
    missing_tools: tuple[str, ...] = ()
    has_apt: bool = True


class Plan(NamedTuple):
    """What `make setup` will do.

    Attributes:
        interpreter: makes the virtual environment.
        ros: the installation to use, None for ROS 2 from wheels.
        requirement_files: names under requirements/, in order.
        replacing_constraints: name under requirements/ whose lines replace those of
            constraints.txt, empty for none.
        explanation: what was chosen and why, one line for the user.
    """

    interpreter: Interpreter
    ros: RosInstallation | None
    requirement_files: tuple[str, ...]
    replacing_constraints: str
    explanation: str


def choose_ros(machine: Machine) -> RosInstallation | None:
    """Return the ROS 2 installation to use: the caller's, else the newest supported, else None."""
    known = [ros for ros in machine.ros_installations if ros.distro in SUPPORTED_ROS_DISTROS]
    for ros in known:
        if ros.distro == machine.wanted_distro:
            return ros
    return max(known, key=lambda ros: SUPPORTED_ROS_DISTROS.index(ros.distro), default=None)


def why_unfit(interpreter: Interpreter) -> str:
    """Return why a Python cannot run the project at all, empty when it can."""
    low, high = SUPPORTED_PYTHONS
    if not interpreter.is_cpython:
        return 'not CPython'
    if not low <= interpreter.version[:2] <= high:
        return f'version {_dotted(interpreter.version)}'
    if interpreter.is_free_threaded:
        return 'a free-threaded build, for which no wheels exist'
    return ''


def install_command(machine: Machine, interpreter: Interpreter, is_system: bool) -> str:
    """Return the command that installs whatever is missing for building with this Python."""
    wanted = list(machine.missing_tools)
    prefix = 'python3' if is_system else 'python' + _dotted(interpreter.version[:2])
    if not interpreter.has_venv:
        wanted.insert(0, f'{prefix}-venv')
    if not interpreter.has_headers:
        wanted.insert(0, f'{prefix}-dev')
    if machine.has_apt:
        return f'sudo apt-get update && sudo apt-get install -y {" ".join(wanted)}'
    return f"install with your system's package manager: {', '.join(wanted)}"


def choose_plan(machine: Machine) -> Plan:
    """Decide how to set up the environment.

    Raises:
        SetupError: this machine lacks something; says what to do about it.
    """
    ros = choose_ros(machine)
    interpreter = _choose_installed(machine, ros) if ros else _choose_for_wheels(machine)
    is_system = (
        machine.system_python is not None and interpreter.path == machine.system_python.path
    )
    lacks_part = not (interpreter.has_venv and interpreter.has_headers)
    if lacks_part or machine.missing_tools:
        lacking = list(machine.missing_tools)
        if not interpreter.has_headers:
            lacking.insert(0, f'the headers of {interpreter.path} (Python.h)')
        if not interpreter.has_venv:
            lacking.insert(0, f'the venv module of {interpreter.path}')
        raise SetupError(
            'cannot build the environment.',
            f'missing: {", ".join(lacking)}.',
            install_command(machine, interpreter, is_system),
        )
    return _plan_for(interpreter, ros)


def _plan_for(interpreter: Interpreter, ros: RosInstallation | None) -> Plan:
    common = (
        'runtime.txt',
        'engines.txt',
        'int8.txt',
        'build.txt',
        'training.txt',
        'development.txt',
    )
    python = f'Python {_dotted(interpreter.version)} ({interpreter.path})'
    if ros is None:
        return Plan(
            interpreter,
            None,
            ('ros.txt', *common),
            '',
            f'No ROS 2 under /opt/ros: using ROS 2 Jazzy from PyPI wheels, {python}.',
        )
    # Message modules compiled for NumPy 1 crash on import under NumPy 2.
    is_numpy1 = interpreter.numpy_version.startswith(('0.', '1.'))
    return Plan(
        interpreter,
        ros,
        common,
        'constraints-numpy1.txt' if is_numpy1 else '',
        f'Using the installed ROS 2 {ros.distro} ({ros.setup_script}), {python}.',
    )


def _choose_installed(machine: Machine, ros: RosInstallation) -> Interpreter:
    python = machine.system_python
    if python is None or why_unfit(python):
        found = 'none' if python is None else why_unfit(python)
        raise SetupError(
            f'cannot use the installed ROS 2 {ros.distro}.',
            "it needs the system's own Python (/usr/bin/python3), "
            f'{_supported_pythons()}; found: {found}.',
            f"repair the installation ({INSTALL_ROS_URL}), or set ROS_SETUP=none to use PyPI's "
            'ROS 2 instead.',
        )
    return python


def _choose_for_wheels(machine: Machine) -> Interpreter:
    glibc = machine.libc[0] == 'glibc' and machine.libc[1] >= MIN_GLIBC
    if machine.system != 'Linux' or machine.architecture not in WHEEL_ARCHITECTURES or not glibc:
        found = (
            f'{machine.system} on {machine.architecture}, '
            f'{machine.libc[0] or "unknown libc"} {_dotted(machine.libc[1])}'
        )
        raise SetupError(
            'no ROS 2 for this machine.',
            'nothing usable under /opt/ros, and the ROS 2 wheels on PyPI exist for Linux on '
            f'x86-64 with glibc {_dotted(MIN_GLIBC)} or newer only; this is {found}.',
            'install ROS 2 (Humble on Ubuntu 22.04, Jazzy on 24.04; both also on Jetson): '
            f'{INSTALL_ROS_URL}; then run make setup again.',
        )
    fit = [python for python in machine.interpreters if not why_unfit(python)]
    if not fit:
        found = '; '.join(f'{p.path}: {why_unfit(p)}' for p in machine.interpreters) or 'none'
        apt = machine.has_apt
        packages = (
            'sudo apt-get update && sudo apt-get install -y python3 python3-venv python3-dev'
        )
        raise SetupError(
            'no suitable Python.',
            f'expected CPython {_supported_pythons()} on the path; found {found}.',
            (f'on Debian 12, Ubuntu 22.04 and newer: {packages}; elsewhere: ' if apt else '')
            + 'install one with pyenv (pyenv install 3.12 && pyenv shell 3.12); then run make '
            'setup again. PYTHON=/path/to/python make setup names one explicitly.',
        )
    # A complete one further down is better than sending the user to the package manager.
    complete = [python for python in fit if python.has_venv and python.has_headers]
    return (complete or fit)[0]


def merged_constraints(base: str, replacing: str) -> str:
    """Return a constraints file in which lines of `replacing` stand for those of equal name."""
    names = {_name(line) for line in replacing.splitlines()} - {''}
    kept = [line for line in base.splitlines() if _name(line) not in names]
    return '\n'.join(kept + replacing.splitlines()) + '\n'


def rewritten_paths(text: str, python_include: str, numpy_include: str) -> str:
    """Return a CMake file of a ROS 2 wheel with the include paths of its build machine replaced.

    The digits of the paths follow the Python version and its build flags, as in
    `/opt/python/cp311-cp311/include/python3.11`.
    """
    prefix = r'/opt/python/cp3\d+-cp3\d+t?'
    numpy_path = prefix + r'/lib/python3\.\d+t?/site-packages/numpy/_?core/include'
    text = re.sub(numpy_path, lambda _: numpy_include, text)
    return re.sub(prefix + r'/include/python3\.\d+t?', lambda _: python_include, text)


# What a failing step printed, and what helps. The first match counts.
_REMEDIES = (
    (
        r'No space left on device|Disk quota exceeded',
        f'free some disk space (about {NEEDED_DISK_GB:.0f} GB are needed) and run it again; '
        'what was done so far is kept.',
    ),
    (
        r'Temporary failure in name resolution|NewConnectionError|ConnectTimeout|ReadTimeout'
        r'|Connection (?:refused|reset|broken|aborted)|Network is unreachable|ProxyError'
        r'|SSLError|CERTIFICATE_VERIFY_FAILED|IncompleteRead',
        'check the network, and the proxy and index settings of pip (pip config list), and run '
        'it again; what was downloaded so far is kept.',
    ),
    (
        r'No matching distribution found|ResolutionImpossible',
        'the package index in use lacks a pinned version: check pip config list, or run '
        '"pip cache purge" if a mirror has changed.',
    ),
    (
        r'Killed|MemoryError|Cannot allocate memory',
        'close other programs (about 2 GB of memory are needed) and run it again.',
    ),
    (r'Permission denied', 'make the checkout writable for this user (was sudo used before?).'),
)


def remedy_for(output: str) -> str:
    """Return what to do about a failed step, given what it printed."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, output):
            return remedy
    return (
        'read the log named above; if it was interrupted, run it again: finished steps are kept.'
    )


def _name(line: str) -> str:
    match = re.match(r'\s*([A-Za-z0-9][A-Za-z0-9._-]*)', line)
    return re.sub(r'[-_.]+', '-', match.group(1)).lower() if match else ''


def _dotted(version: tuple[int, ...]) -> str:
    return '.'.join(map(str, version))


def _supported_pythons() -> str:
    low, high = SUPPORTED_PYTHONS
    return f'{_dotted(low)} to {_dotted(high)}'
