"""Run a node as a program: memory settings, spinning, and an end without noise."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol, TypeVar

import rclpy
import rclpy.utilities
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    ConditionReachedException,
    Executor,
    ExternalShutdownException,
    ShutdownException,
    SingleThreadedExecutor,
)
from rclpy.lifecycle import LifecycleNode
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from pose_tracking_ros.ros.parameters import ParameterError
from pose_tracking_ros.ros.program_end import TimelyEnd
from pose_tracking_ros.ros.program_start import end_at_once_on_signals

NodeT = TypeVar('NodeT', bound=Node)

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3


def enlarge_malloc() -> bool:
    """Keep freed image buffers on the heap; return whether the C library took it.

    By default glibc maps memory anew for each image of several MB and gives it back after, so that
    the kernel clears it page by page, 30 times a second. With these settings receiving 720p at
    30 Hz took 3 % instead of 13 % of a CPU, and 1.6 instead of 4 ms. The price is memory that
    stays with the process, at most the largest amount that was in use at one time.

    Other C libraries (musl, macOS) do without.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    libc = ctypes.CDLL(None)
    wishes = [(_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 64 << 20)]
    return all(libc.mallopt(key, value) == 1 for key, value in wishes)


def with_malloc(node: NodeT) -> NodeT:
    """Return the node, after `enlarge_malloc` if its parameter of that name asks for it."""
    if node.get_parameter('enlarge_malloc').value and not enlarge_malloc():
        node.get_logger().info('enlarge_malloc has no effect: this C library is not glibc')
    return node


class Runnable(Protocol):
    """A node that can be run as a program."""

    @property
    def node(self) -> Node:
        """The node to spin."""

    def start(self) -> bool:
        """Begin to work; return False, after saying why, if that is not possible."""

    def stop(self, timeout_s: float) -> bool:
        """End what runs in threads; return whether all of it ended in time."""


class ProgramEnd(Exception):  # noqa: N818 - not an error
    """Raised in a callback to end the program with exit code 0."""


def spin_until(executor: Executor, end: Future) -> None:
    """Call what is due, one after another in this thread, until the future is done.

    The executor's own `spin_until_future_complete` hangs one more callback on the future for each
    message and timer (rclpy 7.1): 0.3 kB that stay, a gigabyte in a day of 40 events per second.

    Args:
        executor: with all of its nodes.
        end: may be completed in any thread; the callback at hand is finished.

    Raises:
        ExternalShutdownException: the context was shut down.
        Exception: whatever a callback raises.
    """
    end.add_done_callback(lambda _: executor.wake())
    while not end.done():
        try:
            callback, _, _ = executor.wait_for_ready_callbacks(None, None, end.done)
        except (ShutdownException, ConditionReachedException):
            return
        callback()
        # Raises what the callback raised.
        callback.result()


class _Program:
    """A node with its executor, from rclpy's start to its end."""

    def __init__(self) -> None:
        self._executor = SingleThreadedExecutor()
        self._runnable: Runnable | None = None
        self._end = Future()

    def start(self, make: Callable[[], Runnable]) -> bool:
        """Make the node and start it; return whether it works."""
        self._runnable = make()
        self._executor.add_node(self._runnable.node)
        return self._runnable.start()

    def spin(self) -> None:
        """Call what is due until `ask_for_end`, or until the context is shut down."""
        spin_until(self._executor, self._end)

    def ask_for_end(self) -> None:
        """Let `spin` return after the callback at hand. May be called from any thread."""
        self._end.set_result(None)

    def release(self, wait_s: float) -> None:
        """Give everything back that the system would keep: the shared memory of DDS.

        Python's own objects may stay, in the frames of a thread that is still busy. What of
        theirs belongs to rclpy is destroyed one by one: the memory goes with the last of it.

        Args:
            wait_s: how long a worker may finish what it is at, s.
        """
        runnable, self._runnable = self._runnable, None
        if runnable is not None:
            runnable.stop(wait_s)
            self._executor.shutdown()
            destroy(runnable.node)
            del runnable
        # For a node that was only half made when the signal came.
        gc.collect()
        rclpy.utilities.try_shutdown()
        rclpy.utilities.get_default_context().destroy()


def destroy(node: Node) -> None:
    """Destroy a node, also one that is only half made, with its life cycle."""
    try:
        node.destroy_node()
        if isinstance(node, LifecycleNode):
            # rclpy forgets this, and it holds the node.
            node._state_machine.destroy_when_not_in_use()
    except (ValueError, RuntimeError, InvalidHandle) as error:
        # Interrupted between two of rclpy's own steps, a publisher is only half made. The
        # process ends, and the system takes back what is left.
        get_logger('pose_tracking_ros').debug(f'not all of the node is released: {error}')


def run(make: Callable[[], Runnable], arguments: Sequence[str] | None = None) -> int:
    """Run a node until it is interrupted; return the exit code.

    SIGINT and SIGTERM end it with 0 within two seconds, also while a network is being loaded or
    an image is processed; an image that takes longer is left behind. An unexpected error ends it
    with its traceback.

    Args:
        make: makes the node; called when rclpy is ready.
        arguments: command line, ROS arguments included; that of the process if not given.
    """
    end_at_once_on_signals()
    # Without rclpy's own handlers: they shut the context down at once, and neither the image at
    # hand nor the deletion of markers could be published.
    rclpy.init(
        args=None if arguments is None else [sys.argv[0], *arguments],
        signal_handler_options=SignalHandlerOptions.NO,
    )
    program = _Program()
    end = TimelyEnd(program.ask_for_end, program.release)
    code = 0
    try:
        end.watch()
        with end.interruptible():
            is_started = program.start(make)
        if is_started:
            program.spin()
        elif rclpy.utilities.ok():
            code = 1
    except ParameterError as error:
        get_logger('pose_tracking_ros').fatal(str(error))
        code = 1
    except (KeyboardInterrupt, ExternalShutdownException, ProgramEnd):
        code = 0
    except RuntimeError:
        # When somebody else has shut the context down, everything fails that publishes.
        if rclpy.utilities.ok():
            raise
    finally:
        end.finish()
    return code


def leave(code: int) -> NoReturn:
    """End the process at once, without taking Python and its libraries apart.

    With torch loaded that takes one to two seconds, several on a busy machine, in which launch
    loses patience; and a thread may still be inside the network.
    """
    for stream in (sys.stdout, sys.stderr):
        # Whoever read it may have ended first.
        with contextlib.suppress(OSError):
            stream.flush()
    # rclpy's logger writes past Python.
    ctypes.CDLL(None).fflush(None)
    os._exit(code)
