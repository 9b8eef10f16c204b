"""On a CPU some convolutions are computed in float32: the same results, more exactly."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pose_tracking_ros.network.backbone import EndPaddedConv2d
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.training.devices import speed_up_on_cpu

KINDS = {
    'strided': nn.Conv2d(8, 8, 3, 2, 1, groups=8),
    'padded at the end': EndPaddedConv2d(8, 8, 3, 2, groups=8),
    'large kernel': nn.Conv2d(8, 8, 5, 1, 2, groups=8, bias=False),
}


def _passed(conv: nn.Conv2d, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        out = conv(x)
        (gradient,) = torch.autograd.grad(out.float().square().sum(), x)
    return out, gradient


@pytest.mark.parametrize('kind', KINDS)
def test_slow_depthwise_convolutions_compute_the_same_more_exactly(kind: str) -> None:
    conv = KINDS[kind]
    x = torch.randn(2, 8, 12, 12).bfloat16()
    exact = conv(x.float())
    before, gradient_before = _passed(conv, x)
    speed_up_on_cpu(nn.Sequential(conv))
    after, gradient_after = _passed(conv, x)
    assert after.dtype == torch.bfloat16
    torch.testing.assert_close(after, exact.bfloat16())
    assert (after - exact).abs().mean() <= (before - exact).abs().mean()
    torch.testing.assert_close(gradient_after, gradient_before, rtol=0.1, atol=0.1)


def test_other_convolutions_stay_and_weights_keep_their_names() -> None:
    network = build_network('lite')
    names = list(network.state_dict())
    speed_up_on_cpu(network)
    assert list(network.state_dict()) == names
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            is_depthwise = module.groups == module.in_channels
            is_slow = max(module.stride) > 1 or max(module.kernel_size) > 3
            is_plain = type(module) in (nn.Conv2d, EndPaddedConv2d)
            assert is_plain == (not (is_depthwise and is_slow))
