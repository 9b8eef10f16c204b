"""The managed node through its states."""

import pytest


def state_of(tracker):
    return tracker._state_machine.current_state[1]


def change(graph, label):
    from lifecycle_msgs.srv import ChangeState

    request = ChangeState.Request()
    request.transition.label = label
    return graph.call(ChangeState, 'tracker_node/change_state', request).success


def test_a_manager_leads_through_all_states(graph, engine, image):
    from pose_tracking_ros.msg import TrackedPoseArray

    poses = graph.listen(TrackedPoseArray, 'tracked_poses')
    camera = graph.camera()
    tracker = graph.tracker(engine, autostart=False)
    assert state_of(tracker) == 'unconfigured'
    assert engine.warm_ups == 0

    assert change(graph, 'configure')
    assert state_of(tracker) == 'inactive'
    assert engine.warm_ups == 1
    assert camera.get_subscription_count() == 0

    sessions = []
    for stamp_s in (10, 20):
        assert change(graph, 'activate')
        graph.until(lambda: 'reliable)' in tracker._input.description, 'reliable')
        graph.connect(camera, tracker)
        graph.connect(tracker._outputs._poses)
        poses.clear()
        camera.publish(image(stamp_s))
        graph.until(lambda: poses, 'poses')
        assert (poses[0].sequence, poses[0].header.stamp.sec) == (1, stamp_s)
        sessions.append(poses[0].session_id)
        assert change(graph, 'deactivate')
        assert state_of(tracker) == 'inactive'
        graph.until(lambda: not camera.get_subscription_count(), 'unsubscribed')
    assert sessions[0] != sessions[1]

    assert change(graph, 'cleanup')
    assert state_of(tracker) == 'unconfigured'
    assert tracker._pipeline is None
    assert change(graph, 'configure')
    assert engine.warm_ups == 2
    assert change(graph, 'shutdown')
    assert state_of(tracker) == 'finalized'


def test_deactivating_publishes_what_was_at_hand(scene, image):
    scene = scene()
    scene.engine.gate.clear()
    scene.camera.publish(image(1.0))
    scene.graph.until(scene.engine.is_busy.is_set, 'engine busy')
    scene.camera.publish(image(2.0))
    scene.graph.until(lambda: scene.tracker._mailbox.received == 2, 'stored')
    scene.engine.gate.set()
    scene.tracker.trigger_deactivate()
    scene.graph.until(lambda: len(scene.poses) == 2, 'both arrays')
    assert [a.header.stamp.sec for a in scene.poses] == [1, 2]


@pytest.mark.parametrize(
    'error',
    [
        FileNotFoundError('no checkpoint at /nowhere'),
        ValueError('weights: for another network'),
        RuntimeError('no GPU left'),
    ],
)
def test_a_network_that_cannot_be_loaded_leaves_the_node_unconfigured(graph, engine, error):
    def fail():
        raise error

    engine.warm_up = fail
    tracker = graph.tracker(engine, is_started=False)
    assert not tracker.start()
    assert state_of(tracker) == 'unconfigured'
    del engine.warm_up
    assert tracker.start()
    assert state_of(tracker) == 'active'


def test_a_precision_that_the_processor_lacks_leaves_the_node_unconfigured(
    graph, tmp_path, monkeypatch, capfd
):
    from rclpy.parameter import Parameter

    from pose_tracking_ros.inference.processor import Processor
    from pose_tracking_ros.ros.tracker_node import TrackerNode

    monkeypatch.setattr(Processor, 'here', lambda: Processor('Old CPU', 2, ('avx2',)))
    parameters = {'device': 'cpu', 'threads': 1, 'image_long_side_px': 64}
    options = graph.options(precision='bf16', engine_cache=str(tmp_path), **parameters)
    tracker = graph.add(TrackerNode(**options))
    assert not tracker.start()
    assert state_of(tracker) == 'unconfigured'
    told = capfd.readouterr().err
    assert 'cannot be configured: precision: Old CPU has neither' in told
    assert 'choose f32' in told
    assert 'Traceback' not in told
    # Unconfigured, it may be corrected.
    (result,) = tracker.set_parameters([Parameter('precision', value='f32')])
    assert result.successful
    tracker.set_parameters([Parameter('engine', value='torch')])
    assert tracker.start()
    (result,) = tracker.set_parameters([Parameter('precision', value='bf16')])
    assert not result.successful


def test_an_unexpected_error_while_configuring_is_logged_with_its_traceback(graph, engine, capfd):
    def fail():
        raise KeyError('a bug')

    engine.warm_up = fail
    tracker = graph.tracker(engine, is_started=False)
    assert not tracker.start()
    assert state_of(tracker) == 'unconfigured'
    assert "KeyError: 'a bug'" in capfd.readouterr().err
