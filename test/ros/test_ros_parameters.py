"""Parameters of the node: derived, checked, taken as a whole or not at all."""

import dataclasses
import math

import pytest

from pose_tracking_ros.settings import NetworkSettings, NodeSettings, TrackerSettings


def set_atomically(graph, **values):
    from rcl_interfaces.srv import SetParametersAtomically
    from rclpy.parameter import Parameter

    request = SetParametersAtomically.Request(
        parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
    )
    return graph.call(
        SetParametersAtomically, 'tracker_node/set_parameters_atomically', request
    ).result


def values_of(tracker):
    return {
        field.name: tracker.get_parameter(field.name).value
        for settings_class in (NetworkSettings, TrackerSettings, NodeSettings)
        for field in dataclasses.fields(settings_class)
    }


def test_every_setting_is_a_parameter_with_its_default_and_meaning(graph, engine):
    tracker = graph.tracker(engine, is_started=False)
    for settings_class in (NetworkSettings, TrackerSettings, NodeSettings):
        for field in dataclasses.fields(settings_class):
            assert tracker.get_parameter(field.name).value == field.default
            descriptor = tracker.describe_parameter(field.name)
            assert field.metadata['limits'].description in descriptor.description
            assert descriptor.read_only == field.metadata['limits'].startup


def test_ranges_and_choices_are_described(graph, engine):
    tracker = graph.tracker(engine, is_started=False)
    (limits,) = tracker.describe_parameter('min_person_score').floating_point_range
    assert (limits.from_value, limits.to_value) == (0.0, 1.0)
    (limits,) = tracker.describe_parameter('max_people').integer_range
    assert (limits.from_value, limits.to_value) == (1, 1000)
    assert 'fastpose-50' in tracker.describe_parameter('preset').additional_constraints
    assert 'Unit: s' in tracker.describe_parameter('max_lost_s').description


def test_live_parameters_take_effect_with_the_next_image(scene, image, graph):
    scene = scene()
    scene.show(image(1.0))
    result = set_atomically(graph, min_person_score=0.95, max_lost_s=1.5)
    assert result.successful, result.reason
    scene.show(image(1.1))
    assert scene.engine.settings.min_person_score == 0.95
    assert scene.tracker._pipeline.tracker.settings.max_lost_s == 1.5


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'max_lost_s': 2.0, 'min_person_score': 1.5}, ['min_person_score', '1.5']),
        ({'max_lost_s': 2.0, 'min_similarity': math.nan}, ['min_similarity', 'nan']),
        ({'max_lost_s': 2.0, 'strategy': 'magic'}, ['strategy', 'occlusion_aware', "'magic'"]),
        ({'max_lost_s': 2.0, 'max_people': 'many'}, ['INTEGER', 'STRING']),
        ({'max_lost_s': 2.0, 'preset': 'fastpose-50'}, ['preset', 'configured']),
        ({'max_lost_s': 2.0, 'autostart': False}, ['autostart']),
        ({'max_lost_s': 2.0, 'no_such': 1}, ['undeclared']),
    ],
)
def test_a_bad_value_is_refused_with_the_reason_and_nothing_changes(graph, engine, values, words):
    tracker = graph.tracker(engine)
    before = values_of(tracker)
    result = set_atomically(graph, **values)
    assert not result.successful
    for word in words:
        assert word in result.reason
    assert values_of(tracker) == before
    assert tracker._store.get(TrackerSettings) == TrackerSettings()


def test_a_whole_number_is_taken_for_a_float(graph, engine):
    """`ros2 param set NODE max_lost_s 3` sends a whole number."""
    tracker = graph.tracker(engine, is_started=False, silence_warning_s=7)
    assert tracker.get_parameter('silence_warning_s').value == 7.0
    result = set_atomically(graph, max_lost_s=3)
    assert result.successful, result.reason
    value = tracker.get_parameter('max_lost_s').value
    assert (value, type(value)) == (3.0, float)


def test_the_network_may_change_before_configure_and_after_cleanup(graph, engine):
    tracker = graph.tracker(engine, is_started=False)
    assert set_atomically(graph, preset='fastpose-50').successful
    tracker.start()
    assert not set_atomically(graph, preset='lite').successful
    tracker.trigger_deactivate()
    assert not set_atomically(graph, preset='lite').successful
    tracker.trigger_cleanup()
    assert set_atomically(graph, preset='lite').successful


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'min_person_score': 2.0}, ['min_person_score', 'at most 1.0', '2.0']),
        ({'image_transport': 'theora'}, ['image_transport', 'compressed', 'theora']),
        ({'max_people': 'many'}, ['max_people', 'int', 'many']),
    ],
)
def test_a_bad_value_at_start_is_told_with_what_was_expected(graph, engine, values, words):
    from pose_tracking_ros.ros.parameters import ParameterError

    with pytest.raises(ParameterError) as caught:
        graph.tracker(engine, is_started=False, **values)
    for word in words:
        assert word in str(caught.value)


def test_a_misspelt_parameter_is_told_with_the_likely_name(graph):
    import rclpy

    from pose_tracking_ros.ros.parameters import ParameterStore

    node = graph.add(
        rclpy.create_node('spelling', **graph.options(max_lost=1.0, use_sim_time=True))
    )
    told = []
    logger = node.get_logger()
    node.get_logger = lambda: type('Logger', (), {'warning': staticmethod(told.append)})
    ParameterStore(node, (TrackerSettings,))
    node.get_logger = lambda: logger
    assert told == ["parameter 'max_lost' is not known, ignored; did you mean max_lost_s?"]


def test_an_older_rclpy_with_one_callback_takes_and_refuses_values_too(graph, engine, monkeypatch):
    from rclpy.node import Node

    # What Humble's Node does not have.
    monkeypatch.delattr(Node, 'add_pre_set_parameters_callback')
    monkeypatch.delattr(Node, 'add_post_set_parameters_callback')
    tracker = graph.tracker(engine)
    assert set_atomically(graph, max_lost_s=3.5).successful
    assert tracker.get_parameter('max_lost_s').value == 3.5
    refused = set_atomically(graph, max_lost_s=-1.0)
    assert not refused.successful
    assert tracker.get_parameter('max_lost_s').value == 3.5
