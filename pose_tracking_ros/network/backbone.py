"""Backbones from torchvision, cut into the stages that a feature pyramid needs."""

from __future__ import annotations

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2, resnet18, resnet50, resnet101
from torchvision.ops import FrozenBatchNorm2d

# Last block of each stage in torchvision's `mobilenet_v2().features`: strides 4, 8, 16, 32.
_MOBILENET_STAGES = {'c2': 3, 'c3': 6, 'c4': 13, 'c5': 17}
_RESNETS = {'resnet18': resnet18, 'resnet50': resnet50, 'resnet101': resnet101}


class Stages(nn.Module):
    """Runs consecutive stages and returns each one's output.

    Args:
        stages: named in order; the outputs have strides 4, 8, 16 and 32.
        channels: of each output.
        architecture: torchvision's name of the network that was cut.
    """

    def __init__(
        self, stages: OrderedDict[str, nn.Module], channels: list[int], architecture: str
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self.channels = channels
        self.architecture = architecture

    @property
    def has_norms(self) -> bool:
        """Whether there are norm layers, or they are folded into the convolutions."""
        return any(name.endswith('running_mean') for name, _ in self.named_buffers())

    def forward(self, images: Float[Tensor, 'image 3 height width']) -> dict[str, Tensor]:
        """Return the feature maps by stage name."""
        maps = {}
        x = images
        for name, stage in self.stages.items():
            x = stage(x)
            maps[name] = x
        return maps


def mobilenet_stages(folded: bool) -> Stages:
    """Return MobileNet-v2 without its classifier.

    Args:
        folded: without norm layers: each convolution has a bias instead, as in a checkpoint whose
            batch norm was folded in. Otherwise the batch norm is frozen.
    """
    norm = nn.BatchNorm2d if folded else FrozenBatchNorm2d
    features = mobilenet_v2(weights=None, norm_layer=norm).features
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    first = 0
    for name, last in _MOBILENET_STAGES.items():
        stages[name] = nn.Sequential(*features[first : last + 1])
        first = last + 1
    if folded:
        for stage in stages.values():
            fold_batch_norm(stage)
    return Stages(stages, [24, 32, 96, 320], 'mobilenet_v2')


def resnet_stages(name: str) -> Stages:
    """Return ResNet-18, -50 or -101 with frozen batch norm, without its classifier."""
    # Without statistics to normalise by, 33 untrained residual blocks would overflow: start them
    # as identities. A checkpoint overwrites that.
    net = _RESNETS[name](weights=None, norm_layer=FrozenBatchNorm2d, zero_init_residual=True)
    stages: OrderedDict[str, nn.Module] = OrderedDict(
        c2=nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1),
        c3=net.layer2,
        c4=net.layer3,
        c5=net.layer4,
    )
    width = 64 if name == 'resnet18' else 256
    return Stages(stages, [width, width * 2, width * 4, width * 8], name)


def fold_batch_norm(module: nn.Module) -> None:
    """Merge every batch norm that follows a convolution into it, in place.

    The result computes what `module` computes in evaluation mode.
    """
    previous_name, previous = '', None
    for name, child in module.named_children():
        is_norm = isinstance(child, nn.BatchNorm2d | FrozenBatchNorm2d)
        if is_norm and isinstance(previous, nn.Conv2d):
            was_training = previous.training
            # The frozen kind has the same arrays.
            fused = fuse_conv_bn_eval(previous.eval(), child.eval())  # type: ignore[arg-type]
            setattr(module, previous_name, fused.train(was_training))
            setattr(module, name, nn.Identity())
        else:
            fold_batch_norm(child)
        previous_name, previous = name, child


def freeze_first_blocks(backbone: Stages, blocks: int) -> None:
    """Stop the gradient of the first blocks of stage `c2`, counted from the image.

    They cost the most to train (they see the most pixels) and change the least.
    """
    with torch.no_grad():
        stage = backbone.stages['c2']
        assert isinstance(stage, nn.Sequential)
        for block in list(stage)[:blocks]:
            block.requires_grad_(False)
