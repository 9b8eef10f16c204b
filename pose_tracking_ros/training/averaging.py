"""Averaged weights, and norm statistics that fit them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

T = TypeVar('T')


class AveragedWeights:
    """Exponential moving average of a module's parameters; buffers are copied.

    Args:
        module: averaged.
        decay: share of the old average kept at each step; less in the first steps.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the module's present weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        trained = {name for name, p in module.named_parameters() if p.requires_grad}
        for name, value in module.state_dict().items():
            if name in trained:
                self.state[name].lerp_(value.to(self.state[name].dtype), 1 - decay)
            else:
                self.state[name].copy_(value)


@torch.no_grad()
def settle_norms(network: nn.Module, run: Callable[[T], object], batches: Iterable[T]) -> None:
    """Measure the batch norm statistics anew, for weights that no step has run with.

    Averaged weights never saw a batch themselves; the running statistics beside them belong to
    the weights they were averaged from (Wu and Johnson, arXiv 2105.07576 §3).

    Args:
        network: its statistics are replaced; left in evaluation mode.
        run: passes a batch through the network, in training mode.
        batches: some, typically a few dozen.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    before = [copy.deepcopy(norm.state_dict()) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        # None: the plain mean over all batches.
        norm.momentum = None
    network.train()
    for batch in batches:
        run(batch)
    for norm, momentum, state in zip(norms, momenta, before, strict=True):
        norm.momentum = momentum
        if norm.num_batches_tracked == 0:
            # A head whose labels no batch had keeps what it knew.
            norm.load_state_dict(state)
    network.eval()
