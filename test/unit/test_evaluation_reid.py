"""Re-ID ranking: worked by hand, and malformed input."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_tracking_ros.evaluation.accuracy_pictures import draw_matching_curve
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.reid import CropName, evaluate_crops, score_ranking
from pose_tracking_ros.evaluation.reid_scenes import Scenes
from pose_tracking_ros.people import People


def unit(*angles_deg: float) -> np.ndarray:
    radians = np.deg2rad(angles_deg)
    return np.stack([np.cos(radians), np.sin(radians)], 1)


def test_ranking_worked_by_hand() -> None:
    # Query: person 1, camera 1, at 0 degrees. Nearest first: 5 (same camera: left out), 10 (2),
    # 20 (1, camera 2), 30 (3), 40 (1, camera 3). Right at ranks 2 and 4.
    report = score_ranking(
        unit(0),
        unit(40, 30, 20, 10, 5),
        np.array([[1, 1]]),
        np.array([[1, 3], [3, 2], [1, 2], [2, 2], [1, 1]]),
    )
    assert report.rank1 == 0
    assert report.map == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert (report.queries, report.gallery, report.identities) == (1, 5, 1)
    assert report.cmc == (0, *[1] * 19)


def test_query_without_an_answer_is_left_out() -> None:
    gallery = np.array([[1, 2], [2, 1]])
    report = score_ranking(unit(0, 90), unit(1, 89), np.array([[1, 1], [2, 1]]), gallery)
    assert report.queries == 1
    assert report.rank1 == report.map == 1


def test_who_was_not_found_counts_as_wrong() -> None:
    nobody = np.zeros((1, 2))
    labels = np.array([[1, 2], [2, 1], [1, 3]])
    # A query that was not found finds nobody.
    report = score_ranking(nobody, unit(0, 10, 20), np.array([[1, 1]]), labels)
    assert (report.queries, report.rank1, report.map) == (1, 0, 0)
    assert report.cmc == (0,) * 20
    # A gallery crop that was not found comes last, even behind those that look opposite.
    gallery = np.concatenate([nobody, unit(180), unit(0)])
    report = score_ranking(unit(0), gallery, np.array([[1, 1]]), labels)
    assert report.rank1 == 1
    assert report.map == pytest.approx((1 + 2 / 3) / 2)


class BoxesKnown:
    """An engine that finds what it is told, and sees colours."""

    embedding_dim = 3

    def __init__(self, keep: list[int] | None = None) -> None:
        self.keep, self.boxes = keep, np.zeros((0, 4))

    def infer(self, image: np.ndarray) -> People:
        boxes = self.boxes if self.keep is None else self.boxes[self.keep]
        vectors = []
        for x1, y1, x2, y2 in boxes.round().astype(int):
            colour = image[(y1 + y2) // 2, (x1 + x2) // 2].astype(float)
            vectors.append(colour / np.linalg.norm(colour))
        return People(
            boxes=boxes,
            scores=np.full(len(boxes), 0.9),
            keypoints=np.zeros((len(boxes), 17, 2)),
            keypoint_scores=np.zeros((len(boxes), 17)),
            embeddings=np.array(vectors).reshape(-1, 3),
            image_size=(image.shape[1], image.shape[0]),
        )


@pytest.mark.parametrize('keep', [None, [2, 0], []])
def test_crops_in_scenes_keep_their_vectors(
    keep: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = np.eye(3, dtype=np.uint8) * 200 + 20
    crops = [np.full((128, 64, 3), colour, np.uint8) for colour in colours]
    engine = BoxesKnown(keep)
    scenes = Scenes(engine)
    compose = scenes.compose

    def told(crops: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        scene, engine.boxes = compose(crops)
        return scene, engine.boxes

    monkeypatch.setattr(scenes, 'compose', told)
    vectors = scenes.embed(crops)
    found = [0, 1, 2] if keep is None else sorted(keep)
    assert vectors.any(axis=1).nonzero()[0].tolist() == found
    for number in found:
        assert vectors[number].argmax() == number
    assert (scenes.pasted, scenes.found) == (3, len(found))


def test_no_answer_at_all() -> None:
    with pytest.raises(EvaluationError, match='no query has a crop of the same person'):
        score_ranking(unit(0), unit(0), np.array([[1, 1]]), np.array([[2, 2]]))


def test_names() -> None:
    assert CropName.parse('folder/0090_c4s1_013251_02.webp') == CropName(90, 4)
    with pytest.raises(EvaluationError, match='expected a crop named'):
        CropName.parse('person.png')


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    crops, split = tmp_path / 'crops.zip', tmp_path / 'split.json'
    names = ['0001_c1s1_0_0.png', '0001_c2s1_0_0.png', '0002_c2s1_0_0.png']
    with zipfile.ZipFile(crops, 'w') as archive:
        for name, value in zip(names, (40, 60, 200), strict=True):
            data = cv2.imencode('.png', np.full((128, 64, 3), value, np.uint8))[1]
            archive.writestr(f'crops/{name}', data.tobytes())
    split.write_text(json.dumps({'query': names[:1], 'gallery': names[1:]}))
    return crops, split


def brightness(crops: list[np.ndarray]) -> np.ndarray:
    return unit(*(float(crop.mean()) / 255 * 90 for crop in crops))


def test_crops_from_a_zip(files: tuple[Path, Path]) -> None:
    report = evaluate_crops(*files, brightness, batch=2)
    assert report.rank1 == report.map == 1
    assert report.gallery == 2


def test_missing_crop_is_named(files: tuple[Path, Path]) -> None:
    crops, split = files
    split.write_text(json.dumps({'query': ['0009_c1.png'], 'gallery': ['0001_c2s1_0_0.png']}))
    with pytest.raises(EvaluationError, match=r'holds no 0009_c1\.png'):
        evaluate_crops(crops, split, brightness)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'not readable as JSON'),
        ('{"query": ["a"]}', "non-empty list 'gallery'"),
        ('{"query": "a", "gallery": ["b"]}', "non-empty list 'query'"),
        ('[]', "non-empty list 'query'"),
        ('{"query": ["a", 7], "gallery": ["b"]}', r'query\[1\]: expected the file name .* got 7'),
    ],
)
def test_malformed_split(files: tuple[Path, Path], content: str, message: str) -> None:
    crops, split = files
    split.write_text(content)
    with pytest.raises(EvaluationError, match=message):
        evaluate_crops(crops, split, brightness)


def test_missing_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match='no such file'):
        evaluate_crops(tmp_path / 'none.zip', files[1], brightness)
    with pytest.raises(EvaluationError, match='no such file'):
        evaluate_crops(files[0], tmp_path / 'none.json', brightness)


def test_malformed_zip(files: tuple[Path, Path]) -> None:
    crops, split = files
    whole = crops.read_bytes()
    # The first crop's data follow 30 bytes of header and the name.
    start = 30 + len('crops/0001_c1s1_0_0.png')
    crops.write_bytes(whole[: start + 20] + b'????' + whole[start + 24 :])
    with pytest.raises(EvaluationError, match=r'crops\.zip: 0001_c1s1_0_0\.png is damaged'):
        evaluate_crops(crops, split, brightness)
    crops.write_bytes(b'PK' + whole[:100])
    with pytest.raises(EvaluationError, match=r'crops\.zip: not readable as zip'):
        evaluate_crops(crops, split, brightness)


def test_matching_curve_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'curve.png'
    draw_matching_curve(path, 'test', (0.5, 0.75, 1.0))
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.std() > 1
