"""Re-identification: rank gallery crops by embedding distance (Market-1501's protocol)."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from rich.progress import track

from pose_tracking_ros.evaluation.errors import EvaluationError

# <identity>_c<camera>s<sequence>_<frame>_<number>
_NAME = re.compile(r'^(-?\d+)_c(\d+)')

_RANKS = 20

# From crops, all of one size, to unit vectors.
Embed = Callable[[list[UInt8[np.ndarray, 'height width 3']]], Float[np.ndarray, 'crop dim']]


@dataclass(frozen=True)
class ReidReport:
    """How well embeddings find the same person in another camera.

    Attributes:
        rank1: share of queries whose nearest gallery crop is the right person.
        map: mean average precision over queries.
        queries: that have a right answer in the gallery.
        gallery: crops searched.
        identities: among the queries.
        cmc: share of queries whose first right answer is among the first 1, 2, ... up to 20.
    """

    rank1: float
    map: float
    queries: int
    gallery: int
    identities: int
    cmc: tuple[float, ...] = ()


@dataclass(frozen=True)
class CropName:
    """What a crop's file name tells.

    Attributes:
        identity: of the person.
        camera: that took it.
    """

    identity: int
    camera: int

    @classmethod
    def parse(cls, name: str) -> CropName:
        """Read a Market-1501 file name.

        Raises:
            EvaluationError: the name is of another form.
        """
        match = _NAME.match(Path(name).name)
        if match is None:
            raise EvaluationError(
                f'{name}: expected a crop named <identity>_c<camera>..., as in Market-1501'
            )
        return cls(int(match[1]), int(match[2]))


def evaluate_crops(crops: Path, split: Path, embed: Embed, batch: int = 60) -> ReidReport:
    """Embed the query and gallery crops of a zip and score them, with a progress bar.

    Args:
        crops: zip of pictures.
        split: JSON with the lists `query` and `gallery` of file names.
        embed: from crops to unit vectors.
        batch: crops per call.

    Raises:
        EvaluationError: a file is missing or malformed, or a crop is not in the zip.
    """
    lists = _read_split(split)
    vectors: dict[str, np.ndarray] = {}
    with _open_zip(crops) as archive:
        inside = {Path(name).name: name for name in archive.namelist()}
        names = sorted({*lists['query'], *lists['gallery']})
        starts = range(0, len(names), batch)
        for start in track(starts, description='reid', transient=True):
            chunk = names[start : start + batch]
            pictures = [_read_crop(archive, inside, name, crops) for name in chunk]
            vectors |= dict(zip(chunk, embed(pictures), strict=True))
    query, gallery = lists['query'], lists['gallery']
    query_names = [CropName.parse(name) for name in query]
    gallery_names = [CropName.parse(name) for name in gallery]
    return score_ranking(
        np.stack([vectors[name] for name in query]),
        np.stack([vectors[name] for name in gallery]),
        np.array([(n.identity, n.camera) for n in query_names]),
        np.array([(n.identity, n.camera) for n in gallery_names]),
    )


def score_ranking(
    query: Float[np.ndarray, 'query dim'],
    gallery: Float[np.ndarray, 'crop dim'],
    query_labels: Int[np.ndarray, 'query 2'],
    gallery_labels: Int[np.ndarray, 'crop 2'],
) -> ReidReport:
    """Rank the gallery for each query by Euclidean distance.

    Crops of the query's own identity *and* camera are left out, as Market-1501 prescribes; so are
    queries without any right answer left.

    A vector of zeros stands for somebody who was not found: such a query finds nobody, such a
    gallery crop comes last.

    Args:
        query: vectors of unit length, or zero.
        gallery: vectors of unit length, or zero.
        query_labels: identity and camera of each query.
        gallery_labels: identity and camera of each gallery crop.

    Raises:
        EvaluationError: no query has a right answer.
    """
    likeness = query @ gallery.T
    likeness[:, ~gallery.any(axis=1)] = -np.inf
    order = np.argsort(-likeness, axis=1, kind='stable')
    precisions, firsts, identities = [], [], set[int]()
    is_found: Bool[np.ndarray, 'query'] = np.asarray(query.any(axis=1))
    for ranked, (identity, camera), found in zip(order, query_labels, is_found, strict=True):
        labels = gallery_labels[ranked]
        same = labels[:, 0] == identity
        right: Bool[np.ndarray, 'rank'] = same[~(same & (labels[:, 1] == camera))]
        if not right.any():
            continue
        identities.add(int(identity))
        if not found:
            precisions.append(0.0)
            firsts.append(max(len(gallery), _RANKS))
            continue
        hits = np.flatnonzero(right)
        precisions.append(float(np.mean(np.arange(1, len(hits) + 1) / (hits + 1))))
        firsts.append(int(hits[0]))
    if not precisions:
        raise EvaluationError('no query has a crop of the same person from another camera')
    return ReidReport(
        rank1=float(np.mean(np.array(firsts) == 0)),
        map=float(np.mean(precisions)),
        queries=len(precisions),
        gallery=len(gallery),
        identities=len(identities),
        cmc=tuple(float(np.mean(np.array(firsts) < rank)) for rank in range(1, _RANKS + 1)),
    )


def _read_split(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise EvaluationError(f'{path}: no such file; expected a JSON with query and gallery')
    try:
        content: Any = json.loads(path.read_text())
    except ValueError as error:
        raise EvaluationError(f'{path}: not readable as JSON: {error}') from error
    for key in ('query', 'gallery'):
        names = content.get(key) if isinstance(content, dict) else None
        if not isinstance(names, list) or not names:
            raise EvaluationError(f'{path}: expected a non-empty list {key!r}')
        for number, name in enumerate(names):
            if not isinstance(name, str):
                raise EvaluationError(
                    f'{path}: {key}[{number}]: expected the file name of a crop, got {name!r:.60}'
                )
    return {key: list(content[key]) for key in ('query', 'gallery')}


def _open_zip(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise EvaluationError(f'{path}: no such file; expected a zip of crops')
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise EvaluationError(f'{path}: not readable as zip: {error}') from error


def _read_crop(
    archive: zipfile.ZipFile, inside: dict[str, str], name: str, crops: Path
) -> UInt8[np.ndarray, 'height width 3']:
    if name not in inside:
        raise EvaluationError(f'{crops}: holds no {name}, which the split names')
    try:
        data = np.frombuffer(archive.read(inside[name]), np.uint8)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise EvaluationError(f'{crops}: {name} is damaged: {error}') from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise EvaluationError(f'{crops}: {name} is not a readable picture')
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
