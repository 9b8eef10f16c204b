"""Which dataset is read, how, and from where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pose_tracking_ros.training.datasets.problems import DataError
from pose_tracking_ros.training.datasets.records import LabelKind

FormatName = Literal[
    'coco',
    'coco_wholebody',
    'crowdpose',
    'cuhk_sysu',
    'halpe',
    'market_1501',
    'mot_challenge',
    'mpii',
    'posetrack',
    'prw',
]


@dataclass(frozen=True)
class DatasetSettings:
    """One dataset of a mixture. Paths are relative to the data folder; see docs/training-data.md.

    Attributes:
        name: in tables and messages; also the `source` of pictures that name none.
        format: layout of the files.
        images: folder of the pictures; of CUHK-SYSU, PRW and MOTChallenge, which have a layout of
            folders, the topmost; of Market-1501 a folder or a zip.
        annotations: file, for PoseTrack also a folder of files; for Market-1501, if not empty, a
            JSON file whose `train_ids` are used.
        split: of CUHK-SYSU and PRW.
        sequences: pattern for names of sequences of PoseTrack and MOTChallenge, `*` for all.
        weight: share of the canvases made of it, relative to the others'; crops, which have
            canvases of their own, are drawn by their number instead.
        lacks: labels that are not to be used though they are there: `boxes` if people without a
            box are to be seen, so that no background is learned here.
    """

    name: str
    format: FormatName
    images: str
    annotations: str = ''
    split: Literal['train', 'test'] = 'train'
    sequences: str = '*'
    weight: float = 1.0
    lacks: tuple[LabelKind, ...] = ()

    def __post_init__(self) -> None:
        """Check what the types do not say."""
        if not self.name:
            raise ValueError('name: expected a name, got an empty one')
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f'weight: expected a number above 0, got {self.weight}')


@dataclass(frozen=True)
class Source:
    """A dataset's settings and the folder they speak of.

    Attributes:
        settings: of the dataset.
        root: data folder.
    """

    settings: DatasetSettings
    root: Path

    @property
    def images(self) -> Path:
        """Pictures."""
        return self.root / self.settings.images

    @property
    def annotations(self) -> Path:
        """Annotations.

        Raises:
            DataError: the settings name none.
        """
        if not self.settings.annotations:
            raise DataError(
                f'dataset {self.settings.name}: annotations: expected a path for format '
                f'{self.settings.format}, it is missing'
            )
        return self.root / self.settings.annotations

    def folder(self, path: Path, content: str) -> Path:
        """Return a folder that must be there.

        Args:
            path: the folder.
            content: what it should hold, for the message.

        Raises:
            DataError: it is not there.
        """
        if not path.is_dir():
            raise DataError(f'{path}: no such folder; expected {content}')
        return path
