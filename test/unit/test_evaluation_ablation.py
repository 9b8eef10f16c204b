"""The ablation: whose detection is whose, what counts as a switch, and the figures' arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.ablation import (
    LabelledFrame,
    Outcome,
    follow,
    owners_of,
    run_scene,
    summary,
)
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.simulation.truth import FrameTruth

SIZE = (640, 480)


def people_at(*centres: float) -> People:
    """Return people of 40 x 100 px at the given x, with joints down their middle."""
    x = np.array(centres, np.float32).reshape(-1)
    count = len(x)
    boxes = np.stack([x - 20, np.full(count, 100.0), x + 20, np.full(count, 200.0)], 1)
    joints = np.stack([np.tile(x[:, None], 17), np.tile(np.linspace(105, 195, 17), (count, 1))], 2)
    return People(
        boxes=boxes.reshape(-1, 4),
        scores=np.full(count, 0.9),
        keypoints=joints.reshape(-1, 17, 2),
        keypoint_scores=np.full((count, 17), 0.9),
        embeddings=np.zeros((count, 0)),
        image_size=SIZE,
    )


def truth_at(*centres: float) -> FrameTruth:
    people = people_at(*centres)
    count = len(people)
    return FrameTruth(
        stamp_s=0.0,
        person_ids=np.arange(count) + 1,
        boxes=people.boxes,
        keypoints=people.keypoints,
        joints_m=np.zeros((count, 17, 3), np.float32),
        keypoint_visible=np.ones((count, 17), bool),
        visible_fraction=np.ones(count, np.float32),
        appearance=np.eye(4, dtype=np.float32)[:count],
    )


def frame(number: int, centres: list[float], identities: list[int]) -> LabelledFrame:
    return LabelledFrame(number / 10, people_at(*centres), np.array(identities), len(identities))


def test_detections_belong_to_whom_they_overlap() -> None:
    assert owners_of(people_at(300, 101), truth_at(100, 305)).tolist() == [1, 0]


def test_joints_decide_where_boxes_coincide() -> None:
    truth = truth_at(100, 104)
    people = people_at(104, 100)
    people.boxes[:] = truth.boxes[[0, 1]]
    # The boxes say first and second, the joints the other way round.
    assert owners_of(people, truth).tolist() == [1, 0]


def test_a_far_detection_is_nobodys_and_takes_nobodys_place() -> None:
    assert owners_of(people_at(500, 100), truth_at(100)).tolist() == [-1, 0]
    assert owners_of(people_at(), truth_at(100)).tolist() == []
    assert owners_of(people_at(100), truth_at()).tolist() == [-1]


def test_a_switch_is_a_person_whose_track_changes() -> None:
    still = [frame(n, [100, 300], [1, 2]) for n in range(10)]
    assert follow(still, TrackerSettings(strategy='iou')).switches == 0
    # The people change places in the labels: to a tracker by position nothing happens.
    swapped = [frame(n, [100, 300], [2, 1]) for n in range(10, 20)]
    outcome = follow(still + swapped, TrackerSettings(strategy='iou'))
    assert outcome.switches == 2
    assert outcome.in_view == 40
    # Tentative tracks of the first images have no identity yet.
    assert 30 <= outcome.identified < 40


def test_strangers_do_not_count() -> None:
    frames = [frame(n, [100, 300], [0, 0]) for n in range(10)]
    assert follow(frames, TrackerSettings(strategy='iou')) == Outcome(0, 0, 20)


def test_figures_by_hand() -> None:
    figures = summary(
        {
            'iou': {'a': [Outcome(2, 8, 10), Outcome(4, 10, 10)], 'b': [Outcome(1, 5, 10)] * 2},
            'reid': {'a': [Outcome(0, 8, 10), Outcome(2, 10, 10)], 'b': [Outcome(0, 5, 10)] * 2},
        }
    )
    assert figures['iou.switches'] == 8
    assert figures['iou.switches_per_seed_mean'] == 4
    assert figures['iou.switches_per_seed_std'] == 1
    assert figures['iou.a.switches_mean'] == 3
    assert figures['iou.a.switches_std'] == 1
    assert figures['iou.identified'] == pytest.approx(0.7)
    assert figures['iou.ratio'] == 1
    assert figures['reid.ratio'] == 0.25


def test_one_crossing_scene_separates_the_strategies() -> None:
    outcomes = run_scene('group_turn', 0, 10.0, ('iou', 'occlusion_aware'))
    assert outcomes['occlusion_aware'].switches < outcomes['iou'].switches
    assert outcomes['iou'].in_view == outcomes['occlusion_aware'].in_view > 300


def test_command_writes_figures_and_a_picture(tmp_path: Path) -> None:
    out = tmp_path / 'ablation.json'
    arguments = ['--seeds', '1', '--rate-hz', '4', '--families', 'crossing', '--json', str(out)]
    assert main(['ablation', *arguments, '--strategies', 'iou', 'reid']) == 0
    figures = json.loads(out.read_text())
    assert figures['seeds'] == 1
    assert figures['iou.switches'] >= 0
    assert out.with_suffix('.png').stat().st_size > 5000


def test_command_wants_at_least_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['ablation', '--seeds', '0']) == 2
    assert 'seeds: expected at least 1, got 0' in capsys.readouterr().err
