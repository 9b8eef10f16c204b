"""CUHK-SYSU person search (SSM): street snapshots and film stills, boxes, identities.

Layout: `Image/SSM/*.jpg`; `annotation/Images.mat` (`Img`: imname, nAppear, box of idlocate x, y,
w, h and ishard); `annotation/pool.mat` (`pool`: names of the test pictures, all others train);
`annotation/test/train_test/Train.mat` (`Train`: idname, nAppear, scene of imname, idlocate,
ishard: the 5,532 identities that train); `annotation/Person.mat` (`Person`: the same for all
8,432). Boxes without an identity belong to people nobody follows.
http://www.ee.cuhk.edu.hk/~xgwang/PS/dataset.html, arXiv 1604.01850.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_tracking_ros.training.datasets.mat_files import (
    fields,
    items,
    load_mat,
    numbers,
    text,
    variable,
)
from pose_tracking_ros.training.datasets.picture_files import PictureFile
from pose_tracking_ros.training.datasets.problems import DataError, Problems
from pose_tracking_ros.training.datasets.records import (
    Dataset,
    IdentityNumbers,
    LabelKinds,
    RecordBuilder,
)
from pose_tracking_ros.training.datasets.settings import Source

# A box is found again by its whole-numbered place.
_Key = tuple[str, tuple[int, ...]]


def read(source: Source, problems: Problems) -> Dataset:
    """Read the pictures of one split."""
    top = source.folder(source.images, 'CUHK-SYSU, with annotation/ and Image/SSM/')
    split, annotation = source.settings.split, top / 'annotation'
    images_path = annotation / 'Images.mat'
    pool_path = annotation / 'pool.mat'
    pool = {
        text(name, f'{pool_path}: pool[{n}]')
        for n, name in enumerate(items(variable(load_mat(pool_path), ('pool',), pool_path)))
    }
    images = items(variable(load_mat(images_path), ('Img',), images_path))
    who, numbers_of = _identities(source, problems)
    found: set[_Key] = set()
    seen: set[str] = set()
    records = []
    for number, image in enumerate(images):
        with problems.guard():
            where = f'{images_path}: Img[{number}]'
            name = text(fields(image, ('imname',), where)[0], f'{where}.imname')
            if name in seen:
                raise DataError(f'{where}.imname: expected a new name, {name} was used before')
            seen.add(name)
            if (name in pool) != (split == 'test'):
                continue
            picture = top / 'Image' / 'SSM' / name
            if not picture.is_file():
                raise DataError(f'{where}.imname: expected a picture, there is no file {picture}')
            builder = RecordBuilder(
                where, PictureFile(picture), None, source.settings.name, clips=True
            )
            found |= _add_people(builder, image, name, who, problems)
            records.append(builder.build())
    for key, place in [(key, place) for key, (_, place) in who.items() if key not in found]:
        with problems.guard():
            # People of the other split's pictures are no error.
            if key[0] in seen and (key[0] in pool) == (split == 'test'):
                raise DataError(f'{place}.idlocate: expected one of the boxes of {key[0]}')
            if key[0] not in seen:
                raise DataError(f'{place}.imname: {key[0]} is not among the images')
    kinds = LabelKinds(boxes=True, joints=False, identities=True)
    return Dataset(source.settings.name, 'cuhk_sysu', kinds, records, len(numbers_of), clips=True)


def _add_people(
    builder: RecordBuilder,
    image: Any,
    name: str,
    who: dict[_Key, tuple[int, str]],
    problems: Problems,
) -> set[_Key]:
    found = set()
    (boxes,) = fields(image, ('box',), builder.where)
    for number, entry in enumerate(items(boxes)):
        with problems.guard():
            where = f'{builder.where}.box[{number}]'
            box = numbers(fields(entry, ('idlocate',), where)[0], 4, f'{where}.idlocate')
            key = _key(name, box)
            found.add(key)
            # The published file has some boxes without an area, which all readers leave out.
            if (box[2:] <= 0).any():
                continue
            identity = who[key][0] if key in who else -1
            builder.add_person(where, 'idlocate', box, identity=identity)
    return found


def _identities(
    source: Source, problems: Problems
) -> tuple[dict[_Key, tuple[int, str]], IdentityNumbers]:
    """Return whose each box is, with the place that says so."""
    annotation = source.images / 'annotation'
    if source.settings.split == 'train':
        path, name = annotation / 'test' / 'train_test' / 'Train.mat', 'Train'
    else:
        path, name = annotation / 'Person.mat', 'Person'
    who: dict[_Key, tuple[int, str]] = {}
    known = IdentityNumbers()
    for number, person in enumerate(items(variable(load_mat(path), (name,), path))):
        with problems.guard():
            where = f'{path}: {name}[{number}]'
            idname, scenes = fields(person, ('idname', 'scene'), where)
            key = text(idname, f'{where}.idname')
            for place, scene in enumerate(items(scenes)):
                inner = f'{where}.scene[{place}]'
                imname, box = fields(scene, ('imname', 'idlocate'), inner)
                box_key = _key(
                    text(imname, f'{inner}.imname'), numbers(box, 4, f'{inner}.idlocate')
                )
                who[box_key] = (known.of(key), inner)
    return who, known


def _key(name: str, box: np.ndarray) -> _Key:
    return name, tuple(int(value) for value in box)
