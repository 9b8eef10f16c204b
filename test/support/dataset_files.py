"""Small dataset files for tests, in the layouts in which they are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_tracking_ros.training.datasets import Dataset, DatasetSettings, Problems, open_dataset

WIDTH, HEIGHT = 100, 80


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """Write a picture of noise, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    assert cv2.imwrite(str(path), noise)
    return path


def save_json(path: Path, content: Any) -> Path:
    """Write a JSON file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def read(root: Path, layout: str, problems: Problems | None = None, **paths: Any) -> Dataset:
    """Read a dataset of a format."""
    return open_dataset(DatasetSettings('set', layout, **paths), root, problems)  # type: ignore[arg-type]
