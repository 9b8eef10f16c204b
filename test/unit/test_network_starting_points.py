"""Our networks start from files of exactly the structure that torchvision publishes."""

from __future__ import annotations

import pytest
import torch
from torchvision.models import mobilenet_v2, resnet18, resnet50
from torchvision.models.detection import keypointrcnn_resnet50_fpn
from torchvision.ops import FrozenBatchNorm2d

from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.starting_points import load_backbone, load_keypoint_rcnn
from pose_tracking_ros.network.weights import WeightsError

THEIRS = {'mobilenet_v2': mobilenet_v2, 'resnet18': resnet18}


def with_statistics(model):
    """Norm statistics as after training: not those that do nothing."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d | FrozenBatchNorm2d):
            for values, low in ((module.weight, 0.5), (module.running_var, 0.5)):
                values.data.uniform_(low, 1.5, generator=generator)
            for values in (module.bias, module.running_mean):
                values.data.uniform_(-0.2, 0.2, generator=generator)
    return model.eval()


def last_map(model, images):
    """What torchvision's classifier would average."""
    if hasattr(model, 'features'):
        # The 18th only widens for the classifier.
        return model.features[:18](images)
    x = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    return model.layer4(model.layer3(model.layer2(model.layer1(x))))


@pytest.mark.parametrize(
    ('preset', 'architecture'),
    [
        ('fastpose-mobilenetv2', 'mobilenet_v2'),
        ('fastpose-18', 'resnet18'),
    ],
)
def test_a_backbone_computes_what_torchvisions_does(tmp_path, preset, architecture):
    theirs = with_statistics(THEIRS[architecture](weights=None))
    path = tmp_path / f'{architecture}-abc.pth'
    torch.save(theirs.state_dict(), path)
    backbone = build_network(preset).backbone.eval()
    load_backbone(backbone, path)
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = last_map(theirs, images)
        torch.testing.assert_close(backbone(images)['c5'], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ('preset', 'other', 'words'),
    [
        ('fastpose-18', mobilenet_v2, 'expected torchvision resnet18 weights'),
        ('fastpose-mobilenetv2', resnet18, 'expected torchvision mobilenet_v2 weights'),
        ('lite', mobilenet_v2, 'for lite, name MoveNet MultiPose as start'),
        ('fastpose-18', resnet50, 'expected shape'),
    ],
)
def test_another_backbone_is_refused(tmp_path, preset, other, words):
    path = tmp_path / 'other.pth'
    torch.save(other(weights=None).state_dict(), path)
    with pytest.raises(WeightsError, match=words):
        load_backbone(build_network(preset).backbone, path)


class TestKeypointRcnn:
    @pytest.fixture(scope='class')
    def theirs(self):
        torch.manual_seed(0)
        return with_statistics(keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None))

    @pytest.fixture(scope='class')
    def ours(self, theirs, tmp_path_factory):
        path = tmp_path_factory.mktemp('rcnn') / 'keypointrcnn.pth'
        torch.save(theirs.state_dict(), path)
        network = build_network('fastpose-50').eval()
        kept = load_keypoint_rcnn(network, path)
        assert {name.split('.')[0] for name in kept} == {'pose_head', 'reid_head'}
        assert [name for name in kept if name.startswith('pose_head')] == [
            f'pose_head.up.{layer}.{kind}' for layer in (0, 2) for kind in ('weight', 'bias')
        ]
        return network

    def test_pyramid_and_proposals_are_the_same(self, theirs, ours):
        images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            levels = ours.pyramid(ours.backbone(images))
            expected = list(theirs.backbone(images).values())
            for level, value in zip(levels.values(), expected, strict=True):
                # Fifty layers in another order of additions.
                assert float((level - value).abs().max() / value.abs().max()) < 1e-4
            logits, deltas = theirs.rpn.head(expected)
            ours_logits, ours_deltas = ours.rpn.head(expected)
            torch.testing.assert_close(ours_logits[0], logits[0], rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(ours_deltas[-1], deltas[-1], rtol=1e-3, atol=1e-4)

    def test_anchors_are_the_same(self, theirs, ours):
        for mine, other in zip(
            ours.rpn.anchors.cell_anchors, theirs.rpn.anchor_generator.cell_anchors, strict=True
        ):
            torch.testing.assert_close(mine, other)

    def test_the_box_head_scores_a_person_as_the_softmax_did(self, theirs, ours):
        pooled = torch.rand(3, 256, 7, 7, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            score, deltas = ours.box_head(pooled)
            logits, their_deltas = theirs.roi_heads.box_predictor(
                theirs.roi_heads.box_head(pooled)
            )
        torch.testing.assert_close(score.sigmoid(), logits.softmax(1)[:, 1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(deltas, their_deltas[:, 4:], rtol=1e-4, atol=1e-5)

    def test_the_pose_head_sees_the_same_features(self, theirs, ours):
        pooled = torch.rand(1, 256, 14, 14, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            torch.testing.assert_close(
                ours.pose_head.convs(pooled), theirs.roi_heads.keypoint_head(pooled)
            )

    def test_the_names_of_older_files_are_known(self, theirs, tmp_path):
        """COCO_V1 was published before torchvision renamed parts of pyramid and proposals."""
        renamed = {
            name.replace('rpn.head.conv.0.0.', 'rpn.head.conv.')
            if name.startswith('rpn.')
            else name.replace('.0.weight', '.weight').replace('.0.bias', '.bias')
            if 'fpn' in name
            else name: value
            for name, value in theirs.state_dict().items()
            if not name.endswith('num_batches_tracked')
        }
        assert 'backbone.fpn.inner_blocks.0.weight' in renamed
        path = tmp_path / 'older.pth'
        torch.save(renamed, path)
        network = build_network('fastpose-50')
        load_keypoint_rcnn(network, path)
        torch.testing.assert_close(
            network.rpn.head.conv[0][0].weight, theirs.rpn.head.conv[0][0].weight
        )
        torch.testing.assert_close(
            network.pyramid.fpn.inner_blocks[2][0].bias,
            theirs.backbone.fpn.inner_blocks[2][0].bias,
        )

    def test_other_networks_and_files_are_refused(self, theirs, tmp_path):
        path = tmp_path / 'keypointrcnn.pth'
        torch.save({'a': torch.zeros(1)}, path)
        with pytest.raises(WeightsError, match='expected torchvision keypointrcnn_resnet50_fpn'):
            load_keypoint_rcnn(build_network('fastpose-50'), path)
        with pytest.raises(WeightsError, match='only preset fastpose-50'):
            load_keypoint_rcnn(build_network('fastpose-18'), path)
        with pytest.raises(WeightsError, match='no file'):
            load_keypoint_rcnn(build_network('fastpose-50'), tmp_path / 'absent.pth')
