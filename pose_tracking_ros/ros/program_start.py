"""The first thing a program does: answer signals while Python and ROS are still being loaded."""

from __future__ import annotations

import os
import signal
from types import FrameType

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What a terminal, launch and a service manager send to end a program."""


def end_at_once_on_signals() -> None:
    """Let SIGINT and SIGTERM end the process with 0, as long as there is nothing to clean up.

    To be called before anything slow is imported; `program.run` takes over from here. Signals that
    the installed programs hold back while Python itself starts are answered now.
    """
    for number in END_SIGNALS:
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)


def _end(signal_number: int, frame: FrameType | None) -> None:
    os._exit(0)
