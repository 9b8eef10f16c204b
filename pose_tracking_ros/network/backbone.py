"""Backbones from torchvision, cut into the stages that a feature pyramid needs."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2, resnet18, resnet50, resnet101
from torchvision.ops import FrozenBatchNorm2d

# Last block of each stage in torchvision's `mobilenet_v2().features`: strides 4, 8, 16, 32.
_MOBILENET_STAGES = {'c2': 3, 'c3': 6, 'c4': 13, 'c5': 17}
# MoveNet's way down reads stride 16 before its channels widen.
_MOVENET_STAGES = {'c2': 3, 'c3': 6, 'c4': 10, 'c5': 17}
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

    def forward(self, images: Float[Tensor, 'image 3 height width']) -> dict[str, Tensor]:
        """Return the feature maps by stage name."""
        maps = {}
        x = images
        for name, stage in self.stages.items():
            x = stage(x)
            maps[name] = x
        return maps


def mobilenet_stages() -> Stages:
    """Return MobileNet-v2 with frozen batch norm, without its classifier."""
    features = mobilenet_v2(weights=None, norm_layer=FrozenBatchNorm2d).features
    stages = _cut(features, _MOBILENET_STAGES)
    return Stages(stages, [24, 32, 96, 320], 'mobilenet_v2')


def wide_mobilenet_stages() -> Stages:
    """Return MoveNet MultiPose's half wider MobileNet-v2, batch norms folded.

    TensorFlow pads before a convolution with stride only at the right and the bottom; so do these.
    """
    features = mobilenet_v2(weights=None, width_mult=1.5).features
    fold_batch_norm(features)
    _pad_at_the_end(features)
    return Stages(_cut(features, _MOVENET_STAGES), [40, 48, 96, 480], 'mobilenet_v2_1.5')


def _cut(features: nn.Sequential, last_of: dict[str, int]) -> OrderedDict[str, nn.Module]:
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    first = 0
    for name, last in last_of.items():
        stages[name] = nn.Sequential(*features[first : last + 1])
        first = last + 1
    return stages


class EndPaddedConv2d(nn.Conv2d):
    """A convolution of 3x3 with stride 2, padded at the right and the bottom only."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the outputs, half as many each way."""
        return super().forward(F.pad(input, (0, 1, 0, 1)))


def _pad_at_the_end(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
            setattr(
                module,
                name,
                EndPaddedConv2d(
                    child.in_channels, child.out_channels, 3, stride=2, groups=child.groups
                ),
            )
        else:
            _pad_at_the_end(child)


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
