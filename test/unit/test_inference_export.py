"""The commands: `export`, whose files are checked against torch, and `measure`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pose_tracking_ros.inference import __main__ as command
from pose_tracking_ros.inference.__main__ import main
from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.network.weights import shipped_weights

FILES = {
    'onnxruntime': {f'{part}.onnx' for part in ('trunk', 'box', 'person')},
    'openvino': {f'{part}.{end}' for part in ('trunk', 'box', 'person') for end in ('xml', 'bin')},
}


def export(engine: str, folder: Path, *more: str) -> int:
    return main(
        ['export', '--engine', engine, '--output', str(folder), '--long-side', '128', *more]
    )


@pytest.mark.parametrize('engine', FILES)
def test_export_writes_checks_and_measures(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(engine, reason='requirements/engines.txt is not installed')
    folder = tmp_path / 'new' / 'folder'
    assert export(engine, folder) == 0
    assert {path.name for path in folder.iterdir()} == {*FILES[engine], 'manifest.json'}
    manifest = json.loads((folder / 'manifest.json').read_text())
    assert set(manifest['files']) == FILES[engine]
    assert manifest['facts']['preset'] == 'lite'
    assert len(manifest['facts']['weights']) == 64
    out = capsys.readouterr().out
    assert 'trunk rows' in out
    assert 'person embeddings' in out
    assert ' MB; parts at 128x96 px with 5 people: ' in out


def test_export_fails_when_the_result_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('onnxruntime', reason='requirements/engines.txt is not installed')
    monkeypatch.setattr(command, 'differences', lambda *_: {'trunk rows': (1.0, 0.5)})
    assert export('onnxruntime', tmp_path / 'out') == 1
    assert 'do not use these files' in capsys.readouterr().err


def test_export_refuses_a_folder_that_is_not_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'mine.txt').write_text('precious')
    assert export('onnxruntime', tmp_path) == 2
    assert 'expected an empty or new folder' in capsys.readouterr().err
    assert (tmp_path / 'mine.txt').read_text() == 'precious'


def test_export_names_wrong_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = shipped_weights('lite')
    more = ('--preset', 'fastpose-18', '--weights', str(weights))
    assert export('onnxruntime', tmp_path / 'out', *more) == 2
    assert 'expected preset fastpose-18, got lite' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def measure(*more: str) -> int:
    few = ['--threads', '1', '--long-side', '64', '--runs', '2', '--engine', 'torch']
    return main(['measure', '--device', 'cpu', *few, *more])


def test_measure_shows_a_row_for_each_number_of_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert measure('--people', '1', '3') == 0
    out = capsys.readouterr().out
    assert 'torch' in out
    rows = [line.split('│')[1:-1] for line in out.splitlines() if ' ms ' in line]
    assert [int(row[0]) for row in rows] == [1, 3]
    assert all(float(cell.strip().removesuffix(' ms')) > 0 for row in rows for cell in row[1:])


def test_measure_has_the_precision_or_says_what_lacks_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unable = Processor('Old CPU', 2, ('avx2',))
    with monkeypatch.context() as patched:
        patched.setattr(Processor, 'here', lambda: unable)
        assert measure('--people', '1', '--precision', 'bf16') == 2
    assert 'error: precision: Old CPU has neither' in capsys.readouterr().err
    if gap := Processor.here().gap('bf16'):
        pytest.skip(gap)
    assert measure('--people', '1', '--precision', 'bf16') == 0
    assert ', bf16' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (('--people', '0'), 'expected at least 1'),
        (('--people', '200'), 'for this network, got 200'),
        (('--long-side', '1'), 'image_long_side_px: expected at least 64'),
    ],
)
def test_measure_refuses_what_it_cannot_do(
    more: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(*more) == 2
    assert message in capsys.readouterr().err
