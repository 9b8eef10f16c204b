"""PRW, Person Re-identification in the Wild: six cameras, boxes, identities.

Layout: `frames/NAME.jpg`; `annotations/NAME.jpg.mat` with rows id, x, y, w, h in `box_new`,
`anno_file` or `anno_previous` (id -2 is unknown; boxes may go over the border); `frame_train.mat`
(`img_index_train`) and `frame_test.mat` (`img_index_test`): names without extension;
`ID_train.mat` (`ID_train`) and `ID_test.mat` (`ID_test2`): the identities. arXiv 1604.02531.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.training.datasets.mat_files import items, load_mat, numbers, text, variable
from pose_tracking_ros.training.datasets.picture_files import PictureFile
from pose_tracking_ros.training.datasets.problems import DataError, Problems
from pose_tracking_ros.training.datasets.records import Dataset, LabelKinds, RecordBuilder
from pose_tracking_ros.training.datasets.settings import Source

_UNKNOWN = -2
_BOX_VARIABLES = ('box_new', 'anno_file', 'anno_previous')


def read(source: Source, problems: Problems) -> Dataset:
    """Read the frames of one split."""
    top = source.folder(source.images, 'PRW, with frames/ and annotations/')
    split = source.settings.split
    frames_path = top / f'frame_{split}.mat'
    names = items(variable(load_mat(frames_path), (f'img_index_{split}',), frames_path))
    ids_path = top / f'ID_{split}.mat'
    ids = variable(load_mat(ids_path), (f'ID_{split}', f'ID_{split}2'), ids_path)
    listed = numbers(ids, np.asarray(ids).size, f'{ids_path}: identities').astype(int)
    identities = {int(key): number for number, key in enumerate(sorted(set(listed.tolist())))}
    seen: set[str] = set()
    records = []
    for number, entry in enumerate(names):
        with problems.guard():
            where = f'{frames_path}: img_index_{split}[{number}]'
            name = text(entry, where)
            if name in seen:
                raise DataError(f'{where}: expected a new name, {name} was used before')
            seen.add(name)
            picture = top / 'frames' / f'{name}.jpg'
            if not picture.is_file():
                raise DataError(f'{where}: expected a picture, there is no file {picture}')
            path = top / 'annotations' / f'{name}.jpg.mat'
            builder = RecordBuilder(
                str(path), PictureFile(picture), None, source.settings.name, clips=True
            )
            for row, values in enumerate(_rows(path)):
                with problems.guard():
                    _add_person(builder, f'{path}: row[{row}]', values, identities)
            records.append(builder.build())
    kinds = LabelKinds(boxes=True, joints=False, identities=True)
    return Dataset(source.settings.name, 'prw', kinds, records, len(identities), clips=True)


def _rows(path: Path) -> Float[np.ndarray, 'person 5']:
    content = load_mat(path)
    table = np.asarray(variable(content, _BOX_VARIABLES, path))
    # A frame with one person comes squeezed to one row, an empty one to none.
    if table.size == 0:
        return np.zeros((0, 5))
    if table.dtype.kind not in 'iuf' or table.size % 5 or table.shape[-1] != 5:
        raise DataError(f'{path}: expected rows of 5 numbers, got an array {table.shape}')
    return table.reshape(-1, 5).astype(np.float64)


def _add_person(
    builder: RecordBuilder,
    where: str,
    values: Float[np.ndarray, '5'],
    identities: dict[int, int],
) -> None:
    row = numbers(values, 5, where)
    key = int(row[0])
    if key != _UNKNOWN and key not in identities:
        # The pictures of one split show some people of the other: known to be somebody, not who.
        key = _UNKNOWN
    builder.add_person(where, 'box', row[1:], identity=identities.get(key, -1))
