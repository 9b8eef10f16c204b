"""The figures on /diagnostics."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from pose_tracking_ros.ros.diagnostics import ActivityMeter, diagnostic_message


def test_activity_is_averaged_since_the_last_time():
    now_s = [0.0]
    meter = ActivityMeter(lambda: now_s[0])
    for processing_s, age_s in ((0.1, 0.2), (0.3, 0.4)):
        meter.count_received()
        meter.count_received()
        meter.add_processed(processing_s, age_s)
    now_s[0] = 2.0
    activity = meter.take()
    assert (activity.received_hz, activity.processed_hz) == (2.0, 1.0)
    assert activity.processing_mean_s == pytest.approx(0.2)
    assert activity.processing_max_s == pytest.approx(0.3)
    assert activity.age_mean_s == pytest.approx(0.3)
    now_s[0] = 3.0
    activity = meter.take()
    assert (activity.received_hz, activity.processed_hz) == (0, 0)
    assert activity.processing_mean_s is activity.age_mean_s is None


def test_the_time_of_each_step_is_told():
    meter = ActivityMeter()
    meter.add_steps({'decode': 0.001, 'infer': 0.1})
    meter.add_steps({'decode': 0.003, 'infer': 0.1})
    message = diagnostic_message(
        name='tracker_node',
        hardware_id='cpu',
        stamp=Time(),
        summary='tracking',
        problems={},
        is_error=False,
        activity=meter.take(),
        values={},
    )
    values = {value.key: value.value for value in message.status[0].values}
    assert (values['decode, mean (ms)'], values['decode, longest (ms)']) == ('2.0', '3.0')
    assert values['infer, mean (ms)'] == '100.0'
    assert not meter.take().steps_s


@pytest.mark.parametrize('age_s', [-5.0, 86400.0 * 365])
def test_the_age_of_recorded_images_is_not_told(age_s):
    meter = ActivityMeter()
    meter.add_processed(0.1, age_s)
    assert meter.take().age_mean_s is None


@pytest.mark.parametrize(
    ('problems', 'is_error', 'level', 'text'),
    [
        ({}, False, DiagnosticStatus.OK, 'tracking'),
        ({'qos': 'does not fit'}, False, DiagnosticStatus.WARN, 'does not fit'),
        ({'inference': 'failed'}, True, DiagnosticStatus.ERROR, 'failed'),
    ],
)
def test_problems_set_level_and_text(problems, is_error, level, text):
    message = diagnostic_message(
        name='tracker_node',
        hardware_id='cpu',
        stamp=Time(sec=3),
        summary='tracking',
        problems=problems,
        is_error=is_error,
        activity=ActivityMeter().take(),
        values={'images dropped': '4'},
    )
    (status,) = message.status
    assert message.header.stamp.sec == 3
    assert (status.level, status.message) == (level, text)
    values = {value.key: value.value for value in status.values}
    assert values['images dropped'] == '4'
    assert values['processing time, mean (ms)'] == 'none'
    for kind, problem in problems.items():
        assert values[f'problem: {kind}'] == problem
