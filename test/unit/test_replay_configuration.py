"""Parameter files and --set as the configuration of a replay."""

from pathlib import Path

import pytest

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.configuration import (
    make_configuration,
    parameters_in,
    read_configurations,
)
from pose_tracking_ros.settings import (
    CameraMotionSettings,
    NetworkSettings,
    PoseNmsSettings,
    TrackerSettings,
)

ROOT = Path(__file__).resolve().parents[2]


def write(path, text):
    path.write_text(text)
    return path


def parameters(*lines, node='/**'):
    body = ''.join(f'    {line}\n' for line in lines)
    return f'{node}:\n  ros__parameters:\n{body}'


def test_without_files_the_defaults():
    (only,) = read_configurations([])
    assert only.name == 'default'
    assert only.differences == {}
    assert only.get(TrackerSettings) == TrackerSettings()


def test_the_shipped_file_is_the_defaults():
    (only,) = read_configurations([ROOT / 'config' / 'tracker.yaml'])
    assert only.name == 'tracker'
    assert only.differences == {}


def test_settings_of_every_kind_are_taken(tmp_path):
    file = write(
        tmp_path / 'mine.yaml',
        parameters(
            'strategy: iou', 'max_lost_s: 2', 'preset: fastpose-18', 'pose_nms: oks',
            'camera_motion: flow', 'use_sim_time: true',
        ),
    )  # fmt: skip
    (mine,) = read_configurations([file])
    assert mine.get(TrackerSettings) == TrackerSettings(strategy='iou', max_lost_s=2.0)
    assert mine.get(NetworkSettings).preset == 'fastpose-18'
    assert mine.get(PoseNmsSettings).pose_nms == 'oks'
    assert mine.get(CameraMotionSettings).camera_motion == 'flow'
    assert mine.differences == {
        'preset': 'fastpose-18', 'pose_nms': 'oks', 'camera_motion': 'flow', 'strategy': 'iou',
        'max_lost_s': 2.0,
    }  # fmt: skip


def test_whole_numbers_become_what_the_setting_is(tmp_path):
    made = make_configuration('x', {'max_lost_s': 5, 'weights': 7})
    assert type(made.get(TrackerSettings).max_lost_s) is float
    assert made.get(NetworkSettings).weights == '7'


def test_assignments_go_before_files(tmp_path):
    files = [
        write(tmp_path / 'a.yaml', parameters('strategy: iou', 'max_lost_s: 1.0')),
        write(tmp_path / 'b.yaml', parameters('strategy: reid')),
    ]
    a, b = read_configurations(files, ['strategy=msim', 'max_people=7'])
    assert [a.name, b.name] == ['a', 'b']
    assert a.differences == {'strategy': 'msim', 'max_people': 7, 'max_lost_s': 1.0}
    assert b.differences == {'strategy': 'msim', 'max_people': 7}


@pytest.mark.parametrize('node', ['/**', 'tracker_node', '/robot/tracker_node', '/*'])
def test_sections_for_the_tracker(tmp_path, node):
    file = write(tmp_path / 'x.yaml', parameters('strategy: iou', node=node))
    assert parameters_in(file) == {'strategy': 'iou'}


def test_sections_for_other_nodes_do_not_count(tmp_path):
    text = parameters('strategy: iou') + parameters('loop: false', node='video_source')
    assert parameters_in(write(tmp_path / 'x.yaml', text)) == {'strategy': 'iou'}
    only_other = write(tmp_path / 'y.yaml', parameters('loop: false', node='video_source'))
    with pytest.raises(EvaluationError, match=r'expected a section /\*\* or tracker_node'):
        parameters_in(only_other)


def test_a_later_section_wins(tmp_path):
    text = parameters('strategy: iou', 'max_people: 5')
    text += parameters('strategy: reid', node='tracker_node')
    assert parameters_in(write(tmp_path / 'x.yaml', text)) == {
        'strategy': 'reid',
        'max_people': 5,
    }


def test_an_unknown_name_is_refused_with_the_valid_ones(tmp_path):
    file = write(tmp_path / 'mine.yaml', parameters('max_lost: 2.0'))
    with pytest.raises(EvaluationError) as error:
        read_configurations([file])
    text = str(error.value)
    assert "'max_lost'" in text
    assert 'did you mean max_lost_s' in text
    assert 'camera_motion, ' in text
    assert 'mine' in text


@pytest.mark.parametrize(
    ('assignment', 'message'),
    [
        ('strategy=best', 'expected one of occlusion_aware'),
        ('min_similarity=2.0', 'expected at most 1'),
        ('strategy', 'expected name=value'),
        ('=3', 'expected name=value'),
        ('max_people=[1', 'not YAML'),
        ('max_people=', 'expected int'),
    ],
)
def test_values_that_will_not_do(assignment, message):
    with pytest.raises(EvaluationError, match=message):
        read_configurations([], [assignment])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: [1', 'not readable as YAML'),
        ('', 'got nothing'),
        ('/**:\n  strategy: iou\n', 'expected a mapping ros__parameters'),
    ],
)
def test_files_that_will_not_do(tmp_path, text, message):
    with pytest.raises(EvaluationError, match=message):
        parameters_in(write(tmp_path / 'x.yaml', text))


def test_a_missing_file_and_twins_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match='no such file'):
        read_configurations([tmp_path / 'none.yaml'])
    (tmp_path / 'other').mkdir()
    twins = [
        write(tmp_path / 'x.yaml', parameters('strategy: iou')),
        write(tmp_path / 'other' / 'x.yaml', parameters('strategy: reid')),
    ]
    with pytest.raises(EvaluationError, match='different names'):
        read_configurations(twins)
