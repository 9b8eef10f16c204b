"""Start, watch and end the ROS 2 programs of the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pose_tracking_ros.places import data_file

_STOP_TIMEOUT_S = 15.0


class ProgramFailedError(Exception):
    """A program ended that should not have; carries the end of what it printed."""


def ros_environment(present: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that keep the demo's ROS 2 to itself and fast.

    A domain of its own, and this machine only: neither hears a running robot nor disturbs it.
    The Fast DDS profile lets large images through. What the user has set stays.

    Args:
        present: environment variables of this process.
    """
    profile = str(data_file('config/fastdds.xml'))
    wanted = {
        # Domains above 101 collide with ephemeral ports on Linux.
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 101),
        # Read by Fast DDS 2 (Humble to Jazzy) and by Fast DDS 3.
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,
        'OMP_WAIT_POLICY': 'PASSIVE',
    }
    # Newer versions warn about the old variable, Humble does not know the new one.
    if present.get('ROS_DISTRO') == 'humble':
        wanted['ROS_LOCALHOST_ONLY'] = '1'
    else:
        wanted['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    return {name: value for name, value in wanted.items() if name not in present}


def ros_arguments(parameters: Mapping[str, Any]) -> list[str]:
    """Return parameters as a command line: `--ros-args -p name:=value ...`.

    Texts are quoted, so that a camera called 0 stays a text.
    """
    arguments = ['--ros-args']
    for name, value in parameters.items():
        if isinstance(value, bool):
            text = str(value).lower()
        elif isinstance(value, str):
            text = "'" + value.replace("'", "''") + "'"
        else:
            text = repr(value)
        arguments += ['-p', f'{name}:={text}']
    return arguments


class Program:
    """One ROS 2 program of this package, in a process of its own; a context manager.

    Args:
        name: module below `pose_tracking_ros.ros`.
        parameters: ROS parameters.
        log: file that takes what it prints.
    """

    def __init__(self, name: str, parameters: Mapping[str, Any], log: Path) -> None:
        self.name = name
        self._log = log
        command = [sys.executable, '-m', f'pose_tracking_ros.ros.{name}']
        with log.open('wb') as output:
            self._process = subprocess.Popen(
                [*command, *ros_arguments(parameters)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C is for the demo, which then ends its programs in order.
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()

    def check_running(self) -> None:
        """Raise an error if the program has ended.

        Raises:
            ProgramFailedError: it has; its last words are in the text.
        """
        if self.exit_code is not None:
            raise ProgramFailedError(
                f'{self.name} ended with code {self.exit_code}; its last words (all of them are '
                f'in {self._log}):\n{self.last_words()}'
            )

    def last_words(self, lines: int = 15) -> str:
        """Return the end of what it printed."""
        text = self._log.read_text(errors='replace')
        return '\n'.join('    ' + line for line in text.splitlines()[-lines:])

    def stop(self) -> None:
        """End the program in order; by force if that takes too long."""
        # Not SIGINT: a job started in the background of a script inherits that it is ignored.
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.exit_code is not None:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                continue

    def __enter__(self) -> Program:
        """Return the running program."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.stop()
