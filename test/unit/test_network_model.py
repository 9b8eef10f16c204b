"""The whole network: shapes for no, one and 200 people, static against ragged, presets."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import FrozenBatchNorm2d

from pose_tracking_ros.network.backbone import (
    fold_batch_norm,
    mobilenet_stages,
    resnet_stages,
    wide_mobilenet_stages,
)
from pose_tracking_ros.network.detection import Selection
from pose_tracking_ros.network.fpn import STRIDES, grid_of
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.pooling import (
    FeatureTable,
    Pooling,
    align_people,
    pool_people,
    pool_table,
    table_rows,
)
from pose_tracking_ros.network.presets import PRESETS, build_network, proposals_of


@pytest.fixture(scope='module')
def lite() -> MultiTaskNetwork:
    torch.manual_seed(0)
    network = build_network('lite').eval()
    # Untrained scores are all alike; spread them so that ranks are not decided by rounding.
    torch.nn.init.normal_(network.box_head.score.weight, std=2.0)
    return network


@pytest.fixture(scope='module')
def image() -> torch.Tensor:
    return torch.rand(1, 3, 192, 256, generator=torch.Generator().manual_seed(1)) * 255


@pytest.mark.parametrize('preset', PRESETS)
def test_each_preset_runs_and_says_its_shapes(preset: str, image: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = build_network(preset).eval()
    few = Selection(before_nms=20, proposals=10, max_people=3, min_score=0.0)
    found = network(image, few)[0]
    people = len(found.boxes)
    assert 1 <= people <= 3
    assert found.keypoints.shape == (people, 17, 2)
    assert found.keypoint_scores.shape == (people, 17)
    assert found.embeddings.shape == (people, 128)
    assert torch.allclose(found.embeddings.norm(dim=1), torch.ones(people), atol=1e-4)
    assert found.valid.all()


@pytest.mark.parametrize('preset', PRESETS)
def test_each_preset_has_an_anchor_for_every_prediction(preset: str) -> None:
    """Sides of an odd number of 32 px, where p6 rounds up."""
    network = build_network(preset).eval()
    size = (96, 160)
    with torch.no_grad():
        found = network.rpn(network.features(torch.zeros(1, 3, *size)), size)
    assert found.anchors.shape == (found.logits.shape[1], 4) == (found.deltas.shape[1], 4)
    assert sum(found.per_level) == found.logits.shape[1]
    centres = (found.anchors[:, :2] + found.anchors[:, 2:]) / 2
    for level, of_level in zip(network.rpn.levels, centres.split(found.per_level), strict=True):
        rows, columns = grid_of(level, size)
        x, y = of_level.unique(dim=0).T
        assert x.unique().tolist() == [STRIDES[level] * i for i in range(columns)]
        assert y.unique().tolist() == [STRIDES[level] * i for i in range(rows)]


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match='expected one of lite, fastpose-mobilenetv2'):
        build_network('fastpose-19')


def test_paper_presets_score_1000_proposals_and_lite_100() -> None:
    assert [proposals_of(preset) for preset in PRESETS] == [100, 1000, 1000, 1000, 1000]


def test_no_person_gives_empty_arrays(lite: MultiTaskNetwork, image: torch.Tensor) -> None:
    found = lite(image, Selection(min_score=1.0))[0]
    assert found.boxes.shape == (0, 4)
    assert found.keypoints.shape == (0, 17, 2)
    assert found.embeddings.shape == (0, 128)


def test_one_person(lite: MultiTaskNetwork, image: torch.Tensor) -> None:
    found = lite(image, Selection(min_score=0.0, max_people=1))[0]
    assert found.boxes.shape == (1, 4)
    assert torch.isfinite(found.keypoints).all()


@pytest.mark.parametrize('static', [False, True])
def test_two_hundred_people(lite: MultiTaskNetwork, image: torch.Tensor, static: bool) -> None:
    many = Selection(
        before_nms=300,
        proposals=200,
        max_people=200,
        min_score=0.0,
        nms_iou=1.0,
        static=static,
    )
    found = lite(image, many)[0]
    assert found.boxes.shape == (200, 4)
    assert found.keypoints.shape == (200, 17, 2)
    assert found.valid.float().mean() > 0.9
    assert (found.scores[:-1] >= found.scores[1:])[found.valid[1:]].all()


def test_static_shapes_give_the_same_people(lite: MultiTaskNetwork, image: torch.Tensor) -> None:
    ragged = lite(image, Selection(min_score=0.4, max_people=20))[0]
    static = lite(image, Selection(min_score=0.4, max_people=20, static=True))[0]
    assert static.boxes.shape == (20, 4)
    count = len(ragged.boxes)
    assert int(static.valid.sum()) == count
    for name in ('boxes', 'scores', 'keypoints', 'keypoint_scores', 'embeddings'):
        assert torch.allclose(
            getattr(ragged, name), getattr(static, name)[static.valid], atol=1e-3
        ), name


def test_boxes_lie_in_the_image(lite: MultiTaskNetwork, image: torch.Tensor) -> None:
    boxes = lite(image, Selection(min_score=0.0))[0].boxes
    assert boxes.min() >= 0
    assert (boxes[:, 2] <= 256).all()
    assert (boxes[:, 3] <= 192).all()


def test_images_of_a_batch_do_not_touch_each_other(lite: MultiTaskNetwork) -> None:
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(2)) * 255
    few = Selection(min_score=0.0, max_people=4)
    together = lite(images, few)
    alone = [lite(images[i : i + 1], few)[0] for i in range(2)]
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a.boxes, b.boxes, atol=1e-2)
        assert torch.allclose(a.keypoints, b.keypoints, atol=1e-2)


def test_odd_input_size_is_refused(lite: MultiTaskNetwork) -> None:
    with pytest.raises(ValueError, match='multiples of 32 px, got 100x128'):
        lite(torch.zeros(1, 3, 128, 100), Selection())


def test_pooling_outside_of_the_image_is_zero() -> None:
    pyramid = {
        f'p{i}': torch.ones(1, 2, 64 // 2 ** (i - 2), 64 // 2 ** (i - 2)) for i in range(2, 6)
    }
    boxes = torch.tensor([[-400.0, 0.0, -200.0, 200.0]])
    pooled = align_people(pyramid, boxes, Pooling((4, 4)))
    assert pooled.abs().max() == 0


@pytest.mark.parametrize(
    ('size_px', 'level'), [(20.0, 2), (60.0, 2), (120.0, 3), (230.0, 4), (460.0, 5), (2000.0, 5)]
)
def test_people_are_pooled_from_the_level_of_their_size(size_px: float, level: int) -> None:
    pyramid = {
        f'p{i}': torch.full((1, 1, 2048 // 2**i, 2048 // 2**i), float(i)) for i in range(2, 6)
    }
    box = torch.tensor([[10.0, 10.0, 10.0 + size_px, 10.0 + size_px]])
    pooled = align_people(pyramid, box, Pooling((3, 3)))
    assert pooled.mean() == level
    finer = align_people(pyramid, box, Pooling((3, 3), canonical_px=448.0))
    assert finer.mean() == max(level - (size_px < 896), 2)


def test_pooling_no_box(lite: MultiTaskNetwork, image: torch.Tensor) -> None:
    levels, pooling = lite.features(image), Pooling((24, 18), margin=1.15)
    assert pool_people(levels, torch.zeros(0, 4), pooling).shape == (0, 64, 24, 18)
    table = FeatureTable(table_rows(levels), (192, 256))
    assert pool_table(table, torch.zeros(0, 4), pooling).shape == (0, 24, 18, 64)


@pytest.mark.parametrize('canonical_px', [224.0, 448.0])
@pytest.mark.parametrize('margin', [None, 1.15])
@pytest.mark.parametrize('sides', [(192, 448), (448, 192)])
def test_the_table_pools_what_roi_align_does(
    sides: tuple[int, int], margin: float | None, canonical_px: float
) -> None:
    """Boxes of all sizes, inside, across and beyond the border, and without area."""
    generator = torch.Generator().manual_seed(4)
    height, width = sides
    levels = {
        f'p{i}': torch.randn(2, 5, height >> i, width >> i, generator=generator)
        for i in range(2, 6)
    }
    centre = torch.rand(200, 2, generator=generator) * 1.4 - 0.2
    half = torch.rand(200, 2, generator=generator).square() * 0.6
    scale = torch.tensor([width, height], dtype=torch.float32)
    boxes = torch.cat([(centre - half) * scale, (centre + half) * scale], 1)
    boxes[0, 2:] = boxes[0, :2]
    index = torch.ones(200)
    pooling = Pooling((7, 5), margin, canonical_px)
    expected = align_people(levels, boxes, pooling, index)
    table = FeatureTable(table_rows(levels, 1), sides)
    pooled = pool_table(table, boxes, pooling).permute(0, 3, 1, 2)
    assert torch.allclose(pooled, expected, atol=2e-4)
    assert expected.abs().mean() > 0.05


def test_pooling_for_training_has_the_gradients_of_roi_align() -> None:
    generator = torch.Generator().manual_seed(5)
    levels = {
        f'p{i}': torch.randn(3, 4, 128 >> i, 192 >> i, generator=generator, requires_grad=True)
        for i in range(2, 6)
    }
    low = torch.rand(60, 2, generator=generator) * 100
    boxes = torch.cat([low, low + torch.rand(60, 2, generator=generator) * 800], 1)
    index = torch.randint(0, 3, (60,), generator=generator).float()
    weights = torch.randn(60, 4, 8, 6, generator=generator)
    results = []
    for pool in (pool_people, align_people):
        pooled = pool(levels, boxes, Pooling((8, 6), margin=1.15), index)
        gradients = torch.autograd.grad((pooled * weights).sum(), list(levels.values()))
        results.append([pooled, *gradients])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-4)
        assert theirs.abs().max() > 0.1


def test_folding_batch_norm_keeps_the_function() -> None:
    torch.manual_seed(3)
    block = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU()
    )
    norm = block[1]
    torch.nn.init.uniform_(norm.weight, 0.5, 2)
    torch.nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    block.eval()
    x = torch.rand(2, 3, 16, 16)
    before = block(x)
    fold_batch_norm(block)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in block.modules())
    assert torch.allclose(block(x), before, atol=1e-5)


def test_folding_frozen_batch_norm_keeps_the_function() -> None:
    torch.manual_seed(3)
    backbone = resnet_stages('resnet18').eval()
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.6)
            torch.nn.init.normal_(module.running_mean, std=0.1)
    x = torch.rand(1, 3, 64, 64)
    before = backbone(x)
    fold_batch_norm(backbone)
    assert not any(isinstance(m, FrozenBatchNorm2d) for m in backbone.modules())
    for name, expected in before.items():
        assert torch.allclose(backbone(x)[name], expected, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize(
    ('stages', 'channels'),
    [(mobilenet_stages, (24, 32, 96, 320)), (wide_mobilenet_stages, (40, 48, 96, 480))],
)
def test_backbone_strides(stages, channels) -> None:
    maps = stages()(torch.zeros(1, 3, 128, 192))
    sizes = [(channel, 32 >> i, 48 >> i) for i, channel in enumerate(channels)]
    assert [tuple(m.shape[1:]) for m in maps.values()] == sizes
