"""The speed measurement: what it feeds, and what it writes. The times themselves are no test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.tracker_speed import as_sequence, walking_people
from pose_tracking_ros.tracking.tracker import Tracker


@pytest.mark.parametrize('count', [1, 5, 50])
def test_so_many_people_give_so_many_tracks(count: int) -> None:
    images = walking_people(count, 40)
    tracker = Tracker()
    for index, people in enumerate(images):
        tracks = tracker.update(people, index / 30)
    assert len(tracks) == count
    assert {track.track_id for track in tracks} == set(range(1, count + 1))
    # Some are overlooked now and then, so that the tracker has that work too.
    if count == 50:
        assert min(len(people) for people in images) < count


def test_peers_get_the_same_boxes() -> None:
    images = walking_people(3, 12)
    sequence = as_sequence(images)
    assert sequence.frames == 12
    for index, people in enumerate(images):
        np.testing.assert_allclose(
            sequence.boxes.boxes[sequence.boxes.frames == index + 1], people.boxes
        )


def test_command_writes_figures_and_a_picture(tmp_path: Path) -> None:
    out = tmp_path / 'speed.json'
    arguments = ['--people', '1', '4', '--frames', '12', '--only', 'ours', '--json', str(out)]
    assert main(['tracker-speed', *arguments]) == 0
    report = json.loads(out.read_text())
    for name in ('ours', 'ours_boxes_only'):
        for count in (1, 4):
            median, high = (report[f'{name}.{count}.ms_{kind}'] for kind in ('median', 'p95'))
            assert 0 < median <= high
    assert out.with_suffix('.png').stat().st_size > 5000


def test_command_wants_people_and_frames(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['tracker-speed', '--people', '0', '--only', 'ours']) == 2
    assert 'expected at least 1 person' in capsys.readouterr().err
