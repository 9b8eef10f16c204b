"""PoseTrack files: what is read, and what is said of malformed ones; the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import posetrack_samples as samples
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.posetrack_files import load_sequences
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

Content = dict[str, Any]


@pytest.fixture
def sample(tmp_path: Path) -> tuple[Path, Path]:
    return samples.hand_sample(tmp_path)


def change(folder: Path, damage: Callable[[Content], object], name: str = '000001') -> Path:
    path = folder / f'{name}_bonn.json'
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    return path


def test_people_as_arrays(sample: tuple[Path, Path]) -> None:
    frame = load_sequences(*sample)[0].frames[0]
    assert frame.truth.ids.tolist() == [1, 2]
    np.testing.assert_allclose(frame.truth.head_sizes_px, 30.0)
    wrist = POSETRACK_15.index('left_wrist')
    np.testing.assert_allclose(frame.truth.joints[:, wrist], [[130, 120], [330, 120]])
    np.testing.assert_allclose(frame.found.joints[0, wrist], [136, 120])
    assert frame.found.scores[0, wrist] == 0.8
    unused = POSETRACK_15.index('left_knee')
    assert np.isnan(frame.truth.joints[:, unused]).all()


def test_coco_joints_are_found_by_name(sample: tuple[Path, Path]) -> None:
    truth, results = sample

    def as_coco(content: Content) -> None:
        content['categories'][0]['keypoints'] = list(COCO_17.joints)
        for person in content['annotations']:
            # Every joint at (its place in the list + 1, 5).
            person['keypoints'] = [v for i in range(17) for v in (i + 1.0, 5.0, 0.5)]
            person['scores'] = [i / 100 for i in range(17)]

    change(results, as_coco)
    people = load_sequences(truth, results)[0].frames[0].found
    for index, joint in enumerate(POSETRACK_15.joints):
        if joint in COCO_17.joints:
            place = COCO_17.index(joint)
            np.testing.assert_allclose(people.joints[:, index], [[place + 1, 5]] * 2)
            np.testing.assert_allclose(people.scores[:, index], place / 100)
        else:
            assert joint in ('head_bottom', 'head_top')
            assert np.isnan(people.joints[:, index]).all()


def test_one_file_may_hold_several_sequences(sample: tuple[Path, Path], tmp_path: Path) -> None:
    paths = []
    for folder in sample:
        parts = [json.loads(path.read_text()) for path in sorted(folder.glob('*.json'))]
        # Frames of the sequences in turns, the last first: vid_id and frame_id put them right.
        images = [image for pair in zip(*(p['images'] for p in parts), strict=True)
                  for image in pair]  # fmt: skip
        people = [person for part in parts for person in part['annotations']]
        paths.append(tmp_path / f'{folder.name}.json')
        paths[-1].write_text(
            json.dumps({**parts[0], 'images': images[::-1], 'annotations': people})
        )
    apart, together = load_sequences(*sample), load_sequences(paths[0], paths[1])
    by_name = {sequence.name: sequence for sequence in together}
    for sequence in apart:
        frames = by_name[sequence.name].frames
        assert [f.image_id for f in frames] == [f.image_id for f in sequence.frames]
        assert [len(f.found) for f in frames] == [len(f.found) for f in sequence.frames]


def test_results_need_no_list_of_images(sample: tuple[Path, Path]) -> None:
    change(sample[1], lambda c: c.pop('images'))
    assert len(load_sequences(*sample)) == 2


TRUTH_DAMAGE: list[tuple[Callable[[Content], object], str]] = [
    (lambda c: c.pop('images'), r'json: images: expected a list of objects, it is missing'),
    (lambda c: c['images'].clear(), r'json: images: expected at least one'),
    (lambda c: c['images'].append(3), r'json: images\[4\]: expected an object, got 3'),
    (lambda c: c['images'][1].pop('vid_id'), r'images\[1\]: vid_id: expected a text, it is miss'),
    (
        lambda c: c['images'][1].update(frame_id='two'),
        r"images\[1\]: frame_id: .*number, got 'two",
    ),
    (lambda c: c['images'][1].update(id=20000010001), r'images\[1\]: id: has been used before'),
    (
        lambda c: c['images'][1].update(frame_id=20000010001),
        r'images of vid_id 000001: expected a different frame_id',
    ),
    (lambda c: c['images'][0].update(is_labeled='yes'), r'is_labeled: expected true or false'),
    (
        lambda c: c['images'][3].pop('ignore_regions_y'),
        r'images\[3\]: ignore_regions_y: expected a list of lists .* missing',
    ),
    (
        lambda c: c['images'][3].update(ignore_regions_x=[[1, 2, 3]]),
        r'images\[3\]: ignore_regions_y: expected as many corners as in ignore_regions_x',
    ),
    (
        lambda c: c['images'][3].update(ignore_regions_x=[[1, 2]], ignore_regions_y=[[1, 2]]),
        r'images\[3\]: ignore_regions_x: expected polygons of at least 3 corners',
    ),
    (
        lambda c: c['images'][3].update(ignore_regions_x=[1, 2, 3]),
        r'images\[3\]: ignore_regions_x: expected a list of lists of finite numbers, got 1',
    ),
    (
        lambda c: c['annotations'][2].pop('bbox_head'),
        r'annotations\[2\]: bbox_head: expected 4 finite numbers, it is missing',
    ),
    (
        lambda c: c['annotations'][2].update(bbox_head=[1, 2, 0, 0]),
        r'annotations\[2\]: bbox_head: expected x, y, width, height with a size',
    ),
    (
        lambda c: c['annotations'][1].update(keypoints=[1, 2]),
        r'annotations\[1\]: keypoints: expected 51 finite numbers, got 2',
    ),
    (
        lambda c: c['annotations'][1].update(keypoints=[float('nan')] * 51),
        r'annotations\[1\]: keypoints: expected 51 finite numbers, got \[nan',
    ),
    (
        lambda c: c['annotations'][1].update(track_id=1),
        r'annotations\[1\]: track_id: expected each once in an image, got 1 again',
    ),
    (lambda c: c.pop('categories'), 'categories: expected a list of objects, it is missing'),
    (lambda c: c['categories'].append({}), 'categories: expected one, the person, got 2'),
    (
        lambda c: c['categories'][0].update(keypoints=['nose', 'tail']),
        r"categories\[0\]: keypoints: expected joint names of PoseTrack or COCO, .* got 'tail'",
    ),
    (
        lambda c: c['categories'][0].update(keypoints=['left_eye']),
        r"categories\[0\]: keypoints: expected some of PoseTrack's joints, got none",
    ),
]
RESULTS_DAMAGE: list[tuple[Callable[[Content], object], str]] = [
    (
        lambda c: c['annotations'][0].pop('scores'),
        r'annotations\[0\]: scores: expected 17 finite numbers, it is missing',
    ),
    (
        lambda c: c['annotations'][0].update(scores=[0.5] * 3),
        r'annotations\[0\]: scores: expected 17 finite numbers, got 3',
    ),
    (
        lambda c: c['annotations'][1].update(track_id=None),
        r'annotations\[1\]: track_id: expected a whole number, it is missing',
    ),
    (
        lambda c: c['annotations'][1].update(image_id=7),
        r'annotations\[1\]: image_id: expected one of the ground truth, got 7',
    ),
    (
        lambda c: c['images'].pop(1),
        r'images: expected every image of the ground truth, 20000010002 is missing',
    ),
    (lambda c: c.update(annotations={}), r'annotations: expected a list of objects, got \{\}'),
]


@pytest.mark.parametrize(('damage', 'message'), TRUTH_DAMAGE)
def test_malformed_ground_truth(
    sample: tuple[Path, Path], damage: Callable[[Content], object], message: str
) -> None:
    path = change(sample[0], damage)
    with pytest.raises(EvaluationError, match=message) as error:
        load_sequences(*sample)
    assert str(error.value).startswith(f'{path}: ')


@pytest.mark.parametrize(('damage', 'message'), RESULTS_DAMAGE)
def test_malformed_results(
    sample: tuple[Path, Path], damage: Callable[[Content], object], message: str
) -> None:
    path = change(sample[1], damage)
    with pytest.raises(EvaluationError, match=message) as error:
        load_sequences(*sample)
    assert str(error.value).startswith(f'{path}: ')


def test_files_that_are_not_there(sample: tuple[Path, Path], tmp_path: Path) -> None:
    truth, results = sample
    with pytest.raises(EvaluationError, match=r'none\.json: no such file'):
        load_sequences(tmp_path / 'none.json', results)
    (results / '000002_bonn.json').unlink()
    with pytest.raises(EvaluationError, match=r'results/000002_bonn\.json: no such file'):
        load_sequences(truth, results)
    with pytest.raises(EvaluationError, match='expected a folder, as the ground truth is one'):
        load_sequences(truth, results / '000001_bonn.json')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(EvaluationError, match=r'expected files \*\.json, found none'):
        load_sequences(tmp_path / 'empty', results)
    (truth / '000001_bonn.json').write_text('{')
    with pytest.raises(EvaluationError, match=r'000001_bonn\.json: not readable as JSON'):
        load_sequences(truth, results)


def test_command_writes_table_figures_and_picture(
    sample: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'deep' / 'posetrack.json'
    truth, results = map(str, sample)
    arguments = ['posetrack', '--ground-truth', truth, '--results', results, '--json', str(out)]
    assert main(arguments) == 0
    report = json.loads(out.read_text())
    assert report['mode'] == 'corrected'
    assert report['joints']['nose']['mota'] == pytest.approx(100 / 3)
    # Not annotated, hence undefined, which JSON has no number for.
    assert report['joints']['left_knee']['mota'] is None
    assert report['total']['switches'] == 3
    printed = capsys.readouterr().out
    assert 'corrected: 2 sequences, 7 frames' in printed
    assert 'left_wrist' in printed
    assert '44.4' in printed
    picture = cv2.imread(str(out.with_suffix('.png')))
    assert picture is not None
    # Something is drawn.
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    assert main([*arguments, '--mode', 'poseval-compatible']) == 0
    assert json.loads(out.read_text())['joints']['left_knee']['mota'] == -100


def test_command_names_what_is_wrong(
    sample: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = change(sample[1], lambda c: c['annotations'][0].pop('scores'))
    truth, results = map(str, sample)
    assert main(['posetrack', '--ground-truth', truth, '--results', results]) == 2
    assert capsys.readouterr().err.startswith(f'error: {path}: annotations[0]: scores: ')


def test_command_without_labelled_frames(
    sample: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, results = (folder / '000002_bonn.json' for folder in sample)
    change(sample[0], lambda c: [i.update(is_labeled=False) for i in c['images']], '000002')
    assert main(['posetrack', '--ground-truth', str(truth), '--results', str(results)]) == 2
    assert 'at least one labelled frame' in capsys.readouterr().err
