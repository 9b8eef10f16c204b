"""`scripts/train_ablation.py`: what each variant changes, resuming, table and picture."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import pytest
import yaml

from pose_tracking_ros.training.config import ConfigError, load_config

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'config' / 'training' / 'ablation.yaml'


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    name = 'train_ablation'
    spec = importlib.util.spec_from_file_location(name, ROOT / 'scripts' / f'{name}.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def result_of(value: float) -> dict[str, Any]:
    figures = ('box_ap', 'box_ap50', 'keypoint_ap', 'keypoint_ap50', 'keypoint_ap75')
    facts = {'steps': 7, 'seed': 5, 'images': 84, 'people': 274, 'long_side_px': 384}
    return {**dict.fromkeys(figures, value), **facts}


def test_variants_differ_in_what_they_are_about_and_nothing_else(
    script: ModuleType, tmp_path: Path
) -> None:
    configs = {
        variant.name: load_config(script.config_file(variant, CONFIG, 9, tmp_path / variant.name))
        for variant in script.VARIANTS
    }
    found = {n: (c.canvas.pyramid.training, c.objective.pose_loss) for n, c in configs.items()}
    assert found == {
        'none': ('none', 'softmax'),
        'multi-scale': ('multi-scale', 'softmax'),
        'snip': ('snip', 'softmax'),
        'sifp': ('sifp', 'softmax'),
        'sifp-rce': ('sifp', 'rce'),
        'sifp-sikr': ('sifp', 'sikr'),
    }  # fmt: skip
    for config in configs.values():
        assert config.canvas.sampling == 'sifp'
        assert config.optimiser.steps == 9
    assert len({(c.seed, c.data, repr(c.optimiser)) for c in configs.values()}) == 1


def test_changes_need_existing_keys(script: ModuleType) -> None:
    content = {'a': {'b': 1}, 'c': 2}
    assert script.changed(content, {'a.b': 3, 'c': 4}) == {'a': {'b': 3}, 'c': 4}
    assert content == {'a': {'b': 1}, 'c': 2}
    with pytest.raises(KeyError):
        script.changed(content, {'a.x': 3})


def test_a_folder_keeps_its_configuration(script: ModuleType, tmp_path: Path) -> None:
    variant = script.VARIANTS[0]
    path = script.config_file(variant, CONFIG, 9, tmp_path)
    assert script.config_file(variant, CONFIG, 9, tmp_path) == path
    with pytest.raises(ConfigError, match='another configuration is there'):
        script.config_file(variant, CONFIG, 10, tmp_path)


def test_finished_variants_are_not_trained_again(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    class Interrupted:
        def __init__(self, config: Any, root: Path, folder: Path) -> None:
            trained.append(config.name)

        def train(self) -> bool:
            return False

    monkeypatch.setattr(script, 'Run', Interrupted)
    arguments = ['--only', 'none', 'sifp', 'snip', '--steps', '7', '--output', str(tmp_path)]
    for name in ('none', 'snip'):
        (tmp_path / name).mkdir()
        (tmp_path / name / script.RESULT).write_text(json.dumps(result_of(0.1)))
    assert script.main(arguments) == 3
    assert trained == ['sifp']
    assert not (tmp_path / 'training_ablation.md').exists()


def test_table_and_picture(script: ModuleType, tmp_path: Path) -> None:
    for number, name in enumerate(('none', 'sifp-rce')):
        (tmp_path / 'runs' / name).mkdir(parents=True)
        result = json.dumps(result_of(0.25 + number / 4))
        (tmp_path / 'runs' / name / script.RESULT).write_text(result)
    docs = tmp_path / 'docs'
    arguments = ['--only', 'sifp-rce', 'none', '--steps', '7', '--docs', str(docs)]
    assert script.main([*arguments, '--output', str(tmp_path / 'runs')]) == 0
    page = (docs / 'training_ablation.md').read_text()
    assert '| `none` | one scale, everybody trains | 0.250 | 0.250 |' in page
    assert '| `sifp-rce` | SIFP with RCE | 0.500 |' in page
    assert '7 steps and seed 5 for each, scored on 84 pictures (274 people)' in page
    assert 'images/training_ablation.png' in page
    assert cv2.imread(str(docs / 'images' / 'training_ablation.png')) is not None


def test_bad_base_is_told(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / 'base.yaml'
    content = yaml.safe_load(CONFIG.read_text())
    del content['canvas']['pyramid']
    base.write_text(yaml.safe_dump(content))
    assert script.main(['--config', str(base), '--output', str(tmp_path / 'runs')]) == 2
    assert "expected a training configuration with 'pyramid'" in capsys.readouterr().err
