"""Several datasets in one run: configuration, shares, classes, masks, errors from workers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from dataset_files import picture, save_json
from torch.utils.data import DataLoader

from pose_tracking_ros.network.presets import EMBEDDING_DIM, build_network
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.canvas import Canvas
from pose_tracking_ros.training.config import ConfigError, DataSettings, load_config
from pose_tracking_ros.training.datasets import DataError, DatasetSettings
from pose_tracking_ros.training.losses.identity import IdentityLoss
from pose_tracking_ros.training.mixture import (
    MixedCanvases,
    open_pictures,
    open_training_data,
)
from pose_tracking_ros.training.objective import Objective
from pose_tracking_ros.training.pictures import Labels
from pose_tracking_ros.training.scenes import Batch, BatchesOrErrors, CanvasBatches

LITE = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
JOINTS = [value for n in range(17) for value in (30.0 + n, 20.0 + 2 * n, 2)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a COCO, a MOT, an MPII and a Market-1501 set of a picture or two."""
    picture(tmp_path / 'coco' / 'a.png')
    person = {'id': 1, 'image_id': 1, 'bbox': [25, 15, 30, 50], 'keypoints': JOINTS}
    image = {'id': 1, 'file_name': 'a.png', 'width': 100, 'height': 80}
    save_json(tmp_path / 'coco.json', {'images': [image], 'annotations': [person]})
    picture(tmp_path / 'mot' / 's' / 'img1' / '000001.jpg')
    (tmp_path / 'mot' / 's' / 'gt').mkdir()
    (tmp_path / 'mot' / 's' / 'gt' / 'gt.txt').write_text(
        '1,5,11,11,30,60,1,1,1\n1,6,51,11,30,60,1,1,1\n'
    )
    (tmp_path / 'mot' / 's' / 'seqinfo.ini').write_text(
        '[Sequence]\nimWidth=100\nimHeight=80\nseqLength=1\n'
    )
    picture(tmp_path / 'mpii' / 'm.jpg')
    posed = {'joints': [[20 + n, 20 + 3 * n] for n in range(16)], 'joints_vis': [1] * 16}
    save_json(tmp_path / 'mpii.json', [{'image': 'm.jpg'} | posed])
    for name in ('0002_c1s1_000451_03.jpg', '0007_c1s1_000451_03.jpg'):
        picture(tmp_path / 'market' / name, 64, 128)
    return tmp_path


COCO = DatasetSettings('coco', 'coco', 'coco', 'coco.json')
MOT = DatasetSettings('mot', 'mot_challenge', 'mot', weight=3.0)
MPII = DatasetSettings('mpii', 'mpii', 'mpii', 'mpii.json')
MARKET = DatasetSettings('market', 'market_1501', 'market')


def test_classes_of_crops_come_first_and_none_meet(root: Path) -> None:
    data = DataSettings(datasets=(MOT, COCO, MARKET))
    market, mot, coco = open_pictures(data, root)
    assert [market.labels(i).identities.tolist() for i in range(2)] == [[0], [1]]
    assert mot.labels(0).identities.tolist() == [2, 3]
    assert coco.labels(0).identities.tolist() == [-1]
    assert open_training_data(data, load_config(LITE).canvas, root).identity_count == 4


def test_identities_that_are_not_to_be_used_take_no_classes(root: Path) -> None:
    mot = DatasetSettings('mot', 'mot_challenge', 'mot', lacks=('identities',))
    data = DataSettings(datasets=(mot, MARKET))
    assert open_pictures(data, root)[1].labels(0).identities.tolist() == [-1, -1]
    assert open_training_data(data, load_config(LITE).canvas, root).identity_count == 2


def test_short_forms_are_datasets(root: Path) -> None:
    short = DataSettings(annotations='coco.json', images='coco', reid_crops='market')
    formats = [(settings.name, settings.format) for settings in short.mixture]
    assert formats == [('pictures', 'coco'), ('reid', 'market_1501')]
    assert len(open_pictures(short, root)) == 2


def test_crops_alone_are_no_scenes(root: Path) -> None:
    with pytest.raises(DataError, match='expected a dataset of whole pictures, found crops only'):
        open_training_data(DataSettings(datasets=(MARKET,)), load_config(LITE).canvas, root)


def composed(root: Path, *datasets: DatasetSettings) -> list[Canvas]:
    data = open_training_data(DataSettings(datasets=datasets), load_config(LITE).canvas, root)
    rng = np.random.default_rng(0)
    return [data.detection.compose(rng) for _ in range(6)]


def test_masks_follow_the_dataset(root: Path) -> None:
    assert all(canvas.has_boxes for canvas in composed(root, COCO))
    posed = composed(root, MPII)
    assert not any(canvas.has_boxes for canvas in posed)
    assert any((canvas.labels.keypoints[..., 2] > 0).any() for canvas in posed)
    # MPII has no face: whatever is on a canvas, these joints have no weight.
    face = [COCO_17.index(name) for name in ('nose', 'left_eye', 'right_ear')]
    assert not any(canvas.labels.keypoints[:, face, 2].any() for canvas in posed)
    tracked = composed(root, MOT)
    assert all(canvas.has_boxes for canvas in tracked)
    assert not any(canvas.labels.keypoints[..., 2].any() for canvas in tracked)
    assert {i for canvas in tracked for i in canvas.labels.identities.tolist()} == {0, 1}


class Constant:
    """Canvases of one colour."""

    def __init__(self, value: int) -> None:
        self._value = value

    def compose(self, rng: np.random.Generator) -> Canvas:
        rng.random()
        labels = Labels(np.zeros((0, 4)), np.zeros((0, 17, 3)), np.zeros((0, 4)), np.zeros(0))
        return Canvas(np.full((2, 2, 3), self._value, np.uint8), labels)


def test_shares_are_those_of_the_weights() -> None:
    mixed = MixedCanvases([Constant(0), Constant(1), Constant(2)], [1.0, 3.0, 6.0])
    rng = np.random.default_rng(0)
    drawn = [int(mixed.compose(rng).image[0, 0, 0]) for _ in range(4000)]
    shares = np.bincount(drawn) / len(drawn)
    assert shares == pytest.approx([0.1, 0.3, 0.6], abs=0.03)


class Broken:
    """Canvases that cannot be made."""

    def compose(self, rng: np.random.Generator) -> Canvas:
        raise DataError('a.png: not a readable picture (3 bytes)')


def test_errors_leave_a_worker_as_they_are() -> None:
    batches = BatchesOrErrors(CanvasBatches(Broken(), None, 1, 0, 2, 0))
    loader: Any = DataLoader(batches, batch_size=None, num_workers=1)
    errors = list(loader)
    assert [str(error) for error in errors] == ['a.png: not a readable picture (3 bytes)'] * 2
    assert all(isinstance(error, DataError) for error in errors)


def labelled(identity: int) -> Labels:
    boxes = np.array([[20, 20, 60, 110], [70, 30, 110, 100]], np.float32)
    keypoints = np.ones((2, 17, 3), np.float32)
    keypoints[..., 0] = np.linspace(25, 55, 17)
    keypoints[..., 1] = np.linspace(25, 100, 17)
    return Labels(boxes, keypoints, np.zeros((0, 4), np.float32), np.full(2, identity))


def losses_of(objective: Objective, canvases: list[Canvas]) -> dict[str, float]:
    batch = Batch(canvases)
    with torch.no_grad():
        losses = objective(batch.images, batch, torch.Generator().manual_seed(0))
    return {name: float(value) for name, value in losses.items()}


def test_a_loss_counts_only_where_its_label_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is drawn for one canvas would change what is drawn for the next loss.
    monkeypatch.setattr('pose_tracking_ros.training.objective.jittered', lambda boxes, _: boxes)
    torch.manual_seed(0)
    config = load_config(LITE)
    settings = dataclasses.replace(config.objective, box_offsets='')
    objective = Objective(build_network('lite'), IdentityLoss(EMBEDDING_DIM, 3), settings).eval()
    image = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    whole = Canvas(image, labelled(1))
    unboxed = Canvas(255 - image, labelled(-1), has_boxes=False)
    bare = labelled(-1)
    bare.keypoints[..., 2] = 0
    unposed = Canvas(255 - image, bare)
    alone, beside = losses_of(objective, [whole]), losses_of(objective, [whole, unboxed])
    # Neither part of these losses nor of what they are divided by.
    for name in ('rpn_score', 'rpn_box', 'person_score', 'person_box', 'identity'):
        assert beside[name] == pytest.approx(alone[name], rel=1e-4), name
    # A random network's heatmaps are nearly flat: their loss hardly changes, but it does.
    assert beside['pose'] != alone['pose']
    # Without labelled joints the pose loss stays, while the boxes count.
    beside = losses_of(objective, [whole, unposed])
    assert beside['person_score'] != alone['person_score']
    assert beside['pose'] == pytest.approx(alone['pose'], rel=1e-6)
    nothing = losses_of(objective, [Canvas(image, bare, has_boxes=False)])
    assert all(value == 0 for value in nothing.values())


def write_config(root: Path, data: dict[str, Any]) -> Path:
    content = yaml.safe_load(LITE.read_text()) | {'data': data}
    path = root / 'config.yaml'
    path.write_text(yaml.safe_dump(content))
    return path


def test_datasets_in_the_configuration(root: Path) -> None:
    entry = {'name': 'm', 'format': 'mpii', 'images': 'x', 'annotations': 'y', 'weight': 2}
    data = {'backbone': 'b.pt', 'datasets': [entry | {'lacks': ['boxes']}]}
    found = load_config(write_config(root, data)).data
    assert found.backbone == 'b.pt'
    expected = DatasetSettings('m', 'mpii', 'x', 'y', weight=2.0, lacks=('boxes',))
    assert found.mixture == (expected,)


ENTRY = {'name': 'm', 'format': 'coco', 'images': 'x'}


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ({}, 'data: expected annotations and images, or datasets; found neither'),
        ({'annotations': 'a', 'datasets': [ENTRY]}, 'data: .*; found both'),
        ({'datasets': [ENTRY, ENTRY]}, 'data: datasets: expected different names; twice: m'),
        (
            {'datasets': [ENTRY, {'name': 'n', 'format': 'yolo', 'images': 'x'}]},
            r'data: datasets\[1\]: format: expected one of coco, .*prw; got .yolo',
        ),
        ({'datasets': [ENTRY | {'weight': 0}]}, r'datasets\[0\]: weight: expected .* above 0'),
        ({'datasets': [ENTRY | {'lacks': ['hats']}]}, r'lacks\[0\]: expected one of boxes'),
        ({'datasets': [ENTRY | {'split': 'val'}]}, r'split: expected one of train, test'),
        ({'datasets': [{'name': 'm'}]}, r'datasets\[0\]: missing keys: format, images'),
    ],
)
def test_bad_data_section(root: Path, data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write_config(root, data))


def test_canvases_of_one_dataset_do_not_depend_on_there_being_a_mixture(root: Path) -> None:
    canvas = load_config(LITE).canvas
    short = DataSettings(annotations='coco.json', images='coco')
    long = DataSettings(datasets=(COCO,))
    images = []
    for data in (short, long):
        detection = open_training_data(data, canvas, root).detection
        images.append(detection.compose(np.random.default_rng(5)).image)
    assert (images[0] == images[1]).all()
    assert cv2.cvtColor(images[0], cv2.COLOR_RGB2GRAY).std() > 0
