"""Start programs, send them signals, and tell how long they took without what the machine took."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROMISED_S = 2.0
_LOOK_EVERY_S = 0.01


class Ended:
    """How a program ended after a signal.

    Attributes:
        code: exit code.
        said: on stderr, since it was last read.
        spent_s: from the signal to the end, s.
        taken_s: of that, at most so much was taken by other programs: the time that its threads
            waited for a processor, and that this process slept too long. Almost 0 on an idle
            machine.
        segments: of shared memory that it had made for DDS.
    """

    def __init__(
        self, code: int, said: str, spent_s: float, taken_s: float, segments: set[str]
    ) -> None:
        self.code, self.said, self.spent_s, self.taken_s = code, said, spent_s, taken_s
        self.segments = segments

    def assert_clean(self) -> None:
        """Fail unless it ended as promised: with 0, within two seconds, and leaving nothing.

        On a busy machine it has three times as much longer as others took: threads that wait for
        each other wait one after the other.
        """
        assert self.code == 0, (self.code, self.said)
        assert 'Traceback' not in self.said, self.said
        assert not [path for path in self.segments if os.path.exists(path)]
        assert self.spent_s < PROMISED_S + 3 * self.taken_s


class Programs:
    """Programs in processes of their own, ended with the test."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *command: str, block: bool = False, **environment: str) -> subprocess.Popen:
        """Start a program.

        Args:
            command: of Python when it begins with `-`.
            block: hold SIGINT and SIGTERM back from the very start, as the installed programs do.
            environment: variables beside those of this process.
        """
        before = _shared_memory()
        process = subprocess.Popen(
            [sys.executable, *command] if command[0].startswith('-') else list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONUNBUFFERED': '1', **environment},
            preexec_fn=_hold_signals_back if block else None,
        )
        process.shared_memory_before = before
        self._running.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.communicate()


def _shared_memory() -> set[str]:
    return set(os.listdir('/dev/shm')) if os.path.isdir('/dev/shm') else set()


def segments_of(process: subprocess.Popen[str]) -> set[str]:
    """Return the shared memory that a program has made. Ports, shared by all, are not among it."""
    maps = Path(f'/proc/{process.pid}/maps').read_text()
    mapped = set(re.findall(r'/dev/shm/(\S+)', maps))
    new = _shared_memory() - process.shared_memory_before
    return {f'/dev/shm/{name}' for name in mapped & new if 'port' not in name}


def _hold_signals_back() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])


@pytest.fixture
def programs() -> Iterator[Programs]:
    started = Programs()
    yield started
    started.close()


def wait_for(process: subprocess.Popen[str], word: str, stream: str = 'stdout') -> None:
    """Read what a program says until it says a word."""
    for line in getattr(process, stream):
        if word in line:
            return
    pytest.fail(f'ended before it said {word!r}:\n{process.stderr.read()}')


def end(process: subprocess.Popen[str], signal_number: int, times: int = 1) -> Ended:
    """Send a signal, wait for the end, and return how it came."""
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
    reader.start()
    segments = segments_of(process)
    waited_before_s = waited_s(process.pid)
    began_s = time.monotonic()
    for _ in range(times):
        process.send_signal(signal_number)
    waiting_s = overslept_s = 0.0
    while process.poll() is None:
        slept_s = time.monotonic()
        time.sleep(_LOOK_EVERY_S)
        overslept_s += time.monotonic() - slept_s - _LOOK_EVERY_S
        waiting_s = max(waiting_s, waited_s(process.pid) - waited_before_s)
        assert time.monotonic() - began_s < 60, 'it does not end'
    spent_s = time.monotonic() - began_s
    reader.join()
    return Ended(process.returncode, ''.join(said), spent_s, waiting_s + overslept_s, segments)


def waited_s(pid: int) -> float:
    """Return how long the threads of a process have waited for a processor, s; 0 once it ended."""
    waited_ns = 0
    for thread in Path(f'/proc/{pid}/task').glob('*/schedstat'):
        # It may end in the meantime.
        with contextlib.suppress(OSError, IndexError):
            waited_ns += int(thread.read_text().split()[1])
    return waited_ns * 1e-9
