"""The peers of the benchmark find the people they are asked for, as their makers intend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pose_tracking_ros.benchmark import two_network
from pose_tracking_ros.benchmark.contestants import Stopwatch
from pose_tracking_ros.benchmark.scenes import group_scene

TEACHERS = Path(__file__).parents[2] / 'data' / 'teachers'


def test_a_peak_is_moved_towards_its_higher_neighbour():
    heatmaps = np.zeros((1, 2, 64, 48), np.float32)
    heatmaps[0, 0, 10, 20] = 0.8
    heatmaps[0, 0, 10, 21] = 0.3
    heatmaps[0, 0, 9, 20] = 0.2
    # At the border there is one neighbour only.
    heatmaps[0, 1, 63, 0] = 0.5
    region = np.array([[100.0, 200.0, 48.0, 64.0]])
    points, scores = two_network.decode(heatmaps, region)
    np.testing.assert_allclose(points[0, 0], [100 - 24 + 20.75, 200 - 32 + 10.25])
    np.testing.assert_allclose(points[0, 1], [100 - 24 + 0.25, 200 - 32 + 63.75])
    np.testing.assert_allclose(scores, [[0.8, 0.5]], atol=1e-6)


def test_a_crop_shows_its_region():
    image = np.zeros((400, 400, 3), np.uint8)
    image[100:228, 150:246] = 255
    # Twice the size of the crop's half: the region is exactly the bright rectangle.
    crop = two_network._crop(image, np.array([198.0, 164.0, 96.0, 128.0]))
    assert crop.shape == (256, 192, 3)
    assert crop[4:-4, 4:-4].min() > 250
    wide = two_network.pose_regions(np.array([[10.0, 20, 110, 60]]))
    np.testing.assert_allclose(wide, [[60, 40, 125, 125 * 4 / 3]])


def test_torchvision_finds_exactly_so_many():
    from pose_tracking_ros.benchmark.torchvision_peer import KeypointRCNN

    peer = KeypointRCNN(torch.device('cpu'), 1)
    clock = Stopwatch()
    with torch.inference_mode():
        peer.prepare(2, 128)
        people = peer.find(np.zeros((72, 128, 3), np.uint8), clock)
    assert len(people) == 2
    assert peer.pixels == 128 * 96
    assert peer.proposals > 100
    assert set(clock.stages_s) == {'preprocess', 'trunk', 'proposals', 'heads', 'decode'}


@pytest.mark.skipif(not TEACHERS.is_dir(), reason='data/teachers is not there')
def test_two_networks_find_the_people_of_the_picture():
    pytest.importorskip('openvino', reason='OpenVINO is not installed')
    count = 3
    scene = group_scene(count, (1280, 720))
    peer = two_network.TwoNetworks(TEACHERS, 1)
    peer.prepare(count, 448)
    people = peer.find(scene.render(0), Stopwatch())
    assert len(people) == count
    # Its best box is one of the people, and the pose lies in it.
    truth = scene.truth(0).boxes
    low = np.maximum(people.boxes[0, :2], truth[:, :2])
    high = np.minimum(people.boxes[0, 2:], truth[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = (truth[:, 2:] - truth[:, :2]).prod(1)
    own = (people.boxes[0, 2:] - people.boxes[0, :2]).prod()
    assert (shared / (areas + own - shared)).max() > 0.5
    x1, y1, x2, y2 = people.boxes[0]
    x, y = people.keypoints[0].T
    assert ((x > x1 - 10) & (x < x2 + 10) & (y > y1 - 10) & (y < y2 + 10)).mean() > 0.8
