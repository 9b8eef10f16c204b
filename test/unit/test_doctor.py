"""The doctor without ROS: what it finds, and that each complaint says what to do."""

import json
import sys
from types import SimpleNamespace

import pytest

from pose_tracking_ros.doctor import __main__ as program
from pose_tracking_ros.doctor import environment
from pose_tracking_ros.doctor.findings import Finding, Level, as_records, worst
from pose_tracking_ros.settings import NetworkSettings


def test_a_complaint_without_a_remedy_is_refused():
    with pytest.raises(ValueError, match='remedy: expected one for camera'):
        Finding(Level.WARNING, 'camera', 'silent')


def test_the_worst_finding_counts():
    fine = Finding(Level.OK, 'a', 'b')
    assert worst([]) == Level.OK
    assert worst([fine, Finding(Level.WARNING, 'a', 'b', 'c')]) == Level.WARNING
    assert as_records([fine]) == [{'level': 'ok', 'subject': 'a', 'text': 'b', 'remedy': ''}]


def test_a_missing_module_says_how_to_install_it():
    finding, module = environment._module('no_such_module_here', 'none', True)
    assert (finding.level, module) == (Level.ERROR, None)
    assert 'not installed' in finding.text
    assert 'pip install' in finding.remedy
    assert environment._module('no_such_module_here', 'none', False)[0].level == Level.WARNING


def test_a_module_whose_compiled_parts_do_not_fit_is_told_apart(tmp_path, monkeypatch):
    (tmp_path / 'built_for_another.py').write_text(
        "raise ImportError('numpy.core.multiarray failed to import')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    finding, _ = environment._module('built_for_another', 'none', True)
    assert 'does not load: numpy.core.multiarray' in finding.text
    assert 'fresh venv' in finding.remedy


def test_an_untested_python_is_a_warning(monkeypatch):
    assert environment._python().level == Level.OK
    monkeypatch.setattr(sys, 'version_info', (3, 9, 1, 'final', 0))
    finding = environment._python()
    assert finding.level == Level.WARNING
    assert '3.10 to 3.14' in finding.remedy


@pytest.mark.parametrize(('free_mb', 'level'), [(60, Level.WARNING), (2000, Level.OK)])
def test_little_shared_memory_is_a_warning(monkeypatch, tmp_path, free_mb, level):
    stats = SimpleNamespace(f_frsize=1_000_000, f_blocks=4000, f_bavail=free_mb)
    monkeypatch.setattr(environment, '_SHARED_MEMORY', tmp_path)
    monkeypatch.setattr(environment.os, 'statvfs', lambda path: stats)
    (finding,) = environment._shared_memory()
    assert finding.level == level
    assert f'{free_mb} MB free' in finding.text
    assert ('--shm-size' in finding.remedy) == (level == Level.WARNING)


def test_a_gpu_that_torch_cannot_use_is_told_from_none(monkeypatch, tmp_path):
    import torch

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    none = environment._device(NetworkSettings())
    assert (none.level, 'nothing, if' in none.remedy) == (Level.WARNING, True)
    device = tmp_path / 'nvidiactl'
    device.touch()
    monkeypatch.setattr(environment, '_NVIDIA_DEVICE', device)
    assert 'CUDA versions' in environment._device(NetworkSettings()).remedy
    monkeypatch.setattr(environment, '_JETSON', device)
    assert 'JetPack' in environment._device(NetworkSettings()).remedy
    wanted = environment._device(NetworkSettings(device='cuda'))
    assert (wanted.level, wanted.remedy) == (Level.ERROR, 'set the parameter device to auto')
    assert environment._device(NetworkSettings(device='cpu')).level == Level.OK


def test_weights_that_are_not_there_are_an_error(tmp_path):
    settings = NetworkSettings(weights=str(tmp_path / 'none.safetensors'))
    (finding,) = environment._network(settings)
    assert finding.level == Level.ERROR
    assert 'none.safetensors' in finding.text


def test_the_shipped_network_runs():
    (finding,) = environment._network(NetworkSettings(device='cpu', engine='torch'))
    assert finding.level == Level.OK
    assert 'lite@' in finding.text


def found(*findings):
    return lambda options: iter(findings)


def test_errors_end_with_1_and_warnings_with_0(monkeypatch, capsys, tmp_path):
    warning = Finding(Level.WARNING, 'profile', 'none', 'set one')
    monkeypatch.setattr(program, 'examine', found(warning))
    assert program.main(['--json', str(tmp_path / 'new' / 'findings.json')]) == 0
    assert capsys.readouterr().out == ' warn  profile: none\n       -> set one\n'
    assert json.loads((tmp_path / 'new' / 'findings.json').read_text())[0]['level'] == 'warning'
    monkeypatch.setattr(program, 'examine', found(warning, Finding(Level.ERROR, 'a', 'b', 'c')))
    assert program.main([]) == 1


def test_bad_options_are_findings_or_refused(capsys):
    options = program.parse(['--preset', 'huge'])
    (finding,) = program.examine(options)
    assert finding.level == Level.ERROR
    assert 'huge' in finding.text
    with pytest.raises(SystemExit):
        program.parse(['--listen-s', '-1'])
    assert '--listen-s: expected 0 to 600' in capsys.readouterr().err
