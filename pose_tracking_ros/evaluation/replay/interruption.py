"""Ctrl-C as a wish to come to an end: what is at hand is finished, and files are complete."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Final

EXIT_CODE: Final = 130
"""Of a program that was interrupted, as shells report it."""


class Interruption:
    """Takes note of SIGINT and SIGTERM instead of raising an error; a context manager.

    Outside of the main thread, which alone may handle signals, it does nothing.
    """

    def __init__(self) -> None:
        self._is_wanted = False
        self._former: dict[signal.Signals, Any] = {}

    def is_wanted(self) -> bool:
        """Return whether somebody has asked for the end."""
        return self._is_wanted

    def _note(self, signal_number: int, frame: FrameType | None) -> None:
        self._is_wanted = True

    def __enter__(self) -> Interruption:
        """Begin to listen."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: Any) -> None:
        """Leave signals to those who handled them before."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}
