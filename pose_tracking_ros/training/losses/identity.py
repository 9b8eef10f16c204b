"""Losses of the embedding: softmax over identities (the paper's), or matching online (OIM)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class IdentityLoss(nn.Module):
    """N-way softmax over identities (FastPose §3.1), on unit vectors with a learnt scale.

    Args:
        dim: length of the embedding.
        identities: number of classes.
        scale: initial inverse temperature.
        margin: subtracted from the right class's cosine, so that classes keep a distance.
    """

    takes_unlabelled = False

    def __init__(
        self, dim: int, identities: int, scale: float = 16.0, margin: float = 0.1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(identities, dim) * 0.05)
        self.scale = nn.Parameter(torch.tensor(scale))
        self.margin = margin

    def forward(
        self, embeddings: Float[Tensor, 'person dim'], identities: Int[Tensor, 'person']
    ) -> Tensor:
        """Return the mean cross-entropy over people with an identity; the rest (-1) is ignored."""
        known = identities >= 0
        if not bool(known.any()):
            return embeddings.sum() * 0
        cosine = embeddings[known] @ F.normalize(self.weight, dim=1).T
        cosine = cosine - self.margin * F.one_hot(identities[known], len(self.weight))
        return F.cross_entropy(cosine * self.scale, identities[known])


class OnlineInstanceMatching(nn.Module):
    """Online instance matching (OIM, Xiao et al., arXiv 1604.01850 §3.3).

    Each identity is represented by the running mean of its embeddings (look-up table), not by a
    weight vector that gradient descent must move; people without an identity serve as further
    negatives, the latest ones of them (circular queue). Rows not yet filled are zero: they count
    as classes of cosine 0, as in the authors' code.

    Args:
        dim: length of the embedding.
        identities: rows of the table.
        queue: length of the queue; 0 ignores unlabelled people.
        momentum: share of a table row that stays when its identity is seen, in [0, 1).
        temperature: of the softmax, above 0.
    """

    takes_unlabelled = True
    table: Tensor
    queue: Tensor
    position: Tensor

    def __init__(
        self,
        dim: int,
        identities: int,
        queue: int = 5000,
        momentum: float = 0.5,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.temperature = temperature
        self.register_buffer('table', torch.zeros(identities, dim))
        self.register_buffer('queue', torch.zeros(queue, dim))
        self.register_buffer('position', torch.zeros((), dtype=torch.int64))

    def forward(
        self, embeddings: Float[Tensor, 'person dim'], identities: Int[Tensor, 'person']
    ) -> Tensor:
        """Return the mean cross-entropy over people with an identity; 0 without any.

        In training mode, table and queue then take in the batch; the loss is of their state
        before.

        Args:
            embeddings: of unit length.
            identities: row of the table, or -1 for somebody who is in none of them.
        """
        known = identities >= 0
        if bool(known.any()):
            # New tensors: the update below must not change what the gradient needs.
            classes = torch.cat([self.table, self.queue])
            logits = embeddings[known] @ classes.T.to(embeddings.dtype) / self.temperature
            loss = F.cross_entropy(logits, identities[known])
        else:
            loss = embeddings.sum() * 0
        if self.training:
            self._take_in(embeddings.detach().to(self.table.dtype), identities)
        return loss

    @torch.no_grad()
    def _take_in(
        self, embeddings: Float[Tensor, 'person dim'], identities: Int[Tensor, 'person']
    ) -> None:
        for embedding, identity in zip(embeddings, identities.tolist(), strict=True):
            # One after another, as somebody may be seen several times.
            if identity >= 0:
                mixed = self.momentum * self.table[identity] + (1 - self.momentum) * embedding
                self.table[identity] = F.normalize(mixed, dim=0)
            elif len(self.queue):
                self.queue[int(self.position)] = embedding
                self.position.copy_((self.position + 1) % len(self.queue))
