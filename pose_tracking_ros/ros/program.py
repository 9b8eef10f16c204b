"""Run a node as a program: memory settings, spinning, and an end without noise."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

import rclpy
import rclpy.utilities
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node

from pose_tracking_ros.ros.parameters import ParameterError

NodeT = TypeVar('NodeT', bound=Node)

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3

_STOP_TIMEOUT_S = 1.5


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


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(make: Callable[[], Runnable], arguments: Sequence[str] | None = None) -> int:
    """Run a node until it is interrupted; return the exit code.

    SIGINT and SIGTERM end it with 0 within two seconds, also while a network is being loaded or
    an image is processed. An unexpected error ends it with its traceback.

    Args:
        make: makes the node; called when rclpy is ready.
        arguments: command line, ROS arguments included; that of the process if not given.
    """
    # rclpy's own handler calls this one after it has shut the context down.
    signal.signal(signal.SIGTERM, _interrupt)
    rclpy.init(args=None if arguments is None else [sys.argv[0], *arguments])
    executor = SingleThreadedExecutor()
    runnable: Runnable | None = None
    code = 0
    try:
        try:
            runnable = make()
            executor.add_node(runnable.node)
            if runnable.start():
                executor.spin()
            elif rclpy.utilities.ok():
                code = 1
        except RuntimeError:
            # A signal shuts the context down before it interrupts: what is published in between
            # fails, for example the end of a transition.
            if rclpy.utilities.ok():
                raise
    except ParameterError as error:
        get_logger('pose_tracking_ros').fatal(str(error))
        code = 1
    except (KeyboardInterrupt, ExternalShutdownException, ProgramEnd):
        code = 0
    finally:
        # A terminal and launch both send SIGINT, so it often comes twice.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if runnable is not None and runnable.stop(_STOP_TIMEOUT_S):
            # Without its thread the node can go. Its shared memory is removed with the context,
            # which lives until the last part of the node is collected; destroying a life cycle
            # node leaves its state machine.
            executor.shutdown()
            try:
                runnable.node.destroy_node()
            except (ValueError, RuntimeError) as error:
                # Interrupted between two of rclpy's own steps, a publisher is only half made. The
                # process ends, and the system takes back what is left.
                get_logger('pose_tracking_ros').debug(f'not all of the node is released: {error}')
            runnable = None
            gc.collect()
            rclpy.utilities.try_shutdown()
            rclpy.utilities.get_default_context().destroy()
    return code


def leave(code: int) -> NoReturn:
    """End the process at once, without taking Python and its libraries apart.

    With torch loaded that takes one to two seconds, several on a busy machine, in which launch
    loses patience; and a thread may still be inside the network.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
