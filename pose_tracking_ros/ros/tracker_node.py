"""The tracker as a managed ROS 2 node: camera images in, tracked people out.

The callback of the image topic only stores the newest image; a worker thread takes it from there.
So latency is bounded by one inference, and the executor stays free for services and parameters.

Life cycle: configure loads the network and runs it once; activate subscribes; deactivate
unsubscribes and finishes the image at hand; cleanup frees the network. With `autostart`, the
default, the first two happen by themselves.
"""

from __future__ import annotations

if __name__ == '__main__':
    # Before anything slow is imported, so that a signal in the meantime ends it with 0.
    from pose_tracking_ros.ros.program_start import end_at_once_on_signals

    end_at_once_on_signals()

import functools
import traceback
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from pose_tracking_ros.ros.camera_info_input import CameraInfoInput
from pose_tracking_ros.ros.clock_check import ClockCheck
from pose_tracking_ros.ros.diagnostics import ActivityMeter, diagnostic_message
from pose_tracking_ros.ros.gallery_services import GalleryServices
from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.ros.image_input import ImageInput
from pose_tracking_ros.ros.image_intake import ImageIntake
from pose_tracking_ros.ros.interop import Exchange
from pose_tracking_ros.ros.load_watch import LoadWatch
from pose_tracking_ros.ros.mailbox import Mailbox
from pose_tracking_ros.ros.outputs import Draw, Outputs
from pose_tracking_ros.ros.parameter_file import NODES
from pose_tracking_ros.ros.parameters import ParameterStore
from pose_tracking_ros.ros.people_in_space import PeopleInSpace
from pose_tracking_ros.ros.program import leave, run, with_malloc
from pose_tracking_ros.ros.qos import OUTPUT
from pose_tracking_ros.ros.subscriber_check import SubscriberCheck
from pose_tracking_ros.ros.target_service import TargetService
from pose_tracking_ros.ros.transforms import FindTransform
from pose_tracking_ros.ros.worker import Line
from pose_tracking_ros.settings import (
    DepthSettings,
    ImageInputSettings,
    NetworkSettings,
    NodeSettings,
)
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.known_people import KnownPeople
from pose_tracking_ros.viewing.overlay import draw_tracks

if TYPE_CHECKING:
    from pose_tracking_ros.inference.engine import Engine
    from pose_tracking_ros.pipeline import KnowPeople, Pipeline
    from pose_tracking_ros.ros.processor import Processor

EngineFactory = Callable[[NetworkSettings], 'Engine']
_Transition = Callable[['TrackerNode', LifecycleState], TransitionCallbackReturn]

_CHECK_PERIOD_S = 0.5
# One inference of the largest network on a slow CPU.
_DRAIN_TIMEOUT_S = 20.0


def load_telling(settings: NetworkSettings) -> Engine:
    """Return an engine for the settings; what happens meanwhile is logged.

    Raises:
        ValueError: see `load_engine`; likewise OSError, RuntimeError and ImportError.
    """
    # Importing torch takes seconds; here, an interrupt in the meantime ends the program cleanly.
    from pose_tracking_ros.inference import load_engine

    return load_engine(settings, get_logger('tracker_node').info)


def _telling(transition: _Transition) -> _Transition:
    """Log unexpected errors of a transition: rclpy swallows them and only changes the state."""

    @functools.wraps(transition)
    def told(node: TrackerNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            # After a signal the context is gone, and everything fails that needs it.
            if node.context.ok():
                node.get_logger().error(f'{transition.__name__} failed:\n{traceback.format_exc()}')
            raise

    return told


class TrackerNode(LifecycleNode):
    """Subscribes to `image`, publishes `tracked_poses`; see the README for the whole interface.

    Args:
        load: makes the engine; loads the network if not given.
        draw: draws the annotated image; the project's overlay if not given.
        find_transform: to the frame in which people are placed; tf2 if not given.
        know_people: makes or finds the gallery; one of its own if not given.
        parameters_of_others: names that may be given to the process for its other nodes.
        options: passed on to the node (`context`, `parameter_overrides`, `namespace`, ...).

    Raises:
        ParameterError: a parameter given at start is not usable.
    """

    def __init__(
        self,
        load: EngineFactory = load_telling,
        draw: Draw = draw_tracks,
        find_transform: FindTransform | None = None,
        know_people: KnowPeople = KnownPeople,
        parameters_of_others: Collection[str] = (),
        **options: Any,
    ) -> None:
        super().__init__('tracker_node', **options)
        self._load = load
        self._know_people = know_people
        self._draw = draw
        self._store = ParameterStore(
            self,
            tuple(NODES['tracker'].values()),
            is_locked=lambda: self._pipeline is not None,
            of_others=parameters_of_others,
        )
        self._health = Health(self.get_logger().warning)
        self._meter = ActivityMeter()
        self._input = ImageInput(self, self._health, self._receive, self._refuse)
        self._camera_info_input = CameraInfoInput(self, self._health, self._receive_camera_info)
        self._in_space = PeopleInSpace(self, self._health, COCO_17, find_transform)
        self._clock_check = ClockCheck(self, self._health)
        SubscriberCheck(self, self._health)
        self._pipeline: Pipeline | None = None
        self._outputs: Outputs | None = None
        self._mailbox: Mailbox[Any] = Mailbox()
        self._intake = ImageIntake(self._mailbox)
        self._load_watch = LoadWatch(self._health)
        self._worker: Line[Any] | None = None
        self._processor: Processor | None = None
        self._is_enabled = True
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', OUTPUT)
        self.create_service(Trigger, '~/reset', self._reset)
        self.create_service(SetBool, '~/set_enabled', self._set_enabled)
        GalleryServices(self, self._known_people)
        self._target = TargetService(self, self._health, self._is_active, self._known_people)
        # Not the node's clock: it stands still in simulated time until somebody publishes it,
        # which is one of the cases to be explained.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_CHECK_PERIOD_S, self._check, clock=steady)
        period_s = self._settings.diagnostics_period_s
        self.create_timer(period_s, self._publish_diagnostics, clock=steady)

    @property
    def node(self) -> Node:
        """The node itself, as `program.run` wants it."""
        return self

    @property
    def _settings(self) -> NodeSettings:
        return self._store.get(NodeSettings)

    def _is_active(self) -> bool:
        return self._processor is not None

    def _known_people(self) -> KnownPeople | None:
        return self._pipeline.known_people if self._pipeline is not None else None

    def start(self) -> bool:
        """Configure and activate if `autostart` says so; return whether that went well."""
        if not self._settings.autostart:
            self.get_logger().info('waiting for a life cycle manager to configure this node')
            return True
        success = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == success and self.trigger_activate() == success)

    def stop(self, timeout_s: float) -> bool:
        """End the worker without waiting for stored images; return whether it ended in time.

        What is shown in RViz is taken back.
        """
        if self._worker is None:
            return True
        self._worker.discard()
        has_ended = self._worker.join(timeout_s)
        if has_ended and self._processor is not None and self.context.ok():
            self._processor.finish()
        return has_ended

    @_telling
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network, run it once and announce the skeleton."""
        from pose_tracking_ros.inference.out_of_memory import SparingEngine
        from pose_tracking_ros.pipeline import make_pipeline

        network = self._store.get(NetworkSettings)
        self.get_logger().info(f'loading network {network.preset}, weights {network.weights}')
        try:
            engine = SparingEngine(self._load(network), network, self._tell_of_memory)
            engine.warm_up()
            pipeline = make_pipeline(engine, self._store, self._know_people)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            self.get_logger().error(f'cannot be configured: {error}')
            return TransitionCallbackReturn.FAILURE
        if engine.fallback_reason:
            self._health.report('device', f'running on the CPU: {engine.fallback_reason}')
        self._pipeline = pipeline
        exchange = Exchange(self, self._health, self._store)
        self._outputs = Outputs(self, COCO_17, engine.model_id, self._draw, self._target, exchange)
        self.get_logger().info(f'{engine.model_id} is ready on {engine.device_name}')
        return super().on_configure(state)

    @_telling
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to work."""
        from pose_tracking_ros.ros.processor import Processor

        assert self._pipeline is not None
        assert self._outputs is not None
        result = super().on_activate(state)
        self._mailbox = Mailbox()
        self._intake = ImageIntake(self._mailbox)
        self._load_watch = LoadWatch(self._health)
        self._processor = Processor(
            self._pipeline,
            self._outputs,
            self._intake,
            self._store,
            self._health,
            self._meter,
            self.get_clock(),
            self._in_space,
        )
        stations = self._processor.stations(self._settings.pipeline_threads)
        self._worker = Line(self._mailbox, stations, self._intake.count_overtaken)
        if self._is_enabled:
            self._listen()
        return result

    @_telling
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and finish what has arrived."""
        self._release_activity()
        return super().on_deactivate(state)

    @_telling
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network."""
        self._release_configuration()
        return super().on_cleanup(state)

    @_telling
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End everything, from any state."""
        self._release_activity()
        self._release_configuration()
        return super().on_shutdown(state)

    @_telling
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to the unconfigured state, so that one can try again."""
        self._release_activity()
        self._release_configuration()
        return TransitionCallbackReturn.SUCCESS

    def _listen(self) -> None:
        self._input.open(self._settings.image_transport, self._settings.image_qos)
        self.get_logger().info(f'subscribed to {self._input.description}')

    def _release_activity(self) -> None:
        self._input.close()
        self._in_space.close()
        self._camera_info_input.follow(False)
        if self._worker is None:
            return
        self._mailbox.close()
        if not self._worker.join(_DRAIN_TIMEOUT_S):
            self.get_logger().error(
                f'the image at hand was not finished within {_DRAIN_TIMEOUT_S:.0f} s'
            )
        assert self._processor is not None
        self._processor.finish()
        self._worker = None
        self._processor = None

    def _release_configuration(self) -> None:
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = None
        self._pipeline = None
        self._health.resolve('device')
        self._health.resolve('memory')

    def _tell_of_memory(self, problem: str) -> None:
        self._health.report('memory', problem)

    def _receive(self, message: Any) -> None:
        self._meter.count_received()
        self._in_space.expect(message.header)
        self._intake.take_in(message, self._store.get(ImageInputSettings).max_rate_hz)

    def _refuse(self) -> None:
        self._meter.count_received()
        self._intake.count_unreadable()

    def _receive_camera_info(self, message: Any) -> None:
        if self._processor is not None:
            self._processor.camera_info = message

    def _check(self) -> None:
        if self._worker is not None and self.context.ok():
            # Without a context publishing fails, which is no fault of the worker.
            self._worker.raise_failure()
        self._input.check(self._settings.silence_warning_s)
        self._clock_check.check(self._settings.silence_warning_s)
        if self._processor is not None and self._outputs is not None:
            if self._input.is_open:
                self._in_space.listen(self._store.get(DepthSettings), self._settings.image_qos)
            self._load_watch.check(self._intake.counts(), self._intake.busy_s)
            self._camera_info_input.follow(
                self._outputs.wants_camera_info or self._processor.wants_camera_info
            )

    def _reset(self, request: Any, response: Any) -> Any:
        response.success = self._processor is not None
        if self._processor is None:
            response.message = 'expected an active node; nothing to reset'
        else:
            self._processor.request_reset()
            response.message = 'tracks are forgotten with the next image'
        return response

    def _set_enabled(self, request: Any, response: Any) -> Any:
        """Listen, or stop listening; the tracks stay. Also counts for the next activation."""
        self._is_enabled = request.data
        if self._processor is not None and self._is_enabled != self._input.is_open:
            if self._is_enabled:
                self._listen()
            else:
                self._input.close()
                self._in_space.close()
        response.success = True
        response.message = 'enabled' if self._is_enabled else 'disabled: images are not received'
        return response

    def _publish_diagnostics(self) -> None:
        values = {'input': self._input.description, 'depth': self._in_space.description}
        hardware_id = ''
        summary = 'not configured'
        if self._pipeline is not None:
            summary = 'not active'
            hardware_id = self._pipeline.engine.device_name
            values |= {'model': self._pipeline.engine.model_id, 'device': hardware_id}
        if self._processor is not None:
            summary = 'tracking' if self._is_enabled else 'disabled'
            values |= {f'images {what}': str(n) for what, n in self._intake.counts().items()}
            infos = self._camera_info_input.counts()
            values |= {f'camera_info {what}': str(n) for what, n in infos.items()}
            values['session'] = str(self._processor.session_id)
            values['target'] = self._target.description
        values |= {f'reports: {kind}': str(n) for kind, n in self._health.counts().items()}
        problems = self._health.active()
        self._diagnostics.publish(
            diagnostic_message(
                name=self.get_fully_qualified_name().lstrip('/'),
                hardware_id=hardware_id,
                stamp=self.get_clock().now().to_msg(),
                summary=summary,
                problems=problems,
                is_error='inference' in problems,
                activity=self._meter.take(),
                values=values,
            )
        )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the node as a program and end the process."""
    leave(run(lambda: with_malloc(TrackerNode()), arguments))


if __name__ == '__main__':
    main()
