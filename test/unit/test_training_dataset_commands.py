"""The training command on bad data: one message, exit code 2, no checkpoint. And `check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from dataset_files import picture, save_json

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training import __main__ as command
from pose_tracking_ros.training.check_command import check_dataset
from pose_tracking_ros.training.datasets import DatasetSettings
from pose_tracking_ros.training.loop import Run

LITE = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'


def content() -> dict[str, Any]:
    """Return a COCO file of two pictures with two people each."""
    joints = [value for n in range(17) for value in (30.0 + n, 20.0 + 2 * n, 2)]
    image = {'width': 100, 'height': 80}
    person = {'category_id': 1, 'bbox': [25.0, 15.0, 30.0, 50.0]}
    return {
        'images': [image | {'id': i, 'file_name': f'{i}.jpg'} for i in (1, 2)],
        'annotations': [
            person | {'id': n, 'image_id': 1 + n % 2, 'keypoints': list(joints)} for n in range(4)
        ],
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(COCO_17.joints)}],
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with labels, pictures and a configuration."""
    save_json(tmp_path / 'labels.json', content())
    for number in (1, 2):
        picture(tmp_path / 'pictures' / f'{number}.jpg')
    config = yaml.safe_load(LITE.read_text()) | {'start': ''}
    config['objective']['box_offsets'] = ''
    config['data'] = {
        'datasets': [
            {'name': 'set', 'format': 'coco', 'images': 'pictures', 'annotations': 'labels.json'}
        ]
    }
    (tmp_path / 'config.yaml').write_text(yaml.safe_dump(config))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, root: Path, *words: str) -> int:
    arguments = [*words, str(root / 'config.yaml'), '--data-root', str(root)]
    monkeypatch.setattr('sys.argv', ['training', *arguments, '--output', str(root / 'run')])
    return command.main()


def break_picture(root: Path) -> None:
    path = root / 'pictures' / '2.jpg'
    path.write_bytes(path.read_bytes()[:900])


def relabel(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    labels = content()
    change(labels)
    save_json(root / 'labels.json', labels)


def put_nan(root: Path) -> None:
    def change(labels: dict[str, Any]) -> None:
        labels['annotations'][2]['keypoints'] = [*([1.0] * 4), float('nan'), *([1.0] * 46)]

    relabel(root, change)


def put_box_outside(root: Path) -> None:
    relabel(root, lambda labels: labels['annotations'][2].update(bbox=[90.0, 15.0, 30.0, 50.0]))


def name_unknown_joint(root: Path) -> None:
    relabel(root, lambda labels: labels['categories'][0]['keypoints'].__setitem__(3, 'left_wing'))


DEFECTS = [
    (break_picture, r'pictures/2.jpg: not a readable picture (900 bytes)'),
    (put_nan, 'labels.json: annotations[2].keypoints[4]: expected a finite number, got nan'),
    (put_box_outside, 'labels.json: annotations[2].bbox: expected a box (x, y, width, height)'),
    (
        name_unknown_joint,
        "labels.json: categories[0].keypoints[3]: unknown joint 'left_wing'; expected some of",
    ),
]


@pytest.mark.parametrize(('damage', 'message'), DEFECTS, ids=['picture', 'nan', 'box', 'joint'])
def test_training_stops_before_it_starts(
    damage: Callable[[Path], None],
    message: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    damage(root)
    assert run(monkeypatch, root) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith('error: ')
    assert message in lines[0]
    assert not (root / 'run').exists()


@pytest.mark.parametrize(('damage', 'message'), DEFECTS, ids=['picture', 'nan', 'box', 'joint'])
def test_check_names_the_record(
    damage: Callable[[Path], None],
    message: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    damage(root)
    assert run(monkeypatch, root, 'check') == 2
    errors = capfd.readouterr().err
    assert message in errors
    assert '1 bad records, 1 shown' in errors


def test_check_counts_what_is_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def change(labels: dict[str, Any]) -> None:
        labels['annotations'][3]['iscrowd'] = 1
        labels['annotations'][2]['keypoints'][2] = 0

    relabel(root, change)
    assert run(monkeypatch, root, 'check') == 0
    printed = capfd.readouterr()
    row = next(line for line in printed.out.splitlines() if ' set ' in line).split()
    # Name, format, pictures, people, joints, identities, ignored, kinds, problems.
    assert row == ['set', 'coco', '2', '3', '50', '0', '1', 'boxes,', 'joints', '0']
    sheet = cv2.imread(str(root / 'run' / 'data.png'))
    assert sheet is not None
    # Boxes are drawn in colour on noise, one field for each picture.
    assert sheet.shape[1] == 1800
    assert printed.err == ''


def test_check_goes_on_and_keeps_to_its_limit(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def change(labels: dict[str, Any]) -> None:
        for person in labels['annotations'][:3]:
            person['bbox'] = [0.0, 0.0, 0.0, 1.0]

    relabel(root, change)
    break_picture(root)
    assert run(monkeypatch, root, 'check', '--max-problems', '2') == 2
    printed = capfd.readouterr()
    assert printed.err.count('error: ') == 2
    assert '4 bad records, 2 shown (--max-problems)' in printed.err
    row = next(line for line in printed.out.splitlines() if ' set ' in line).split()
    # Picture 2 is gone, with whom it shows; picture 1 has lost both of its people.
    assert row[2:4] == ['1', '0']


def test_check_finds_what_only_decoding_shows(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 100, 3)).astype(np.uint8)
    data = bytearray(cv2.imencode('.png', noise)[1].tobytes())
    # Its header and its end are sound.
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    (root / 'pictures' / '2.jpg').write_bytes(bytes(data))
    settings = DatasetSettings('set', 'coco', 'pictures', 'labels.json')
    assert check_dataset(settings, root, 1, decodes=False).problems.count == 0
    # Of the sample that a quick check draws it is found as well.
    for words in (['check'], ['check', '--quick']):
        assert run(monkeypatch, root, *words) == 2
        assert 'pictures/2.jpg: not a readable picture' in capfd.readouterr().err


@pytest.mark.parametrize('words', [[], ['check']])
def test_missing_files_are_one_message(
    words: list[str],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (root / 'labels.json').unlink()
    assert run(monkeypatch, root, *words) == 2
    assert 'labels.json: no such file; expected annotations (JSON)' in capfd.readouterr().err


def test_check_without_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, 'check') == 2
    assert 'config.yaml: no such file' in capsys.readouterr().err


def test_check_refuses_no_problems_at_all(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, root, 'check', '--max-problems', '0')
    assert stopped.value.code == 2
    assert 'expected at least 1, got 0' in capsys.readouterr().err


def test_training_on_several_datasets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posed = {'joints': [[20 + n, 20 + 3 * n] for n in range(16)], 'joints_vis': [1] * 16}
    save_json(root / 'mpii.json', [{'image': '1.jpg'} | posed])
    for name in ('0002_c1s1_000451_03.jpg', '0007_c1s1_000451_03.jpg'):
        picture(root / 'market' / name, 64, 128)
    config = yaml.safe_load((root / 'config.yaml').read_text())
    config['data']['datasets'] += [
        {'name': 'm', 'format': 'mpii', 'images': 'pictures', 'annotations': 'mpii.json'},
        {'name': 'c', 'format': 'market_1501', 'images': 'market'},
    ]
    config |= {'precision': '32-true', 'workers': 1}
    config['canvas']['size_px'] = 128
    config['optimiser'] |= {'steps': 1, 'detection_canvases': 4, 'warmup_steps': 0}
    (root / 'config.yaml').write_text(yaml.safe_dump(config))
    assert run(monkeypatch, root) == 0
    log = json.loads((root / 'run' / 'log.jsonl').read_text().splitlines()[0])
    assert all(log[name] > 0 for name in ('person_score', 'pose', 'identity'))
    assert (root / 'run' / 'lite.safetensors').is_file()


def test_picture_that_breaks_during_training_stops_it_and_writes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load((root / 'config.yaml').read_text())
    config |= {'precision': '32-true', 'workers': 1}
    (root / 'config.yaml').write_text(yaml.safe_dump(config))
    original = Run.train

    def train(self: Run) -> bool:
        for number in (1, 2):
            (root / 'pictures' / f'{number}.jpg').write_bytes(b'gone')
        return original(self)

    monkeypatch.setattr(Run, 'train', train)
    assert run(monkeypatch, root) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert len(errors) == 1
    assert '.jpg: not a readable picture (4 bytes)' in errors[0]
    left = {path.name for path in (root / 'run').rglob('*') if path.is_file()}
    assert not any(name.endswith(('.pt', '.safetensors', '.partial')) for name in left)
