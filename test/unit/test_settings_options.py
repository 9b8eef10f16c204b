"""Settings as options of a command line."""

from __future__ import annotations

import argparse

import pytest

from pose_tracking_ros.settings import NetworkSettings, limits_of
from pose_tracking_ros.settings.options import add_settings


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_settings(made, NetworkSettings, 'precision', 'image_long_side_px', 'min_person_score')
    return made


def test_options_have_the_defaults_of_the_settings(parser: argparse.ArgumentParser) -> None:
    settings = NetworkSettings()
    assert vars(parser.parse_args([])) == {
        name: getattr(settings, name)
        for name in ('precision', 'image_long_side_px', 'min_person_score')
    }


def test_options_have_types_choices_and_descriptions(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    options = parser.parse_args(['--image-long-side-px', '96', '--precision', 'int8'])
    assert (options.image_long_side_px, options.precision) == (96, 'int8')
    with pytest.raises(SystemExit):
        parser.parse_args(['--precision', 'f64'])
    assert "invalid choice: 'f64'" in capsys.readouterr().err
    told = ''.join(parser.format_help().split())
    assert ''.join(limits_of(NetworkSettings, 'precision').description.split()) in told
