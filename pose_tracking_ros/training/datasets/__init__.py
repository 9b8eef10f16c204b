"""Readers of labelled datasets: one module per format, one model of records for all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from rich.progress import track

from pose_tracking_ros.training.datasets import (
    coco,
    crowdpose,
    cuhk_sysu,
    market_1501,
    mot_challenge,
    mpii,
    posetrack,
    prw,
    whole_body,
)
from pose_tracking_ros.training.datasets.problems import DataError, Problems
from pose_tracking_ros.training.datasets.records import Dataset, Record
from pose_tracking_ros.training.datasets.settings import DatasetSettings, FormatName, Source

__all__ = ['DataError', 'Dataset', 'DatasetSettings', 'Problems', 'open_dataset']

_READERS: dict[FormatName, Callable[[Source, Problems], Dataset]] = {
    'coco': coco.read,
    'coco_wholebody': whole_body.read_coco_wholebody,
    'crowdpose': crowdpose.read,
    'cuhk_sysu': cuhk_sysu.read,
    'halpe': whole_body.read_halpe,
    'market_1501': market_1501.read,
    'mot_challenge': mot_challenge.read,
    'mpii': mpii.read,
    'posetrack': posetrack.read,
    'prw': prw.read,
}
# Below, reading headers takes no time worth showing.
_MIN_SHOWN = 2_000


def open_dataset(
    settings: DatasetSettings, root: Path, problems: Problems | None = None
) -> Dataset:
    """Read a dataset's labels, and the header of every picture.

    Args:
        settings: which dataset.
        root: data folder.
        problems: what errors in single records mean; None raises the first.

    Raises:
        DataError: a file or a record cannot be used.
    """
    problems = problems or Problems()
    dataset = _READERS[settings.format](Source(settings, root), problems)
    shown = track(
        dataset.records,
        description=f'{settings.name}: headers',
        transient=True,
        disable=len(dataset.records) < _MIN_SHOWN,
    )
    records = []
    for record in shown:
        with problems.guard():
            records.append(_with_size(record, dataset))
    if not records:
        with problems.guard():
            raise DataError(
                f'dataset {settings.name}: expected labelled pictures in '
                f'{root / settings.images}, found none'
            )
    kinds = dataset.kinds.without(settings.lacks)
    return dataclasses.replace(dataset, kinds=kinds, records=records)


def _with_size(record: Record, dataset: Dataset) -> Record:
    size = record.picture.header_size()
    if record.size is None:
        return _whole(record, size) if dataset.has_crops else record.sized(size, dataset.clips)
    if size != record.size:
        raise DataError(
            f'{record.where}: expected a picture of {record.size[0]}x{record.size[1]}, '
            f'{record.picture} has {size[0]}x{size[1]}'
        )
    return record


def _whole(record: Record, size: tuple[int, int]) -> Record:
    boxes = record.boxes.copy()
    boxes[:] = (0.0, 0.0, *size)
    return dataclasses.replace(record, size=size, boxes=boxes)
