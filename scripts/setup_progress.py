"""Run the commands of a set-up step: their output into a log, a line of progress for the user.

Standard library only, and syntax of Python 3.7 (see environment_plan.py).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from environment_plan import SetupError, remedy_for


class Progress:
    """Says what is going on: one line rewritten in place on a terminal, else a line at times."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._last_shown = 0.0

    def step(self, number: int, total: int, text: str) -> None:
        """Announce a step."""
        print(f'[{number}/{total}] {text}', flush=True)
        self._last_shown = time.monotonic()

    def detail(self, started: float, text: str) -> None:
        """Show how far a step is."""
        now = time.monotonic()
        if now - self._last_shown < (0.2 if self._is_terminal else 10.0):
            return
        self._last_shown = now
        line = f'      {now - started:4.0f} s  {text}'
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            print('\r' + line[:width].ljust(width), end='', flush=True)
        else:
            print(line, flush=True)

    def done(self, started: float, text: str = 'done') -> None:
        """Close a step."""
        if self._is_terminal:
            print('\r' + ' ' * (shutil.get_terminal_size().columns - 1) + '\r', end='')
        print(f'      {text} ({time.monotonic() - started:.1f} s)', flush=True)


PROGRESS = Progress()


def run_logged(
    log_file: Path,
    what: str,
    command: list[str],
    environment: dict[str, str] | None = None,
    tell: Callable[[str], str | None] = lambda line: line.strip(),
) -> None:
    """Run a command, its output going to the log.

    Args:
        log_file: what the command prints is added to it.
        what: the step in words, for the message when it fails.
        command: program and arguments.
        environment: environment variables, None for the present ones.
        tell: turns a line of output into what the user sees, None to show nothing.

    Raises:
        SetupError: it could not be started or ended with another status than 0.
    """
    started = time.monotonic()
    recent: list[str] = []
    with log_file.open('a', encoding='utf-8') as log:
        log.write(f'\n$ {" ".join(command)}\n')
        with subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            errors='replace',
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                log.flush()
                recent = [*recent[-199:], line]
                text = tell(line)
                if text:
                    PROGRESS.detail(started, text)
        status = process.returncode
    if status != 0:
        output = ''.join(recent)
        shown = ''.join('    ' + line for line in telling_lines(recent))
        raise SetupError(
            f'{what} failed.',
            f'{Path(command[0]).name} ended with status {status}; its last words '
            f'(all of them are in {log_file}):\n{shown}',
            remedy_for(output),
        )


def telling_lines(lines: list[str], most: int = 10) -> list[str]:
    """Return the lines of a failed command's output that say most: from the first error on."""
    for start, line in enumerate(lines):
        if re.search(r'\b(error|fatal)\b', line, re.IGNORECASE):
            return [line for line in lines[start:] if line.strip()][:most]
    return lines[-most:]
