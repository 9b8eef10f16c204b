"""The shipped parameter files say what settings/ says."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from pose_tracking_ros.ros.parameter_file import NODES, main, parameter_file_text

CONFIG = Path(__file__).parents[2] / 'config'


@pytest.mark.parametrize('name', NODES)
def test_the_file_holds_every_parameter_with_its_default(name):
    stored = yaml.safe_load((CONFIG / f'{name}.yaml').read_text())['/**']['ros__parameters']
    declared = {
        field.name: field.default
        for settings_class in NODES[name].values()
        for field in dataclasses.fields(settings_class)
    }
    assert stored == declared
    assert {k: type(v) for k, v in stored.items()} == {k: type(v) for k, v in declared.items()}


@pytest.mark.parametrize('name', NODES)
def test_the_file_is_as_generated(name):
    assert (CONFIG / f'{name}.yaml').read_text() == parameter_file_text(NODES[name]), (
        f'run: python -m pose_tracking_ros.ros.parameter_file {name} > config/{name}.yaml'
    )


@pytest.mark.parametrize('name', NODES)
def test_names_do_not_repeat_among_the_settings_of_a_node(name):
    names = [f.name for c in NODES[name].values() for f in dataclasses.fields(c)]
    assert len(names) == len(set(names))


def test_the_command_prints_a_file_and_refuses_unknown_names(capsys):
    assert main(['tracker']) == 0
    assert capsys.readouterr().out == parameter_file_text(NODES['tracker'])
    assert main(['camera']) == 2
    assert 'expected one of tracker, video_source' in capsys.readouterr().err
