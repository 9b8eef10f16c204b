"""The network's parts in the form in which other runtimes compute them fastest.

The same numbers but for rounding, from the same weights. torch itself keeps the plain form, which
it trains.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pose_tracking_ros.network.heads import BoxHead
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.parts import BoxPart, Parts, PersonPart

# Of a kernel of 4 over inputs two output cells apart: the taps that meet an output cell of even
# and of odd number, in the order of the inputs.
_TAPS = ((3, 1), (2, 0))


class PhaseDeconvolution(nn.Module):
    """A deconvolution of kernel 4, stride 2 and padding 1 as four convolutions of kernel 2.

    One for each of the four places of an output cell above its input cell. Runtimes have fast
    kernels for convolutions, in bfloat16 as well; OpenVINO computes deconvolutions in float32.

    Args:
        plain: to be replaced.

    Raises:
        ValueError: it has another kernel, stride or padding.
    """

    def __init__(self, plain: nn.ConvTranspose2d) -> None:
        super().__init__()
        form = (plain.kernel_size, plain.stride, plain.padding)
        if form != ((4, 4), (2, 2), (1, 1)):
            raise ValueError(
                f'deconvolution: expected kernel 4, stride 2 and padding 1, got {form}'
            )
        kernels = [
            plain.weight[:, :, rows][:, :, :, columns].transpose(0, 1).contiguous()
            for rows in map(list, _TAPS)
            for columns in map(list, _TAPS)
        ]
        self.kernels = nn.ParameterList([nn.Parameter(kernel) for kernel in kernels])
        self.bias = plain.bias

    def forward(
        self, x: Float[Tensor, 'box channel rows columns']
    ) -> Float[Tensor, 'box out twice_rows twice_columns']:
        """Return the deconvolution of x."""
        places = []
        for number, kernel in enumerate(self.kernels):
            lower, right = divmod(number, 2)
            padded = F.pad(x, (1 - right, right, 1 - lower, lower))
            places.append(F.conv2d(padded, kernel, self.bias))
        boxes, channels, rows, columns = places[0].shape
        # Depth to space, with the places before the channels: whole rows of channels are moved.
        together = torch.cat(places, 1).reshape(boxes, 2, 2, channels, rows, columns)
        spread = together.permute(0, 3, 4, 1, 5, 2)
        return spread.reshape(boxes, channels, 2 * rows, 2 * columns)


class FlatBoxPart(nn.Module):
    """`BoxPart` that takes pooled grids as they lie in memory, the channel last.

    The order of the first layer's weights is changed instead of that of a thousand grids.
    """

    def __init__(self, part: BoxPart) -> None:
        super().__init__()
        head = part.head
        assert isinstance(head, BoxHead)
        plain = head.layers[1]
        assert isinstance(plain, nn.Linear)
        rows, columns = head.pooling.grid
        with torch.no_grad():
            by_channel = plain.weight.view(plain.out_features, -1, rows * columns)
            weight = by_channel.transpose(1, 2).flatten(1)
        self.first = nn.Linear(plain.in_features, plain.out_features)
        self.first.weight = nn.Parameter(weight.contiguous())
        self.first.bias = plain.bias
        self.rest = head.layers[2:]
        self.score, self.deltas = head.score, head.deltas

    def forward(
        self, pooled: Float[Tensor, 'box row column channel']
    ) -> tuple[Float[Tensor, 'box'], Float[Tensor, 'box 4']]:
        """Return person logits and deltas relative to the pooled boxes."""
        shared = self.rest(self.first(pooled.flatten(1)))
        return self.score(shared)[:, 0], self.deltas(shared)


def graph_parts(network: MultiTaskNetwork) -> Parts:
    """Return the parts to be written for other runtimes; the network stays as it is.

    Args:
        network: on the CPU, in evaluation mode, batch norm folded.
    """
    trunk, box, person = network.parts()
    assert isinstance(box, BoxPart)
    assert isinstance(person, PersonPart)
    pose = copy.deepcopy(person.pose)
    for name, module in list(pose.named_modules()):
        if isinstance(module, nn.ConvTranspose2d):
            parent, _, own = name.rpartition('.')
            setattr(pose.get_submodule(parent), own, PhaseDeconvolution(module))
    return Parts(trunk, FlatBoxPart(box), PersonPart(pose, person.reid))
