"""Single pieces against the usual way to do the same, in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from pose_tracking_ros.benchmark.contestants import RATE_HZ, Stopwatch
from pose_tracking_ros.benchmark.ours import OurNetwork
from pose_tracking_ros.benchmark.rounds import Ratio
from pose_tracking_ros.inference.letterbox import PADDING_RGB, Letterbox
from pose_tracking_ros.network.decode import keypoints_from_heatmaps
from pose_tracking_ros.network.model import SIZE_STEP_PX
from pose_tracking_ros.people import FrameResult, People
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.tracker import Tracker

Rounds = Float[np.ndarray, 'round']

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)
# The paper's heatmaps over people of this height.
_HEATMAP = (88, 64)
_PERSON_PX = 220.0


def in_turns(
    functions: Sequence[Callable[[], Any]], rounds: int, repeats: int = 3
) -> list[Rounds]:
    """Return the median time of each function in each round, s; a first run is not counted.

    Args:
        functions: to be timed one after the other in every round.
        rounds: how often.
        repeats: runs within a turn, after one that warms up.
    """
    times = np.zeros((len(functions), rounds, repeats))
    for number in range(rounds):
        for which, function in enumerate(functions):
            function()
            for run in range(repeats):
                started = time.perf_counter()
                function()
                times[which, number, run] = time.perf_counter() - started
    return list(np.median(times, axis=2))


def decoding(people: int, rounds: int) -> tuple[Rounds, Rounds]:
    """Return times of torchvision's and of our keypoint decoding on the same heatmaps, s."""
    torch.manual_seed(people)
    maps = torch.randn(people, len(COCO_17), *_HEATMAP)
    low = torch.rand(people, 2) * 200
    size = torch.tensor([_PERSON_PX * _HEATMAP[1] / _HEATMAP[0], _PERSON_PX])
    boxes = torch.cat([low, low + size], dim=1)
    with torch.inference_mode():
        theirs, ours = in_turns(
            [
                lambda: heatmaps_to_keypoints(maps, boxes),
                lambda: keypoints_from_heatmaps(maps, boxes),
            ],
            rounds,
        )
    return theirs, ours


def naive_input(
    image: UInt8[np.ndarray, 'height width 3'], letterbox: Letterbox
) -> Float[np.ndarray, '1 3 padded_height padded_width']:
    """Return a network input the usual way: floating point from the first step on."""
    floats = (image.astype(np.float32) - _MEAN) / _STD
    width, height = letterbox.size
    padded = np.full((*letterbox.padded_size[::-1], 3), (PADDING_RGB - _MEAN) / _STD, np.float32)
    padded[:height, :width] = cv2.resize(floats, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(padded.transpose(2, 0, 1))[None]


def preprocessing(
    image: UInt8[np.ndarray, 'height width 3'], long_side_px: int, rounds: int
) -> tuple[Rounds, Rounds]:
    """Return times of the naive floating point path and of ours, s.

    Ours ends with bytes: the trunk computes its input from them, mean and deviation included.
    """
    letterbox = Letterbox.fit((image.shape[1], image.shape[0]), long_side_px, SIZE_STEP_PX)
    naive, ours = in_turns(
        [
            lambda: torch.from_numpy(naive_input(image, letterbox)),
            lambda: torch.from_numpy(letterbox.apply(image)),
        ],
        rounds,
    )
    return naive, ours


def crowd_result(people: int, image_size: tuple[int, int] = (1280, 720)) -> FrameResult:
    """Return what the tracker makes of so many people with all their joints."""
    rng = np.random.default_rng(people)
    size = np.array([50.0, 120.0])
    low = rng.uniform(0, 1, (people, 2)) * (np.array(image_size) - size)
    boxes = np.concatenate([low, low + size], axis=1)
    inside = rng.uniform(0.05, 0.95, (people, len(COCO_17), 2))
    looks = rng.normal(size=(people, 128))
    found = People(
        boxes=boxes,
        scores=np.full(people, 0.9),
        keypoints=low[:, None] + inside * size,
        keypoint_scores=np.full((people, len(COCO_17)), 0.8),
        embeddings=looks / np.linalg.norm(looks, axis=1, keepdims=True),
        image_size=image_size,
    )
    tracker = Tracker()
    for frame in range(5):
        tracks = tracker.update(found, frame / RATE_HZ)
    return FrameResult(found, tracks, [], tracker.session_id)


@contextmanager
def busy_machine(programs: int | None = None) -> Iterator[None]:
    """Keep the processor busy with other programs, as many as there are cores if not told."""
    others = [
        subprocess.Popen([sys.executable, '-I', '-S', '-c', 'while True: pass'])
        for _ in range(programs or os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.wait()


def threads_under_load(
    network: OurNetwork, image: UInt8[np.ndarray, 'height width 3'], rounds: int
) -> tuple[Rounds, Rounds]:
    """Return times of torch's network with two threads and with one, on a busy machine, s.

    Args:
        network: run by torch, prepared.
        image: to look at.
        rounds: how often.
    """
    before = torch.get_num_threads()

    def with_threads(count: int) -> Callable[[], Any]:
        def run() -> Any:
            torch.set_num_threads(count)
            return network.find(image, Stopwatch())

        return run

    try:
        with busy_machine():
            two, one = in_turns([with_threads(2), with_threads(1)], rounds)
    finally:
        torch.set_num_threads(before)
    return two, one


def ratio(times: tuple[Rounds, Rounds]) -> Ratio:
    """Return how many times longer the first takes."""
    return Ratio.of(*times)
