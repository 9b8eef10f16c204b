"""Sizes before and after SIFP: who is counted where, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_tracking_ros.training.scale_ranges import PyramidSettings
from pose_tracking_ros.training.size_distribution import main, sizes_by_level, spread

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'ablation.yaml'


def test_sizes_by_level_are_those_of_the_level() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 30, 120], [0, 0, 50, 200]], np.float64)
    twice, once = sizes_by_level(boxes, PyramidSettings('sifp', (2.0, 1.0)), side_px=256)
    assert twice.trained.tolist() == [20, 120]
    # 400 px high does not fit into a crop.
    assert twice.ignored.tolist() == [200]
    assert once.trained.tolist() == [60, 100]
    assert once.ignored.tolist() == [10]


def test_spread_is_of_the_middle_nine_tenths() -> None:
    assert spread(np.arange(0, 101.0)) == pytest.approx(95 / 5)
    assert np.isnan(spread(np.zeros(0)))


def write_data(folder: Path) -> None:
    people = [
        {'id': n, 'image_id': 1, 'bbox': [5, 5, size, size]} for n, size in enumerate((4, 30, 90))
    ]
    (folder / 'train').mkdir()
    cv2.imwrite(str(folder / 'train' / 'a.png'), np.zeros((100, 384, 3), np.uint8))
    record = {'id': 1, 'file_name': 'a.png', 'width': 384, 'height': 100}
    content = {'images': [record], 'annotations': people}
    (folder / 'train' / 'annotations.json').write_text(json.dumps(content))


def test_command_tells_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(tmp_path)
    config = tmp_path / 'config.yaml'
    config.write_text(CONFIG.read_text().replace('annotations.json.gz', 'annotations.json'))
    picture = tmp_path / 'docs' / 'sizes.png'
    arguments = [str(config), '--output', str(picture), '--data-root', str(tmp_path)]
    assert main(arguments) == 0
    assert cv2.imread(str(picture)) is not None
    rows = [
        [cell.strip() for cell in line.split('│')[1:-1]]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith('│')
    ]
    # Of three people one is never large enough: 8 px at factor 2.
    assert {name: (share, count) for name, share, count, _ in rows} == {
        'none': ('100.0%', '3'),
        'multi-scale': ('100.0%', '12'),
        'snip': ('66.7%', '2'),
        'sifp': ('66.7%', '8'),
    }


def test_missing_data_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(CONFIG), '--output', str(tmp_path / 'a.png'), '--data-root', str(tmp_path)]
    assert main(arguments) == 2
    assert 'annotations.json.gz' in capsys.readouterr().err
