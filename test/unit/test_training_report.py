"""The report of a training run: what it says is what was logged and found."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest
from small_training import write_config, write_data

from pose_tracking_ros.evaluation.judged_people import judge_people
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import save_weights
from pose_tracking_ros.training import report
from pose_tracking_ros.training.config import load_config
from pose_tracking_ros.training.journal import Journal
from pose_tracking_ros.training.provenance import facts_of
from pose_tracking_ros.training.report_pictures import picture_of


@pytest.fixture
def data(tmp_path):
    write_data(tmp_path)
    return tmp_path


def perfect(truth):
    """Results that are the labels themselves."""
    return [
        {
            'image_id': person['image_id'],
            'category_id': 1,
            'bbox': person['bbox'],
            'score': 0.9,
            'pose_score': 0.9,
            'keypoints': list(person['keypoints']),
        }
        for person in truth['annotations']
    ]


def test_people_are_judged_by_joint(data):
    truth = json.loads((data / 'labels.json').read_text())
    results = perfect(truth)
    moved, missed = truth['annotations'][0], truth['annotations'][1]
    labelled = [i for i, v in enumerate(moved['keypoints'][2::3]) if v > 0]
    # One joint off by a tenth of the person's scale.
    results[0]['keypoints'][3 * labelled[0]] += 0.1 * moved['area'] ** 0.5
    results[1]['score'] = 0.1
    people = judge_people(truth, results, min_score=0.3)
    assert people[0].found is None
    assert people[0].oks == 0
    assert np.isnan(people[0].distances).all()
    np.testing.assert_allclose(people[0].box[:2], missed['bbox'][:2])
    assert people[1].distances[labelled[0]] == pytest.approx(0.1)
    assert people[1].likeness[labelled[1:]] == pytest.approx(1.0)
    assert people[1].has_joint.nonzero()[0].tolist() == labelled
    assert all(person.oks == 1.0 for person in people[2:])
    right, off = report.joint_errors(people[1:])
    assert off[labelled[1]] == 0
    assert right[labelled[1]] == 1


def test_a_picture_shows_labels_and_what_was_found(data):
    truth = json.loads((data / 'labels.json').read_text())
    person = judge_people(truth, perfect(truth), 0.3)[-1]
    path = data / truth['images'][person.image_id]['file_name']
    both = picture_of(person, path, side_px=200)
    assert both.shape == (200, 200, 3)
    # The same place: orange is drawn last.
    joint = int(person.has_joint.nonzero()[0][0])
    side = (person.box[2:] - person.box[:2]).max() * 1.3
    centre = (person.box[:2] + person.box[2:]) / 2
    x, y = ((person.truth[joint] - centre) * 200 / side + 100).round().astype(int)
    assert both[y, x].tolist() == [255, 150, 30]


def run_with(data, tmp_path, **validation):
    folder = tmp_path / 'run'
    config = write_config(data, 'reported', validation={'long_side_px': 128, **validation})
    network = build_network('lite')
    save_weights(network, folder / 'lite.safetensors', 'lite', facts_of(load_config(config), data))
    with Journal(folder, 0) as journal:
        for step in range(1, 30):
            journal.add_step(step, {'loss': 10.0 / step, 'pose': 5.0 / step}, float(step))
        journal.add_validation(20, {'keypoint_ap': 0.125, 'box_ap': 0.25})
    return folder


def test_the_report_opens_without_anything_else(data, tmp_path, monkeypatch, capsys):
    folder = run_with(data, tmp_path, annotations='labels.json', images='.')
    truth = json.loads((data / 'labels.json').read_text())
    monkeypatch.setattr(report, 'run_engine', lambda engine, truth, images: perfect(truth))
    monkeypatch.setattr(sys, 'argv', ['report', str(folder), '--data-root', str(data)])
    assert report.main() == 0
    assert f'wrote {folder / "report.html"}' in capsys.readouterr().out
    text = (folder / 'report.html').read_text()
    assert '<b>1.000</b>keypoint ap, lite' in text
    assert '<b>29</b>steps' in text
    titles = re.findall('<h2>(.*)</h2>', text)
    assert titles[:3] == ['Losses', 'Validation', 'Joints']
    assert text.count('<b>OKS 1.00</b>') == len(truth['annotations'])
    addresses = re.findall(r'(?:src|href)="([^"]{10})', text)
    assert addresses
    assert {address[:5] for address in addresses} == {'data:'}


def test_without_pictures_for_validation_the_curves_are_shown(data, tmp_path):
    text = report.write_report(run_with(data, tmp_path), data).read_text()
    assert 'names no pictures for validation' in text
    assert 'Losses' in text


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        ('log', 'expected log.jsonl with at least one step'),
        ('weights', 'not a readable safetensors file'),
        ('labels', 'validation: .*absent.json: no such file'),
    ],
)
def test_what_is_missing_is_told(data, tmp_path, monkeypatch, capsys, damage, words):
    folder = run_with(data, tmp_path, annotations='absent.json', images='.')
    if damage == 'log':
        (folder / 'log.jsonl').unlink()
    if damage == 'weights':
        (folder / 'lite.safetensors').write_bytes(b'broken')
    monkeypatch.setattr(sys, 'argv', ['report', str(folder), '--data-root', str(data)])
    assert report.main() == 2
    errors = capsys.readouterr().err
    assert re.fullmatch(f'error: .*{words}.*\n', errors), errors
    assert not (folder / 'report.html').exists()
