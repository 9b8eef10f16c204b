"""How the demo finds its video and runs its programs; without ROS."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from pose_tracking_ros.demo import clip as clip_module
from pose_tracking_ros.demo.__main__ import SIMULATION, choose_video, parse
from pose_tracking_ros.demo.clip import ClipUnavailableError, extract_clip, street_clip
from pose_tracking_ros.demo.programs import (
    Program,
    ProgramFailedError,
    ros_arguments,
    ros_environment,
)
from pose_tracking_ros.demo.run import clear_outputs
from pose_tracking_ros.places import data_file


@pytest.fixture
def said():
    return Console(record=True, width=200, file=io.StringIO())


def debian_package(folder, files):
    """Make a package as dpkg does, without dpkg's checks on its name."""
    root = folder / 'root'
    (root / 'DEBIAN').mkdir(parents=True)
    (root / 'DEBIAN' / 'control').write_text(
        'Package: opencv-doc\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b.c>\n'
        'Description: test\n'
    )
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    package = folder / 'opencv-doc_1.0_all.deb'
    subprocess.run(['dpkg-deb', '-b', str(root), str(package)], check=True, capture_output=True)
    return package


needs_dpkg = pytest.mark.skipif(
    not os.path.exists('/usr/bin/dpkg-deb'), reason='dpkg-deb is there on Debian and Ubuntu only'
)


@needs_dpkg
def test_clip_is_taken_out_of_the_package(tmp_path):
    package = debian_package(
        tmp_path,
        {'usr/share/doc/x/data/tree.avi': b'no', 'usr/share/doc/x/data/vtest.avi': b'yes'},
    )
    extract_clip(package, tmp_path / 'vtest.avi')
    assert (tmp_path / 'vtest.avi').read_bytes() == b'yes'
    assert not (tmp_path / 'vtest.part').exists()


@needs_dpkg
def test_package_without_the_clip(tmp_path):
    package = debian_package(tmp_path, {'usr/share/doc/x/data/tree.avi': b'no'})
    with pytest.raises(ClipUnavailableError, match=r'does not contain vtest\.avi'):
        extract_clip(package, tmp_path / 'vtest.avi')
    assert not (tmp_path / 'vtest.avi').exists()


@needs_dpkg
def test_damaged_package(tmp_path):
    package = tmp_path / 'opencv-doc_1.0_all.deb'
    package.write_bytes(b'not a package')
    with pytest.raises(ClipUnavailableError, match='cannot be unpacked'):
        extract_clip(package, tmp_path / 'vtest.avi')


def test_kept_clip_is_used_again(tmp_path):
    (tmp_path / 'vtest.avi').write_bytes(b'kept')
    assert street_clip(tmp_path, print) == tmp_path / 'vtest.avi'


@pytest.fixture
def no_installed_clip(monkeypatch, tmp_path):
    monkeypatch.setattr(clip_module, 'INSTALLED_CLIP', tmp_path / 'none')


def fake_apt(monkeypatch, folder, script):
    """Put an apt-get that does as told, and the system's tools, on the path."""
    tools = folder / 'tools'
    tools.mkdir()
    apt = tools / 'apt-get'
    apt.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{script}\n')
    apt.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tools}:{os.environ["PATH"]}')


@needs_dpkg
def test_system_lists_suffice(tmp_path, monkeypatch, no_installed_clip):
    package = debian_package(tmp_path, {'usr/share/doc/x/vtest.avi': b'clip'})
    fake_apt(monkeypatch, tmp_path, f'cp {package} .')
    clip = street_clip(tmp_path / 'cache', lambda line: None)
    assert clip.read_bytes() == b'clip'
    # The package itself does not stay.
    assert [path.name for path in clip.parent.iterdir()] == ['vtest.avi']
    assert (tmp_path / 'calls').read_text() == '-q download opencv-doc\n'


@needs_dpkg
def test_missing_lists_are_fetched_privately(tmp_path, monkeypatch, no_installed_clip):
    package = debian_package(tmp_path, {'usr/share/doc/x/vtest.avi': b'clip'})
    script = f'case "$*" in *Dir::State::Lists*download*) cp {package} . ;; *update) ;; *) '
    fake_apt(
        monkeypatch, tmp_path, script + 'echo "E: Unable to locate package" >&2; exit 100;; esac'
    )
    lines = []
    clip = street_clip(tmp_path / 'cache', lines.append)
    assert clip.read_bytes() == b'clip'
    assert 'private copy' in lines[-1]
    assert [call.split()[-1] for call in (tmp_path / 'calls').read_text().splitlines()] == [
        'opencv-doc',
        'update',
        'opencv-doc',
    ]


def test_without_network_the_reason_is_told(tmp_path, monkeypatch, no_installed_clip):
    fake_apt(monkeypatch, tmp_path, 'echo "E: Could not resolve host" >&2; exit 100')
    fake_dpkg = tmp_path / 'tools' / 'dpkg-deb'
    fake_dpkg.write_text('#!/bin/sh\n')
    fake_dpkg.chmod(0o755)
    with pytest.raises(ClipUnavailableError, match=r'Could not resolve host.*sudo apt-get update'):
        street_clip(tmp_path / 'cache', lambda line: None)


def test_other_distributions_have_no_clip(tmp_path, monkeypatch, no_installed_clip):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(ClipUnavailableError, match='apt-get, dpkg-deb not found'):
        street_clip(tmp_path / 'cache', print)


def test_without_clip_the_simulation_plays_and_says_so(tmp_path, monkeypatch, said):
    def refuse(cache, tell):
        raise ClipUnavailableError('no network')

    monkeypatch.setattr('pose_tracking_ros.demo.__main__.street_clip', refuse)
    assert choose_video(None, tmp_path, said) == SIMULATION
    text = said.export_text()
    assert 'no network' in text
    assert 'simulation instead' in text


@pytest.mark.parametrize(
    ('wish', 'video'),
    [
        ('simulation', SIMULATION),
        ('simulation:crossing', 'simulation:crossing'),
        ('0', '0'),
        ('12', '12'),
    ],
)
def test_wishes_that_are_no_files(wish, video, tmp_path, said):
    assert choose_video(wish, tmp_path, said) == video


def test_file_becomes_absolute(tmp_path, said, monkeypatch):
    (tmp_path / 'walk.mp4').write_bytes(b'')
    monkeypatch.chdir(tmp_path)
    assert choose_video('walk.mp4', tmp_path, said) == str(tmp_path / 'walk.mp4')


def test_missing_file_is_named(tmp_path, said):
    with pytest.raises(FileNotFoundError, match=r"there is no 'gone\.mp4'"):
        choose_video('gone.mp4', tmp_path, said)


def test_duration_must_not_be_negative(capsys):
    with pytest.raises(SystemExit):
        parse(['--duration-s', '-1'])
    assert 'expected 0 or more, got -1.0' in capsys.readouterr().err


def test_parameters_become_arguments():
    arguments = ros_arguments({'video': "it's 0", 'loop': False, 'rate_hz': 2.5, 'threads': 2})
    assert arguments == [
        '--ros-args',
        '-p',
        "video:='it''s 0'",
        '-p',
        'loop:=false',
        '-p',
        'rate_hz:=2.5',
        '-p',
        'threads:=2',
    ]


def test_environment_keeps_to_this_machine():
    wanted = ros_environment({})
    assert 1 <= int(wanted['ROS_DOMAIN_ID']) <= 101
    assert wanted['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 'ROS_LOCALHOST_ONLY' not in wanted
    assert os.path.isfile(wanted['FASTRTPS_DEFAULT_PROFILES_FILE'])


def test_environment_of_humble():
    wanted = ros_environment({'ROS_DISTRO': 'humble'})
    assert wanted['ROS_LOCALHOST_ONLY'] == '1'
    assert 'ROS_AUTOMATIC_DISCOVERY_RANGE' not in wanted


def test_environment_of_the_user_stays():
    assert 'ROS_DOMAIN_ID' not in ros_environment({'ROS_DOMAIN_ID': '42'})


def test_data_file_is_found_and_a_missing_one_named():
    assert data_file('package.xml').is_file()
    with pytest.raises(FileNotFoundError, match='config/none'):
        data_file('config/none')


@pytest.fixture
def fake_program(monkeypatch, tmp_path):
    """Let `Program` run a script in place of a node."""

    def make(body):
        script = tmp_path / 'program'
        script.write_text(f'#!/bin/sh\n{body}\n')
        script.chmod(0o755)
        monkeypatch.setattr(sys, 'executable', str(script))
        return Program('video_source', {}, tmp_path / 'log')

    return make


def wait_for_end(program):
    program._process.wait(10)


def test_program_that_dies_is_reported_with_its_words(fake_program):
    with fake_program('echo no such camera; exit 3') as program:
        wait_for_end(program)
        with pytest.raises(ProgramFailedError, match=r'ended with code 3;[\s\S]*no such camera'):
            program.check_running()


def test_program_is_asked_first(fake_program, tmp_path):
    with fake_program(
        "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    ) as one:
        while 'up' not in (tmp_path / 'log').read_text():
            one.check_running()
    assert one.exit_code == 0
    assert (tmp_path / 'log').read_text().split() == ['up', 'asked']


def test_stubborn_program_is_ended_by_force(fake_program, monkeypatch, tmp_path):
    monkeypatch.setattr('pose_tracking_ros.demo.programs._STOP_TIMEOUT_S', 0.2)
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    with fake_program(script) as program:
        while 'up' not in (tmp_path / 'log').read_text():
            program.check_running()
    assert program.exit_code == -9


def test_earlier_results_go_and_other_files_stay(tmp_path):
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'bag.mcap').write_text('old')
    (tmp_path / 'overlay.mp4').write_text('old')
    (tmp_path / 'mine.txt').write_text('keep')
    clear_outputs(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['logs', 'mine.txt']
