"""Market-1501: crops of people under six cameras, in a folder or a zip.

File names are `IDENTITY_cCAMERAsSEQUENCE_FRAME_NUMBER.jpg` (`0002_c1s1_000451_03.jpg`); identity
-1 marks junk and 0000 distractors, which are nobody in particular. A JSON file with `train_ids`
may choose identities. Liang Zheng and others, Scalable Person Re-identification, ICCV 2015.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pose_tracking_ros.training.datasets.json_fields import Fields, load_json
from pose_tracking_ros.training.datasets.picture_files import PictureFile, zip_members
from pose_tracking_ros.training.datasets.problems import DataError, Problems
from pose_tracking_ros.training.datasets.records import Dataset, LabelKinds, RecordBuilder
from pose_tracking_ros.training.datasets.settings import Source

_NAME = re.compile(r'(?P<identity>-1|\d+)_c\d+s\d+_\d+_\d+')
_PICTURES = {'.jpg', '.jpeg', '.png', '.webp'}
_NOBODY = {'-1', '0000'}


def read(source: Source, problems: Problems) -> Dataset:
    """Read the crops."""
    path, name = source.images, source.settings.name
    files = _folder_members(path) if path.is_dir() else zip_members(path)
    files = [file for file in files if Path(file.name or file.path.name).suffix in _PICTURES]
    labelled: list[tuple[PictureFile, str]] = []
    for file in files:
        with problems.guard():
            match = _NAME.match(Path(file.name or file.path.name).stem)
            if match is None:
                raise DataError(
                    f'{file}: expected a name as 0002_c1s1_000451_03.jpg: '
                    'identity, camera and sequence, frame, number'
                )
            if match['identity'] not in _NOBODY:
                labelled.append((file, match['identity']))
    chosen = _chosen(source) if source.settings.annotations else None
    names = sorted({identity for _, identity in labelled}) if chosen is None else chosen
    identities = {_plain(key): number for number, key in enumerate(names)}
    records = []
    for file, key in labelled:
        identity = identities.get(_plain(key))
        if identity is None:
            continue
        builder = RecordBuilder(str(file), file, None, name, clips=False)
        # The box is the whole picture, whose size the header tells.
        builder.add_person(str(file), 'box', np.array([0.0, 0.0, 1.0, 1.0]), identity=identity)
        records.append(builder.build())
    if not records:
        which = f' of the train_ids of {source.annotations}' if chosen is not None else ''
        raise DataError(f'{path}: expected crops{which}, found none')
    kinds = LabelKinds(boxes=False, joints=False, identities=True)
    return Dataset(name, 'market_1501', kinds, records, len(identities), has_crops=True)


def _folder_members(folder: Path) -> list[PictureFile]:
    return [PictureFile(path) for path in sorted(folder.iterdir()) if path.is_file()]


def _chosen(source: Source) -> list[str]:
    file = Fields(load_json(source.annotations), source.annotations)
    values = file.objects('train_ids')
    for number, value in enumerate(values):
        if not isinstance(value, str | int) or not str(value).isdecimal():
            raise file.error(f'train_ids[{number}]', f'expected an identity, got {value!r}')
    keys = [str(value) for value in values]
    if len({_plain(key) for key in keys}) != len(keys):
        raise file.error('train_ids', 'expected every identity once')
    return keys


def _plain(identity: str) -> str:
    return identity.lstrip('0')
