"""People as coloured bars that walk to and fro, an engine that finds them, and bags of them.

Cheap enough for many replays, and importable in the worker processes of a sweep.
"""

import os
import time

import numpy as np
from replay_bags import START_NS, write_bag

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.people import People

STEP_NS = 100_000_000
SIZE = (96, 48)
JOINTS = 17


def bar_boxes(images, people, first=0):
    """Return the bars of each image as person -> box; those in front come last."""
    boxes = []
    for number in range(images):
        bars = {}
        for person in range(people):
            # Each at a pace of their own, so that they meet.
            way = (first + number) * (1.0 + 0.6 * person) + 25 * person
            left = round(abs(way % 160 - 80))
            top = 4 + 3 * person
            bars[person + 1] = (left, top, left + 12, top + 30)
        boxes.append(bars)
    return boxes


def bar_pictures(boxes):
    """Return stamp and picture of each image; the colour tells the person."""
    pictures = []
    for number, bars in enumerate(boxes):
        picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        for person, (x1, y1, x2, y2) in bars.items():
            picture[y1:y2, x1:x2] = 40 * person
        pictures.append((START_NS + number * STEP_NS, picture))
    return pictures


def write_bar_bag(folder, images=24, people=3, first=0):
    """Write a bag and its truth as MOT text; return the paths of both."""
    boxes = bar_boxes(images, people, first)
    write_bag(folder, bar_pictures(boxes))
    lines = [
        f'{number},{person},{x1 + 1},{y1 + 1},{x2 - x1},{y2 - y1},1,1,1\n'
        for number, bars in enumerate(boxes, start=1)
        for person, (x1, y1, x2, y2) in bars.items()
    ]
    truth = folder.parent / f'{folder.name}.txt'
    truth.write_text(''.join(lines))
    return folder, truth


class BarEngine:
    """Finds what is seen of each bar, unless less than a third is."""

    model_id = 'bars@0'
    device_name = 'paper'
    fallback_reason = ''
    embedding_dim = 8

    def apply_settings(self, settings):
        pass

    def warm_up(self):
        pass

    def infer(self, image):
        boxes, people = [], []
        for level in sorted(set(image[..., 0].ravel().tolist()) - {0}):
            rows, columns = np.nonzero(image[..., 0] == level)
            if len(rows) > 120:
                boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
                people.append(level // 40)
        if not boxes:
            return People.none((image.shape[1], image.shape[0]), JOINTS, 8)
        boxes = np.array(boxes, np.float32)
        along = np.linspace(0.1, 0.9, JOINTS)[None, :, None]
        joints = boxes[:, None, :2] * (1 - along) + boxes[:, None, 2:] * along
        return People(
            boxes=boxes,
            scores=np.full(len(boxes), 0.9),
            keypoints=joints,
            keypoint_scores=np.full((len(boxes), JOINTS), 0.8),
            embeddings=np.eye(8)[np.array(people) % 8],
            image_size=(image.shape[1], image.shape[0]),
        )


def bar_engine(settings):
    """Load the engine, whatever the settings."""
    return BarEngine()


def fail_on_odd(number):
    """Work that goes wrong."""
    if number % 2:
        raise EvaluationError(f'{number} is odd')
    return number


def sleep(seconds):
    """Work that takes its time."""
    time.sleep(seconds)
    return seconds


def die(number):
    """Work whose process is killed."""
    os._exit(9)
