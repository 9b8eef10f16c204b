"""Canvases of close-ups: how many people, and how large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_training import LITE, write_data

from pose_tracking_ros.training.config import load_config
from pose_tracking_ros.training.datasets import DatasetSettings, open_dataset
from pose_tracking_ros.training.pictures import PictureSet
from pose_tracking_ros.training.scenes import CanvasSettings, DetectionCanvases

SIDE = 384


@pytest.fixture(scope='module')
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    folder: Path = tmp_path_factory.mktemp('close_ups')
    write_data(folder)
    return PictureSet(open_dataset(DatasetSettings('scene', 'coco', '.', 'labels.json'), folder))


def heights(pictures: PictureSet, **settings: float) -> np.ndarray:
    """Return the heights of the tallest person of each of 24 canvases, px."""
    values = {
        name: getattr(load_config(LITE).canvas, name)
        for name in ('mosaic_share', 'min_scale', 'max_scale', 'source_weights')
    }
    values |= {'size_px': SIDE, 'max_rotation_deg': 0.0, 'close_up_share': 1.0}
    values |= {'cut_share': 0.0, 'hidden_share': 0.0, **settings}
    source = DetectionCanvases(pictures, CanvasSettings(**values))
    canvases = [source.compose(np.random.default_rng(seed)) for seed in range(24)]
    assert all(canvas.image.shape == (SIDE, SIDE, 3) for canvas in canvases)
    boxes = [canvas.labels.boxes for canvas in canvases]
    return np.array([(found[:, 3] - found[:, 1]).max() for found in boxes])


def test_close_ups_are_of_twelve_or_six_people(pictures: PictureSet) -> None:
    assert heights(pictures).max() <= SIDE / 2


def test_large_close_ups_fill_half_of_the_canvas_or_all_of_it(pictures: PictureSet) -> None:
    large = heights(pictures, large_share=1.0)
    # The people fill at least 0.65 of a cell, which is as high as the canvas or half as high.
    assert large.min() > 0.6 * SIDE / 2
    assert large.max() > 0.6 * SIDE


def test_large_close_ups_come_as_often_as_asked_for(pictures: PictureSet) -> None:
    # Two of five large ones show two people, each as high as the canvas.
    tallest = heights(pictures, large_share=0.5) > SIDE / 2
    assert 1 <= np.count_nonzero(tallest) <= 10


def test_close_ups_need_enough_labelled_joints(pictures: PictureSet) -> None:
    # Cells show whole pictures where nobody has enough joints: people are smaller in them.
    smaller = heights(pictures, min_close_up_joints=18.0)
    assert smaller.mean() < 0.8 * heights(pictures, min_close_up_joints=3.0).mean()
