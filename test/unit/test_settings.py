"""Settings: one declaration each, checked when made."""

import dataclasses

import pytest

from pose_tracking_ros import settings
from pose_tracking_ros.settings import (
    Limits,
    NetworkSettings,
    TrackerSettings,
    check_settings,
    limits_of,
    setting,
)

CLASSES = [
    value
    for name, value in vars(settings).items()
    if name.endswith('Settings') and dataclasses.is_dataclass(value)
]


@pytest.mark.parametrize('settings_class', CLASSES)
class TestEveryClass:
    def test_defaults_are_valid(self, settings_class):
        settings_class()

    def test_values_cannot_be_changed_in_place(self, settings_class):
        name = dataclasses.fields(settings_class)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings_class(), name, None)

    def test_every_setting_is_described(self, settings_class):
        for field in dataclasses.fields(settings_class):
            limits = limits_of(settings_class, field.name)
            assert limits.description.endswith('.'), field.name

    def test_names_tell_the_unit(self, settings_class):
        for field in dataclasses.fields(settings_class):
            limits = limits_of(settings_class, field.name)
            if limits.unit:
                assert field.name.endswith(f'_{limits.unit.lower()}'), field.name

    def test_numbers_have_limits_that_hold(self, settings_class):
        for field in dataclasses.fields(settings_class):
            if type(field.default) not in (int, float):
                continue
            limits = limits_of(settings_class, field.name)
            for value, beyond in ((limits.low, -1), (limits.high, 1)):
                if value is None:
                    continue
                kind = type(field.default)
                settings_class(**{field.name: kind(value)})
                with pytest.raises(ValueError, match=f'{field.name}: expected at'):
                    settings_class(**{field.name: kind(value + beyond)})

    def test_choices_hold(self, settings_class):
        for field in dataclasses.fields(settings_class):
            choices = limits_of(settings_class, field.name).choices
            for choice in choices:
                settings_class(**{field.name: choice})
            if choices:
                with pytest.raises(ValueError, match=f'{field.name}: expected one of'):
                    settings_class(**{field.name: 'no such choice'})

    def test_a_value_of_another_type_is_refused(self, settings_class):
        for field in dataclasses.fields(settings_class):
            wrong = 3.5 if type(field.default) is str else 'three'
            with pytest.raises(ValueError, match=f'{field.name}: expected .*, got'):
                settings_class(**{field.name: wrong})


def test_there_are_settings_to_check():
    assert {NetworkSettings, TrackerSettings} <= set(CLASSES)


def test_a_whole_number_does_for_a_float_but_not_the_other_way_round():
    assert TrackerSettings(max_lost_s=3).max_lost_s == 3
    with pytest.raises(ValueError, match='expected int, got float'):
        TrackerSettings(min_valid_keypoints=10.0)


def test_true_is_not_a_number():
    with pytest.raises(ValueError, match='expected int, got bool'):
        TrackerSettings(min_valid_keypoints=True)
    with pytest.raises(ValueError, match='expected float, got bool'):
        TrackerSettings(max_lost_s=True)


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match=r'max_lost_s: expected at least 0.0 s, got nan'):
        TrackerSettings(max_lost_s=float('nan'))


def test_limits_of_an_unknown_setting():
    with pytest.raises(KeyError, match='TrackerSettings has no setting'):
        limits_of(TrackerSettings, 'speed')


def test_a_setting_carries_its_limits():
    @dataclasses.dataclass(frozen=True)
    class Example:
        rate_hz: float = setting(2.0, 'How often.', unit='Hz', low=0.5, live=True)

    assert limits_of(Example, 'rate_hz') == Limits('How often.', 'Hz', low=0.5, live=True)
    check_settings(Example())
    with pytest.raises(ValueError, match=r'rate_hz: expected at least 0.5 Hz, got 0.1'):
        check_settings(Example(0.1))
