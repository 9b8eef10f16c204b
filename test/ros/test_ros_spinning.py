"""Calling what is due in a node, for as long as a robot runs."""

import gc
import threading
import tracemalloc

import pytest

_EVENTS = 2_000


@pytest.fixture
def executor():
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor

    context = Context()
    rclpy.init(context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(rclpy.create_node('spinning', context=context))
    yield executor
    for node in executor.get_nodes():
        node.destroy_node()
    executor.shutdown()
    rclpy.try_shutdown(context=context)


def _node(executor):
    (node,) = executor.get_nodes()
    return node


def test_memory_stays_the_same_however_much_there_is_to_call(executor):
    from rclpy.task import Future

    from pose_tracking_ros.ros.program import spin_until

    end = Future()
    sizes = []
    events = 0

    def happen():
        nonlocal events
        events += 1
        if events % _EVENTS == 0:
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        if events == 3 * _EVENTS:
            end.set_result(None)
        guard.trigger()

    guard = _node(executor).create_guard_condition(happen)
    guard.trigger()
    tracemalloc.start()
    try:
        spin_until(executor, end)
    finally:
        tracemalloc.stop()
    # A single callback that is kept per event would be 0.3 kB.
    assert sizes[-1] - sizes[0] < 10 * 2 * _EVENTS


def test_spinning_ends_though_nothing_happens(executor):
    from rclpy.task import Future

    from pose_tracking_ros.ros.program import spin_until

    end = Future()
    spinning = threading.Thread(target=spin_until, args=(executor, end))
    spinning.start()
    spinning.join(0.2)
    assert spinning.is_alive()
    end.set_result(None)
    spinning.join(10.0)
    assert not spinning.is_alive()


def test_what_a_callback_raises_comes_out(executor):
    from rclpy.task import Future

    from pose_tracking_ros.ros.program import spin_until

    def fail():
        raise ValueError('what went wrong')

    _node(executor).create_guard_condition(fail).trigger()
    with pytest.raises(ValueError, match='what went wrong'):
        spin_until(executor, Future())
