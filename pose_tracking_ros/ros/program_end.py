"""The end of a program that a signal asks for: orderly if possible, in time in any case."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from pose_tracking_ros.ros.program_start import END_SIGNALS

# All of it is over two seconds after the signal; the rest is left to a busy machine.
_LEAVE_AFTER_S = 1.7
# So long the main thread may finish what it is at; then a thread of this module ends the program.
_TAKE_OVER_AFTER_S = 0.8
# So long a worker may finish the image at hand.
_WORK_TIMEOUT_S = 0.8


class TimelyEnd:
    """Answers SIGINT and SIGTERM, from `watch` until the process is gone.

    Python runs signal handlers between two steps of the main thread, which may be inside a library
    for a minute. So a thread of its own learns of the signal through a pipe, asks for the end, and
    if that is not heeded, releases what must be given back to the system and leaves.

    While Python's global lock is held, as when a large library is loaded, this thread waits too.

    Args:
        ask: makes the main thread come to its end soon; called in another thread.
        release: gives back what the system would keep, after waiting for a worker for so many
            seconds at most. It is called once, in the main or another thread.
    """

    def __init__(self, ask: Callable[[], None], release: Callable[[float], None]) -> None:
        self._ask = ask
        self._release = release
        self._is_interruptible = False
        self._is_signalled = False
        self._claim = threading.Lock()
        self._claimed = threading.Event()
        self._pipe = -1

    def watch(self) -> None:
        """Begin to answer signals; to be called in the main thread."""
        # A second signal need not wake anybody: launch and a terminal both send one.
        self._pipe, heard = os.pipe()
        os.set_blocking(heard, False)
        signal.set_wakeup_fd(heard, warn_on_full_buffer=False)
        threading.Thread(target=self._wait, name='end', daemon=True).start()
        for number in END_SIGNALS:
            signal.signal(number, self._interrupt)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal raise KeyboardInterrupt in the meantime.

        For what has nothing to lose and may take long. Elsewhere, an exception between any two
        steps would leave a bag or a message half written.
        """
        self._is_interruptible = True
        try:
            yield
        finally:
            self._is_interruptible = False

    def finish(self) -> None:
        """Release everything, unless another thread does so: then it ends the process."""
        self._is_interruptible = False
        if self._claimed_now():
            self._release(_WORK_TIMEOUT_S)
        else:
            time.sleep(2 * _LEAVE_AFTER_S)

    def _interrupt(self, signal_number: int, frame: FrameType | None) -> None:
        is_first, self._is_signalled = not self._is_signalled, True
        if is_first and self._is_interruptible:
            raise KeyboardInterrupt

    def _claimed_now(self) -> bool:
        is_mine = self._claim.acquire(blocking=False)
        self._claimed.set()
        return is_mine

    def _wait(self) -> None:
        while os.read(self._pipe, 1)[0] not in END_SIGNALS:
            pass
        leave_s = time.monotonic() + _LEAVE_AFTER_S
        self._ask()
        if not self._claimed.wait(_TAKE_OVER_AFTER_S) and self._claimed_now():
            release = threading.Thread(target=self._release, args=(0.0,), daemon=True)
            release.start()
            release.join(leave_s - time.monotonic())
            os._exit(0)
        time.sleep(max(0.0, leave_s - time.monotonic()))
        os._exit(0)
