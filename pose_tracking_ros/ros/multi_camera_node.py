"""Trackers for several cameras in one process, with one network in memory.

Each camera has a `tracker_node` in its own namespace, the same as if it ran by itself: parameters,
topics, services, life cycle and diagnostics. Each is spun by a thread of its own, so that none
waits while another is configured or ends. Together they have the network, which takes their images
in turn (`inference/batching.py`), and the gallery of known people, if that is wanted.
"""

from __future__ import annotations

if __name__ == '__main__':
    # Before anything slow is imported, so that a signal in the meantime ends it with 0.
    from pose_tracking_ros.ros.program_start import end_at_once_on_signals

    end_at_once_on_signals()

import dataclasses
import re
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from pose_tracking_ros.inference.batching import SharedEngines
from pose_tracking_ros.ros.parameter_file import NODES
from pose_tracking_ros.ros.parameters import ParameterError, ParameterStore
from pose_tracking_ros.ros.program import destroy, leave, run, spin_until, with_malloc
from pose_tracking_ros.ros.tracker_node import EngineFactory, TrackerNode, load_telling
from pose_tracking_ros.ros.worker import Task
from pose_tracking_ros.settings import MultiCameraSettings
from pose_tracking_ros.tracking.known_people import KnownPeople, SharedGallery

MakeTracker = Callable[..., TrackerNode]

_CHECK_PERIOD_S = 0.5
# What ROS takes for a namespace: words of letters, digits and underscores, joined by slashes.
_CAMERA = re.compile(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
_OF_TRACKERS = [
    field.name for section in NODES['tracker'].values() for field in dataclasses.fields(section)
]
_OWN = [field.name for field in dataclasses.fields(MultiCameraSettings)]


def camera_namespaces(cameras: str, base: str) -> list[str]:
    """Return the namespace of each camera.

    Args:
        cameras: names separated by commas; one that begins with a slash is taken as it is.
        base: namespace for the others.

    Raises:
        ValueError: there is none, one is not a namespace, or one occurs twice.
    """
    names = [name.strip() for name in cameras.split(',') if name.strip()]
    if not names:
        raise ValueError(
            f'cameras: expected names separated by commas, for example front,rear; got {cameras!r}'
        )
    for name in names:
        if not _CAMERA.fullmatch(name.strip('/')):
            raise ValueError(
                f'cameras: expected names of letters, digits and underscores, got {name!r}'
            )
    namespaces = [
        f'/{name.strip("/")}' if name.startswith('/') else f'{base.rstrip("/")}/{name.strip("/")}'
        for name in names
    ]
    for namespace in namespaces:
        if namespaces.count(namespace) > 1:
            raise ValueError(
                f'cameras: expected each name once, got {namespace} more than once: two trackers '
                'would publish on the same topics'
            )
    return namespaces


class _Camera:
    """A tracker node and the thread that calls what is due in it."""

    def __init__(self, node: TrackerNode) -> None:
        self.node = node
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._end = Future()
        self._spinning: Task | None = None

    def start(self) -> bool:
        """Start the node and its thread; return whether the node works.

        A node that does not can still be configured later, by its services.
        """
        is_working = self.node.start()
        self._spinning = Task(self._spin)
        return is_working

    @property
    def failure(self) -> BaseException | None:
        """The unexpected error that ended the thread, if one did."""
        return None if self._spinning is None else self._spinning.failure

    def ask_for_end(self) -> None:
        """Let both threads end, after the callback and the image at hand."""
        if not self._end.done():
            self._end.set_result(None)
        self.node.stop(0.0)

    def stop(self, timeout_s: float) -> bool:
        """Wait for the end of both; return whether it came in time."""
        end_s = time.monotonic() + timeout_s
        has_ended = self._spinning is None or self._spinning.join(timeout_s)
        return self.node.stop(max(0.0, end_s - time.monotonic())) and has_ended

    def destroy(self) -> None:
        """Give back all that belongs to rclpy."""
        self._executor.shutdown(timeout_sec=0.0)
        destroy(self.node)

    def _spin(self) -> None:
        try:
            spin_until(self._executor, self._end)
        except ExternalShutdownException:
            # The end of the whole process.
            return


class MultiCameraNode(Node):
    """Makes and runs a `TrackerNode` for each camera; has parameters and nothing else itself.

    Args:
        load: loads a network; once for all cameras whose settings of the network agree.
        make_tracker: makes the node of a camera.
        options: passed on to this node (`context`, `parameter_overrides`, `namespace`, ...).

    Raises:
        ParameterError: a parameter given at start is not usable, of this node or of a camera.
    """

    def __init__(
        self,
        load: EngineFactory = load_telling,
        make_tracker: MakeTracker = TrackerNode,
        **options: Any,
    ) -> None:
        super().__init__('multi_camera_node', **options)
        self._store = ParameterStore(self, (MultiCameraSettings,), of_others=_OF_TRACKERS)
        settings = self._store.get(MultiCameraSettings)
        try:
            namespaces = camera_namespaces(settings.cameras, self.get_namespace())
        except ValueError as error:
            raise ParameterError(f'parameter {error}') from error
        engines = SharedEngines(
            load,
            settings.max_batch,
            settings.max_batch_wait_s,
            settings.max_network_copies or len(namespaces),
        )
        know_people = SharedGallery().open if settings.share_gallery else KnownPeople
        self._cameras: dict[str, _Camera] = {}
        self._told: set[str] = set()
        for namespace in namespaces:
            names = ['-r', f'__ns:={namespace}', '-r', '__node:=tracker_node']
            node = make_tracker(
                load=engines.open,
                know_people=know_people,
                parameters_of_others=_OWN,
                context=self.context,
                # Those of the process count for all of its nodes, except for their names.
                cli_args=['--ros-args', *names],
            )
            self._cameras[namespace] = _Camera(with_malloc(node))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_CHECK_PERIOD_S, self._check, clock=steady)

    @property
    def node(self) -> Node:
        """The node itself, as `program.run` wants it; the cameras' nodes have their threads."""
        return self

    @property
    def trackers(self) -> list[TrackerNode]:
        """The nodes of the cameras, in the order of the parameter."""
        return [camera.node for camera in self._cameras.values()]

    def start(self) -> bool:
        """Start all cameras; return whether one at least works."""
        are_working = [camera.start() for camera in self._cameras.values()]
        for namespace, is_working in zip(self._cameras, are_working, strict=True):
            if not is_working and any(are_working):
                self.get_logger().error(
                    f'{namespace} could not be started and is left out; the others work. When '
                    f'the cause is mended: ros2 lifecycle set {namespace}/tracker_node configure, '
                    'then activate'
                )
        return any(are_working)

    def stop(self, timeout_s: float) -> bool:
        """End all cameras without waiting for stored images; return whether that came in time."""
        end_s = time.monotonic() + timeout_s
        for camera in self._cameras.values():
            camera.ask_for_end()
        have_ended = [
            camera.stop(max(0.0, end_s - time.monotonic())) for camera in self._cameras.values()
        ]
        return all(have_ended)

    def destroy_node(self) -> None:
        """Give back the nodes of the cameras, and this one."""
        for camera in self._cameras.values():
            camera.destroy()
        super().destroy_node()

    def _check(self) -> None:
        """Tell of a camera that has ended by an unexpected error; raise it if it was the last.

        Raises:
            Exception: what ended the last camera.
        """
        failures = {
            namespace: camera.failure
            for namespace, camera in self._cameras.items()
            if camera.failure is not None
        }
        for namespace, failure in failures.items():
            assert failure is not None
            if len(failures) == len(self._cameras):
                raise failure
            if namespace not in self._told:
                self._told.add(namespace)
                self._cameras[namespace].ask_for_end()
                text = ''.join(traceback.format_exception(failure))
                self.get_logger().error(
                    f'{namespace} has ended by an unexpected error; the others go on. Start the '
                    f'program again to have it back:\n{text}'
                )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the nodes as a program and end the process."""
    leave(run(MultiCameraNode, arguments))


if __name__ == '__main__':
    main()
