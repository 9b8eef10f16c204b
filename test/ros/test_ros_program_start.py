"""A signal while Python and libraries are loaded ends a program with 0, too."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from program_runs import end, programs, wait_for

ROOT = Path(__file__).parents[2]
SIGNALS = pytest.mark.parametrize('signal_number', [signal.SIGINT, signal.SIGTERM])
__all__ = ['programs']


def installed_program(name, folder):
    """Return what `make setup` installs, made of the same template."""
    text = (ROOT / 'scripts' / 'node_program.py.in').read_text()
    path = folder / name
    path.write_text(text.replace('@program@', name).replace('@node_interpreter@', sys.executable))
    return path


def test_installed_programs_hold_signals_back_until_they_can_answer():
    """From the first line of `env`; what comes in the millisecond before nobody can answer."""
    cmake = (ROOT / 'CMakeLists.txt').read_text()
    words = re.search(r'"/usr/bin/env -S (.+) \\"\$\{Python3_EXECUTABLE\}\\""', cmake).group(1)
    if subprocess.run(['/usr/bin/env', '-S', f'{words} true'], check=False).returncode:
        pytest.skip('env of this system cannot hold signals back (coreutils 8.31 can)')
    ask = 'import signal; print(sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))'
    told = subprocess.run(
        ['/usr/bin/env', '-S', f'{words} "{sys.executable}" -S -c "{ask}"'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == str([int(signal.SIGINT), int(signal.SIGTERM)])


@SIGNALS
def test_a_signal_before_the_first_line_of_a_program_ends_it_with_0(
    programs, tmp_path, signal_number
):
    program = installed_program('tracker_node', tmp_path)
    process = programs.start(sys.executable, str(program), block=True)
    end(process, signal_number).assert_clean()


@pytest.mark.parametrize(
    ('name', 'is_installed', 'signal_number'),
    [
        ('tracker_node', True, signal.SIGINT),
        ('tracker_node', False, signal.SIGTERM),
        ('multi_camera_node', False, signal.SIGINT),
        ('video_source', True, signal.SIGTERM),
        ('video_source', False, signal.SIGINT),
        ('pose_recorder', True, signal.SIGTERM),
        ('pose_recorder', False, signal.SIGINT),
    ],
)
def test_a_signal_while_libraries_are_loaded_ends_a_program_with_0(
    programs, tmp_path, name, is_installed, signal_number
):
    """Also when it is started by `python -m`, as from a checkout."""
    (tmp_path / 'rclpy').mkdir()
    (tmp_path / 'rclpy' / '__init__.py').write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    )
    command = ('-m', f'pose_tracking_ros.ros.{name}')
    if is_installed:
        command = (sys.executable, str(installed_program(name, tmp_path)))
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    process = programs.start(*command, PYTHONPATH=path)
    wait_for(process, 'importing')
    end(process, signal_number).assert_clean()
