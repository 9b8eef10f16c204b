"""The cache of converted networks: found again, checked, made anew when damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_tracking_ros.inference.model_cache import CacheError, cache_folder, entry

FACTS = {'weights': 'a', 'torch': '1'}


class Maker:
    """Writes a file and counts how often."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, folder: Path) -> None:
        self.runs += 1
        (folder / 'net.onnx').write_text('content')


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    make, lines = Maker(), []
    first = entry(tmp_path, 'onnx', FACTS, make, lines.append)
    assert (first / 'net.onnx').read_text() == 'content'
    assert entry(tmp_path, 'onnx', FACTS, make, lines.append) == first
    assert (make.runs, lines) == (1, [])
    assert entry(tmp_path, 'onnx', {**FACTS, 'torch': '2'}, make, lines.append) != first
    assert make.runs == 2


@pytest.mark.parametrize('damage', ['changed', 'gone', 'no manifest', 'manifest cut', 'a list'])
def test_a_damaged_entry_is_made_anew_with_a_word(tmp_path: Path, damage: str) -> None:
    make, lines = Maker(), []
    path = entry(tmp_path, 'onnx', FACTS, make, lines.append)
    if damage == 'changed':
        (path / 'net.onnx').write_text('c0ntent')
    elif damage == 'gone':
        (path / 'net.onnx').unlink()
    elif damage == 'no manifest':
        (path / 'manifest.json').unlink()
    elif damage == 'manifest cut':
        (path / 'manifest.json').write_text('{"files": {')
    else:
        (path / 'manifest.json').write_text('[]')
    entry(tmp_path, 'onnx', FACTS, make, lines.append)
    assert make.runs == 2
    assert (path / 'net.onnx').read_text() == 'content'
    assert len(lines) == 1
    assert str(path) in lines[0]
    assert lines[0].endswith('making it anew')


def test_what_fails_or_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / 'half.onnx').write_text('half')
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        entry(tmp_path, 'onnx', FACTS, fail, print)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / 'file'
    blocked.write_text('')
    with pytest.raises(CacheError, match='engine_cache: cannot write .*file.*name a folder'):
        entry(blocked, 'onnx', FACTS, Maker(), print)


def test_the_folder_follows_the_setting_then_xdg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_folder('') == tmp_path / 'xdg' / 'pose_tracking_ros'
    assert cache_folder('~/models') == tmp_path / 'home' / 'models'
    for unusable in ('', 'relative'):
        monkeypatch.setenv('XDG_CACHE_HOME', unusable)
        assert cache_folder('') == tmp_path / 'home' / '.cache' / 'pose_tracking_ros'
