"""Galleries on disk: a safetensors file of arrays and text, never code; whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pose_tracking_ros.settings import GallerySettings
from pose_tracking_ros.tracking.gallery import (
    Contents,
    Gallery,
    GalleryError,
    check_lengths,
    check_person_id,
)

FORMAT = 'pose_tracking_ros/gallery/1'
_ARRAYS = {'looks', 'counts'}


def save_gallery(gallery: Gallery, path: Path) -> None:
    """Write a gallery, replacing the file in one step once all of it is on disk.

    Not to be called for one path from two threads at once.

    Args:
        gallery: may change meanwhile; what it holds at the call is written.
        path: `.safetensors` file; its folder is made if missing.

    Raises:
        OSError: the file cannot be written; an earlier one is as before.
    """
    contents = gallery.contents
    arrays = {'looks': np.ascontiguousarray(contents.looks), 'counts': contents.counts}
    metadata = {
        'format': FORMAT,
        'model_id': gallery.model_id,
        'person_ids': json.dumps(contents.person_ids, ensure_ascii=True),
        'sha256': _digest(contents),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + '.partial')
    try:
        with partial.open('wb') as file:
            file.write(save(arrays, metadata))
            file.flush()
            # Robots lose power: without this, the renamed file may turn out to be empty.
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_gallery(
    path: Path, model_id: str, dim: int, settings: GallerySettings | None = None
) -> Gallery:
    """Read a gallery.

    Args:
        path: file written by `save_gallery`.
        model_id: the network in use.
        dim: length of its embeddings.
        settings: limits; the defaults if not given.

    Raises:
        GalleryError: the file is missing, damaged, not a gallery, of another network, or holds
            more than the limits allow; says which, and what to do.
    """
    if not path.is_file():
        raise GalleryError(f'gallery: no file {path}; enroll somebody and save it first')
    try:
        with safe_open(path, framework='np') as file:
            metadata: dict[str, str] = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise GalleryError(
            f'gallery: {path} is not a readable safetensors file ({error}); restore a copy of it '
            f'or enroll anew'
        ) from error
    if metadata.get('format') != FORMAT:
        raise GalleryError(
            f'gallery: {path}: expected format {FORMAT}, got {metadata.get("format")}; only '
            f'galleries saved by this version load'
        )
    if metadata.get('model_id') != model_id:
        raise GalleryError(
            f'gallery: {path} was made with network {metadata.get("model_id")}, but {model_id} is '
            f'in use, whose embeddings cannot be compared with those; use that network, or enroll '
            f'anew into another file'
        )
    try:
        contents = _checked(arrays, metadata, dim)
        return Gallery(model_id, dim, settings, contents)
    except GalleryError as error:
        raise GalleryError(f'gallery: {path}: {error}') from error


def _checked(arrays: dict[str, Any], metadata: dict[str, str], dim: int) -> Contents:
    """Return the contents of a file of the right format and network."""
    if arrays.keys() != _ARRAYS:
        raise GalleryError(
            f'expected arrays {", ".join(sorted(_ARRAYS))}, got {", ".join(sorted(arrays))}'
        )
    looks, counts = arrays['looks'], arrays['counts']
    if looks.dtype != np.float32 or looks.ndim != 2 or looks.shape[1] != dim:
        raise GalleryError(
            f'looks: expected float32 of length {dim} each, got {looks.dtype} of shape '
            f'{looks.shape}'
        )
    try:
        person_ids: Any = json.loads(metadata['person_ids'])
        digest = metadata['sha256']
    except (KeyError, ValueError) as error:
        raise GalleryError(f'expected a list person_ids and a sha256: {error!r}') from error
    if not isinstance(person_ids, list) or not all(isinstance(name, str) for name in person_ids):
        raise GalleryError('person_ids: expected a list of texts')
    fits = counts.dtype == np.int64 and counts.shape == (len(person_ids),)
    if not fits or (counts < 1).any() or counts.sum() != len(looks):
        raise GalleryError(
            f'counts: expected a number of looks for each of {len(person_ids)} people, '
            f'{len(looks)} in all; got {counts.tolist()}'
        )
    for name in person_ids:
        if check_person_id(name) != name:
            raise GalleryError(f'person_ids: {name!r} is not in normal form (NFC)')
    if len(set(person_ids)) != len(person_ids):
        raise GalleryError('person_ids: a name occurs twice')
    contents = Contents(tuple(person_ids), counts, looks)
    if _digest(contents) != digest:
        raise GalleryError(
            'the contents do not match their checksum: the file is damaged; restore a copy of it '
            'or enroll anew'
        )
    for name in person_ids:
        check_lengths(name, contents.looks_of(name))
    return contents


def _digest(contents: Contents) -> str:
    """Return a checksum of names, counts and looks."""
    digest = hashlib.sha256(json.dumps(contents.person_ids).encode())
    for array, kind in ((contents.counts, '<i8'), (contents.looks, '<f4')):
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()
