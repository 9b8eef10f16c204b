"""Our tracker on stored detections, and the two commands about tracks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.bar_chart import write_bar_chart
from pose_tracking_ros.evaluation.compare_trackers import load_sequences, score_runs
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import NO_CLASS, MotBoxes
from pose_tracking_ros.evaluation.tracker_runs import DetectedSequence, extent_of, run_ours
from pose_tracking_ros.settings import TrackerSettings

ROOT = Path(__file__).resolve().parents[2]
TUD = ROOT / 'data' / 'tracking'
needs_tud = pytest.mark.skipif(not TUD.is_dir(), reason=f'needs the TUD sequences in {TUD}')


def detected(*rows: tuple[int, float], frames: int = 10) -> DetectedSequence:
    """Rows of frame and left side; boxes of 40 x 100 px, 10 images per second."""
    table = np.array(rows, float).reshape(-1, 2)
    left, top = table[:, 1:], np.full((len(table), 1), 50.0)
    boxes = MotBoxes(
        frames=table[:, 0].astype(int),
        ids=np.full(len(table), -1),
        boxes=np.concatenate([left, top, left + 40, top + 100], axis=1),
        scores=np.full(len(table), 0.9),
        classes=np.full(len(table), NO_CLASS),
    )
    return DetectedSequence(boxes=boxes, frames=frames, rate_hz=10.0, image_size=(640, 480))


# Somebody walks from frame 2 on; in frame 4 there is a false detection.
WALK = [(2, 100.0), (3, 102.0), (4, 104.0), (4, 400.0), (5, 106.0), (6, 108.0), (7, 110.0)]


def test_three_readings_of_ours() -> None:
    runs = run_ours({'A': detected(*WALK)}, TrackerSettings(confirm_after_s=0.2))
    frames = {name: run.results['A'].frames.tolist() for name, run in runs.items()}
    assert frames == {
        'ours': [2, 3, 4, 4, 5, 6, 7],
        # 0.2 s after the first detection.
        'ours_confirmed': [4, 5, 6, 7],
        # Its beginning is added, the false detection is not.
        'ours_completed': [2, 3, 4, 5, 6, 7],
    }
    assert len(set(runs['ours_completed'].results['A'].ids.tolist())) == 1
    assert {name: run.is_online for name, run in runs.items()} == {
        'ours': True,
        'ours_confirmed': True,
        'ours_completed': False,
    }
    published = runs['ours'].results['A']
    assert published.boxes[0] == pytest.approx([100, 50, 140, 150], abs=1)
    assert published.scores[0] == pytest.approx(0.9)


def test_every_image_is_timed_and_sequences_share_nothing() -> None:
    runs = run_ours({'A': detected(*WALK), 'B': detected(*WALK), 'C': detected()})
    run = runs['ours']
    assert run.update_s.shape == (30,)
    assert (run.update_s > 0).all()
    assert run.ms_per_frame == pytest.approx(1e3 * float(np.median(run.update_s)))
    assert run.results['A'].ids.tolist() == run.results['B'].ids.tolist()
    assert len(run.results['C']) == 0


def test_extent_stands_in_for_the_image_size() -> None:
    assert extent_of(detected((1, 100.5), (2, 10.0)).boxes) == (141, 150)
    assert extent_of(MotBoxes.none()) == (1, 1)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    lines = [f'{frame},1,{100 + 2 * frame},50,40,100' for frame in range(1, 11)]
    for name in 'AB':
        write(tmp_path / 'gt' / f'{name}.txt', '\n'.join(lines))
        scored = '\n'.join(f'{line.replace(",1,", ",-1,", 1)},0.9' for line in lines)
        write(tmp_path / 'det' / f'{name}.txt', scored)
    return tmp_path / 'gt', tmp_path / 'det'


def test_what_is_not_told_is_assumed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, sequences = load_sequences(*folders)
    assert (sequences['A'].rate_hz, sequences['A'].frames) == (25.0, 10)
    assert sequences['A'].image_size == (160, 150)
    truth = tmp_path / 'challenge'
    write(truth / 'A' / 'gt' / 'gt.txt', '1,1,102,50,40,100')
    info = '[Sequence]\nframeRate=14\nseqLength=12\nimWidth=640\nimHeight=480\n'
    write(truth / 'A' / 'seqinfo.ini', info)
    told = load_sequences(truth, folders[1])[1]['A']
    assert (told.rate_hz, told.frames, told.image_size) == (14.0, 12, (640, 480))
    asked = load_sequences(truth, folders[1], 50.0, (800, 600))[1]['A']
    assert (asked.rate_hz, asked.image_size) == (50.0, (800, 600))
    write(truth / 'A' / 'seqinfo.ini', '[Sequence]\nseqLength=9\n')
    with pytest.raises(EvaluationError, match='A: boxes up to frame 10, but .* states 9'):
        load_sequences(truth, folders[1])


# The commands


def run_compare(folders: tuple[Path, Path], *more: str) -> int:
    places = ['--ground-truth', str(folders[0]), '--detections', str(folders[1])]
    return main(['compare-trackers', *places, *more])


def test_comparison_of_ours(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    target = tmp_path / 'new' / 'report.json'
    assert run_compare(folders, '--only', 'ours', '--json', str(target)) == 0
    report = json.loads(target.read_text())
    assert {key.partition('.')[0] for key in report} == {
        'ours',
        'ours_confirmed',
        'ours_completed',
    }
    assert report['ours.hota'] == pytest.approx(100)
    assert report['ours.idf1'] == report['ours.mota'] == 100
    assert (report['ours.idsw'], report['ours.fn']) == (0, 0)
    # Confirmed after 0.15 s, in the fifth image: four of ten boxes, twice.
    assert report['ours_confirmed.fn'] == 8
    assert report['ours.ms_per_frame'] > 0
    assert cv2.imread(str(target.with_suffix('.png'))).std() > 10
    assert 'ours_completed' in capsys.readouterr().out


def test_scoring_results_again(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    target = tmp_path / 'report.json'
    places = ['--ground-truth', str(folders[0]), '--results', str(folders[0])]
    assert main(['mot', *places, '--json', str(target)]) == 0
    report = json.loads(target.read_text())
    assert (report['hota'], report['idf1'], report['mota']) == pytest.approx((100, 100, 100))
    assert (report['boxes'], report['A.boxes'], report['B.frames']) == (20, 10, 10)
    assert target.with_suffix('.png').is_file()
    assert 'all together' in capsys.readouterr().out


def test_bad_input_ends_with_one_line(folders: tuple[Path, Path], capsys) -> None:
    write(folders[1] / 'B.txt', '1,-1,0,0,5,5,0.9\n1,-1,0,0,five,5,0.9\n')
    assert run_compare(folders, '--only', 'ours') == 2
    said = capsys.readouterr().err
    assert said.startswith('error: ')
    assert "B.txt: line 2, field width: expected a number, got 'five'" in said
    assert said.count('\n') == 1


@pytest.mark.parametrize(
    'wrong', [('--fps', '0'), ('--fps', 'nan'), ('--image-size', '640'), ('--only', 'sort')]
)
def test_bad_options(folders: tuple[Path, Path], capsys, wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit, match='2'):
        run_compare(folders, *wrong)
    assert wrong[0] in capsys.readouterr().err


def test_bars(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'bars.png'
    write_bar_chart(path, 'title', '%', {'a': {'HOTA': 50.0}, 'b': {'HOTA': -10.0}})
    assert cv2.imread(str(path)) is not None
    with pytest.raises(ValueError, match='at least one name'):
        write_bar_chart(path, 'title', '%', {})
    with pytest.raises(ValueError, match=r"expected the figures \['x'\] for each name"):
        write_bar_chart(path, 'title', '%', {'a': {'x': 1.0}, 'b': {'y': 1.0}})


# Real sequences


@needs_tud
def test_ours_reaches_the_best_peer_on_the_tud_sequences() -> None:
    truths, sequences = load_sequences(TUD / 'gt', TUD / 'det')
    report = score_runs(truths, run_ours(sequences))
    assert report['ours.hota'] >= 53.3
    assert report['ours.idf1'] >= 77.3
