"""On what a run computes, alone or as one of several processes."""

from __future__ import annotations

import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.network.backbone import EndPaddedConv2d

# From this kernel size on, the way back of a depthwise convolution is faster in float32.
_LARGE_KERNEL = 5


def fastest_precision() -> str:
    """Return `bf16-mixed` where bfloat16 is computed in hardware, else `32-true`.

    A CPU without such instructions emulates them, ten times slower than float32.
    """
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = not Processor.here().gap('bf16')
    return 'bf16-mixed' if fast else '32-true'


def make_fabric(precision: str) -> Fabric:
    """Return what runs the computation: one device, or those of a `torchrun` together.

    `torchrun --nproc-per-node 4 -m pose_tracking_ros.training CONFIG` starts a process per GPU;
    they average their gradients after each step.

    Args:
        precision: Lightning Fabric's name, or `auto` for `fastest_precision`.
    """
    precision = fastest_precision() if precision == 'auto' else precision
    world = int(os.environ.get('WORLD_SIZE', '1'))
    if world == 1:
        return Fabric(accelerator='auto', devices=1, precision=precision)  # type: ignore[arg-type]
    here = int(os.environ['LOCAL_WORLD_SIZE'])
    fabric = Fabric(
        accelerator='auto',
        devices=here,
        num_nodes=world // here,
        # A batch without people leaves the pose head without a gradient.
        strategy=DDPStrategy(find_unused_parameters=True),
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


class _InFloat32(nn.Conv2d):
    """Computes in float32 where autocast would compute in bfloat16."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float()).to(input.dtype)


class _InFloat32EndPadded(_InFloat32, EndPaddedConv2d):
    pass


# By exact type: another subclass may compute something else.
_IN_FLOAT32 = {nn.Conv2d: _InFloat32, EndPaddedConv2d: _InFloat32EndPadded}


def speed_up_on_cpu(network: nn.Module) -> None:
    """Compute in float32 what a CPU takes longer for in bfloat16, in place.

    oneDNN has no bfloat16 kernels for the way back through depthwise convolutions with strides
    (ten times slower: 31 against 3 ms for 144 channels of 96x96 px) or of 5x5 (2.5 times).
    """
    for module in network.modules():
        if not isinstance(module, nn.Conv2d) or module.groups != module.in_channels:
            continue
        twin = _IN_FLOAT32.get(type(module))
        if twin is None:
            continue
        if max(module.stride) > 1 or max(module.kernel_size) >= _LARGE_KERNEL:
            module.__class__ = twin
