"""Several datasets in one training run: drawn by weight, classes side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_tracking_ros.training.canvas import Canvas
from pose_tracking_ros.training.config import DataSettings
from pose_tracking_ros.training.datasets import DataError, Dataset, Problems, open_dataset
from pose_tracking_ros.training.pictures import PictureSet
from pose_tracking_ros.training.scenes import CanvasSettings, CanvasSource, IdentityCanvases
from pose_tracking_ros.training.sifp import detection_canvases


class MixedCanvases:
    """Canvases of several datasets.

    A canvas never mixes datasets: what one labels and another does not would lie side by side,
    and a loss that needs every person labelled could use neither.

    Args:
        parts: one source of canvases per dataset.
        weights: of the datasets, above 0.
    """

    def __init__(self, parts: list[CanvasSource], weights: list[float]) -> None:
        self._parts = parts
        self._shares = np.cumsum(np.array(weights) / np.sum(weights))

    def compose(self, rng: np.random.Generator) -> Canvas:
        """Return a canvas of a random dataset."""
        chosen = int(np.searchsorted(self._shares, rng.random(), side='right'))
        return self._parts[min(chosen, len(self._parts) - 1)].compose(rng)


@dataclass(frozen=True)
class TrainingData:
    """What canvases are made of.

    Attributes:
        detection: canvases of whole pictures.
        identity: canvases of crops; None without.
        identity_count: classes of the Re-ID loss, of crops first.
    """

    detection: CanvasSource
    identity: IdentityCanvases | None
    identity_count: int


def open_datasets(
    data: DataSettings, root: Path, problems: dict[str, Problems] | None = None
) -> list[Dataset]:
    """Read all datasets of a configuration.

    Args:
        data: which.
        root: data folder.
        problems: per dataset name, what errors mean; None raises the first.

    Raises:
        DataError: a dataset cannot be used.
    """
    return [
        open_dataset(settings, root, problems[settings.name] if problems else None)
        for settings in data.mixture
    ]


def open_pictures(data: DataSettings, root: Path) -> list[PictureSet]:
    """Return the pictures of all datasets, those of crops first; identity classes do not meet.

    Raises:
        DataError: a dataset cannot be used.
    """
    return [pictures for pictures, _ in _numbered(open_datasets(data, root))]


def open_training_data(data: DataSettings, canvas: CanvasSettings, root: Path) -> TrainingData:
    """Read all datasets and return what composes canvases of them.

    Args:
        data: which datasets.
        canvas: how canvases are composed.
        root: data folder.

    Raises:
        DataError: a dataset cannot be used, or all are crops.
    """
    weights = {settings.name: settings.weight for settings in data.mixture}
    numbered = _numbered(open_datasets(data, root))
    crops = [pictures for pictures, dataset in numbered if dataset.has_crops]
    scenes = [pictures for pictures, dataset in numbered if not dataset.has_crops]
    if not scenes:
        raise DataError('data: expected a dataset of whole pictures, found crops only')
    parts: list[CanvasSource] = [detection_canvases(pictures, canvas) for pictures in scenes]
    detection = parts[0]
    if len(parts) > 1:
        detection = MixedCanvases(parts, [weights[pictures.name] for pictures in scenes])
    identity = IdentityCanvases(crops, detection, canvas.size_px) if crops else None
    count = sum(dataset.identity_count for _, dataset in numbered if dataset.kinds.identities)
    return TrainingData(detection, identity, count)


def _numbered(datasets: list[Dataset]) -> list[tuple[PictureSet, Dataset]]:
    # Crops first: adding a dataset of pictures leaves their classes, and a checkpoint's, alone.
    ordered = sorted(datasets, key=lambda dataset: not dataset.has_crops)
    first, numbered = 0, []
    for dataset in ordered:
        numbered.append((PictureSet(dataset, first_identity=first), dataset))
        first += dataset.identity_count if dataset.kinds.identities else 0
    return numbered
