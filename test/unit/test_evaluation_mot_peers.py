"""The peers' environment and what is exchanged with it.

A script stands in for Python, and hand-made modules for the packages; nothing is downloaded.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pose_tracking_ros.evaluation import peer_environment
from pose_tracking_ros.evaluation.compare_trackers import load_sequences, score_runs
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import NO_CLASS, MotBoxes
from pose_tracking_ros.evaluation.tracker_runs import DetectedSequence

ROOT = Path(__file__).resolve().parents[2]
TUD = ROOT / 'data' / 'tracking'
PEERS = ROOT / '.cache' / 'peers'


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


WALK = [(2, 100.0), (3, 102.0), (4, 104.0), (4, 400.0), (5, 106.0), (6, 108.0), (7, 110.0)]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


STAND_IN = """#!/bin/sh
echo "$@" >> {log}
case "$3" in
  venv) mkdir -p {environment}/bin && cp "$0" {environment}/bin/python; exit;;
  pip) {pip}; exit;;
esac
shift
PYTHONPATH={modules} exec {python} "$@"
"""
SUPERVISION = """
class Detections:
    def __init__(self, xyxy, confidence, class_id):
        self.xyxy, self.confidence, self.class_id = xyxy, confidence, class_id
"""
TRACKERS = """
import numpy as np

class Tracker:
    def __init__(self, frame_rate, **options):
        assert frame_rate == 10
        self.first = options.get('minimum_consecutive_frames', 2)
        self.images = 0

    def update(self, detections):
        self.images += 1
        is_reported = self.images > self.first and len(detections.xyxy) > 0
        detections.tracker_id = np.full(len(detections.xyxy), 7 if is_reported else -1)
        return detections

SORTTracker = ByteTrackTracker = OCSORTTracker = BoTSORTTracker = CBIoUTracker = Tracker
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that installs the stand-in, and the log of its calls."""
    environment, log = tmp_path / 'peers', tmp_path / 'calls'
    write(tmp_path / 'modules' / 'supervision.py', SUPERVISION)
    write(tmp_path / 'modules' / 'trackers.py', TRACKERS)

    def install(pip: str = 'true') -> tuple[Path, Path]:
        script = tmp_path / 'stand_in'
        python = sys.executable
        script.write_text(
            STAND_IN.format(
                log=log,
                environment=environment,
                pip=pip,
                modules=tmp_path / 'modules',
                python=python,
            )
        )
        script.chmod(0o755)
        monkeypatch.setattr(peer_environment.sys, 'executable', str(script))
        return environment, log

    return install


def quiet() -> Console:
    return Console(quiet=True)


def test_peers_get_the_detections_and_are_timed(stand_in) -> None:
    environment, log = stand_in()
    runs = peer_environment.run_peers({'A': detected(*WALK)}, environment, quiet())
    assert list(runs)[:4] == ['sort', 'sort_defaults', 'bytetrack', 'bytetrack_defaults']
    early, late = runs['sort'].results['A'], runs['sort_defaults'].results['A']
    # The stand-in reports from its second or third image on; frame 1 has no detection.
    assert early.frames.tolist() == [2, 3, 4, 4, 5, 6, 7]
    assert late.frames.tolist() == [3, 4, 4, 5, 6, 7]
    assert early.boxes[:2].tolist() == [[100, 50, 140, 150], [102, 50, 142, 150]]
    assert set(early.ids.tolist()) == {7}
    assert runs['botsort'].update_s.shape == (10,)
    assert (runs['botsort'].update_s > 0).all()
    assert all(run.is_online for run in runs.values())
    assert [line.split()[2] for line in log.read_text().splitlines()[:2]] == ['venv', 'pip']


def test_peers_run_without_their_defaults_on_demand(stand_in) -> None:
    environment, _ = stand_in()
    runs = peer_environment.run_peers(
        {'A': detected(*WALK)}, environment, quiet(), with_defaults=False
    )
    assert list(runs) == ['sort', 'bytetrack', 'ocsort', 'botsort', 'cbiou']
    assert runs['sort'].results['A'].frames.tolist() == [2, 3, 4, 4, 5, 6, 7]


def test_environment_is_made_once(stand_in) -> None:
    environment, log = stand_in()
    for _ in range(2):
        peer_environment.run_peers({'A': detected()}, environment, quiet())
    assert [' -m pip install ' in line for line in log.read_text().splitlines()].count(True) == 1


def test_failed_installation_is_one_message_and_tried_again(stand_in) -> None:
    failing = 'echo "Collecting trackers"; echo "ERROR: No matching distribution" >&2; exit 1'
    environment, log = stand_in(failing)
    for _ in range(2):
        with pytest.raises(EvaluationError, match=r'ERROR: No matching.*--only ours') as caught:
            peer_environment.run_peers({'A': detected()}, environment, quiet())
    assert '\n' not in str(caught.value)
    assert log.read_text().count(' -m pip install ') == 2
    assert 'Collecting trackers' in environment.with_name('peers.log').read_text()


def test_failing_peers_are_one_message(stand_in, tmp_path: Path) -> None:
    environment, _ = stand_in()
    write(tmp_path / 'modules' / 'trackers.py', 'raise ImportError("no libGL")')
    with pytest.raises(EvaluationError, match=r'exit status 1\): ImportError: no libGL; remove'):
        peer_environment.run_peers({'A': detected()}, environment, quiet())


def test_no_place_for_the_environment(tmp_path: Path) -> None:
    write(tmp_path / 'file', '')
    with pytest.raises(EvaluationError, match=r'file: no place for the peers.*--environment'):
        peer_environment.run_peers({'A': detected()}, tmp_path / 'file', quiet())


def test_peers_need_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_environment, '_REQUIREMENTS', tmp_path / 'peers.txt')
    with pytest.raises(EvaluationError, match=r'peers\.txt: not there; .* from a checkout'):
        peer_environment.run_peers({'A': detected()}, tmp_path / 'peers', quiet())


@pytest.mark.skipif(not TUD.is_dir(), reason=f'needs the TUD sequences in {TUD}')
@pytest.mark.skipif(
    not peer_environment.is_installed(PEERS),
    reason='the peers are not installed: run the command compare-trackers once',
)
def test_peers_reach_their_known_figures_on_the_tud_sequences() -> None:
    truths, sequences = load_sequences(TUD / 'gt', TUD / 'det')
    report = score_runs(truths, peer_environment.run_peers(sequences, PEERS, quiet()))
    known = {'sort': (50.86, 70.93), 'bytetrack': (51.51, 72.33), 'botsort': (53.33, 77.27)}
    for peer, figures in known.items():
        measured = report[f'{peer}.hota'], report[f'{peer}.idf1']
        assert measured == pytest.approx(figures, abs=0.01), peer
