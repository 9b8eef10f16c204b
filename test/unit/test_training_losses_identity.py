"""OIM's table and queue, learnt task weights, and losses chosen by the configuration."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.losses.balance import UncertaintyWeights
from pose_tracking_ros.training.losses.identity import IdentityLoss, OnlineInstanceMatching
from pose_tracking_ros.training.objective_settings import identity_loss_of

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
X, Y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])


def test_oim_of_an_empty_table_is_log_of_its_rows() -> None:
    loss = OnlineInstanceMatching(2, identities=3, queue=5)
    assert float(loss(X, torch.tensor([1]))) == pytest.approx(math.log(8))


def test_oim_known_answer() -> None:
    loss = OnlineInstanceMatching(2, identities=2, queue=1, temperature=0.5).eval()
    loss.table.copy_(torch.cat([X, Y]))
    loss.queue.copy_(Y)
    # Logits 2, 0 and, of the queue, 0.
    expected = -math.log(math.e**2 / (math.e**2 + 2))
    assert float(loss(X, torch.tensor([0]))) == pytest.approx(expected, rel=1e-5)


def test_oim_table_is_the_running_mean_of_an_identity() -> None:
    loss = OnlineInstanceMatching(2, identities=2, queue=0, momentum=0.5)
    loss(X, torch.tensor([1]))
    assert loss.table.tolist() == [[0, 0], [1, 0]]
    loss(Y, torch.tensor([1]))
    assert loss.table[1].tolist() == pytest.approx([math.sqrt(0.5)] * 2)
    assert loss.table[0].tolist() == [0, 0]


def test_oim_queue_is_circular_and_takes_only_unlabelled() -> None:
    loss = OnlineInstanceMatching(2, identities=1, queue=2)
    people = F.normalize(torch.randn(4, 2), dim=1)
    loss(people, torch.tensor([-1, 0, -1, -1]))
    assert torch.equal(loss.queue, people[[3, 2]])
    assert int(loss.position) == 1


def test_oim_remembers_nothing_in_evaluation() -> None:
    loss = OnlineInstanceMatching(2, identities=1, queue=2).eval()
    loss(torch.cat([X, Y]), torch.tensor([0, -1]))
    assert not loss.table.any()
    assert not loss.queue.any()


def test_oim_without_labelled_people_is_zero_and_finite() -> None:
    loss = OnlineInstanceMatching(2, identities=1, queue=2)
    embeddings = X.clone().requires_grad_()
    value = loss(embeddings, torch.tensor([-1]))
    value.backward()
    assert float(value.detach()) == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_oim_gradient_is_that_of_finite_differences() -> None:
    loss = OnlineInstanceMatching(3, identities=4, queue=2).double().eval()
    loss.table.copy_(F.normalize(torch.randn(4, 3), dim=1))
    embeddings = F.normalize(torch.randn(3, 3, dtype=torch.float64), dim=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: loss(e, torch.tensor([0, 3, -1])), (embeddings,))


def test_oim_backward_survives_its_own_update() -> None:
    loss = OnlineInstanceMatching(2, identities=2, queue=2)
    embeddings = X.repeat(3, 1).requires_grad_()
    loss(embeddings, torch.tensor([0, 1, -1])).backward()
    assert embeddings.grad is not None


def test_oim_separates_two_identities() -> None:
    torch.manual_seed(0)
    embeddings = torch.nn.Parameter(torch.randn(8, 4))
    identities = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    loss = OnlineInstanceMatching(4, identities=2, queue=0)
    optimiser = torch.optim.Adam([embeddings], lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        loss(F.normalize(embeddings, dim=1), identities).backward()
        optimiser.step()
    cosine = F.normalize(embeddings.detach(), dim=1) @ loss.table.T
    own = torch.cat([cosine[:4, 0], cosine[4:, 1]])
    other = torch.cat([cosine[:4, 1], cosine[4:, 0]])
    # At the temperature of 0.1 a gap of 0.3 leaves a loss of 0.05.
    assert (own - other).min() > 0.3


def test_identity_loss_by_name() -> None:
    settings = load_config(CONFIG).objective
    assert isinstance(identity_loss_of(settings, 8, 3), IdentityLoss)
    chosen = dataclasses.replace(settings, identity_loss='oim', oim_queue=7, oim_momentum=0.9)
    oim = identity_loss_of(chosen, 8, 3)
    assert isinstance(oim, OnlineInstanceMatching)
    assert (tuple(oim.table.shape), tuple(oim.queue.shape), oim.momentum) == ((3, 8), (7, 8), 0.9)


# Task weights


def test_learnt_weights_start_as_the_fixed_ones() -> None:
    weights = UncertaintyWeights({'pose': 1.6, 'rpn_box': 0.5})
    for name, factor in (('pose', 1.6), ('rpn_box', 0.5)):
        loss = torch.tensor(2.0, requires_grad=True)
        weights(name, loss).backward()
        assert float(loss.grad) == pytest.approx(factor)  # type: ignore[arg-type]


@pytest.mark.parametrize('name', ['pose', 'person_box'])
def test_learnt_weight_settles_at_half_of_one_over_the_loss(name: str) -> None:
    weights = UncertaintyWeights({name: 1.0})
    optimiser = torch.optim.Adam(weights.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        weights(name, torch.tensor(4.0)).backward()
        optimiser.step()
    loss = torch.tensor(4.0, requires_grad=True)
    weights(name, loss).backward()
    assert float(loss.grad) == pytest.approx(1 / 8, rel=1e-2)  # type: ignore[arg-type]


def test_weight_of_zero_cannot_be_learnt_from() -> None:
    with pytest.raises(ValueError, match='expected numbers above 0'):
        UncertaintyWeights({'pose': 0.0})


# Configuration


def test_config_without_the_new_keys_trains_as_before() -> None:
    objective = load_config(CONFIG).objective
    assert (objective.pose_loss, objective.identity_loss, objective.task_weights) == (
        'softmax', 'softmax', 'fixed',
    )  # fmt: skip


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('pose_loss: mse', 'pose_loss: expected one of softmax, rce, sikr; got .mse'),
        ('oim_momentum: 1.0', 'oim_momentum: expected 0 to below 1, got 1.0'),
        ('oim_temperature: 0', 'oim_temperature: expected above 0'),
        ('oim_queue: -1', 'oim_queue: expected at least 0, got -1'),
        ('task_weights: sometimes', 'task_weights: expected one of fixed, learnt'),
    ],
)
def test_bad_choice_names_the_key(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / 'config.yaml'
    path.write_text(CONFIG.read_text().replace('objective:\n', f'objective:\n  {line}\n'))
    with pytest.raises(ConfigError, match=message):
        load_config(path)
