"""Heatmap losses: known answers, true gradients, SIKR's symmetric one, joints without labels."""

from __future__ import annotations

import math

import pytest
import torch

from pose_tracking_ros.network.heatmaps import expected_cells, two_step_distribution
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.training.losses.keypoints import (
    expect_nothing,
    gaussian_targets,
    regressive_cross_entropy,
    spatial_softmax_loss,
    symmetric_integral_loss,
)

LOSSES = {
    'softmax': lambda z, cells, weights: spatial_softmax_loss(z, cells, weights, 1.0),
    'rce': lambda z, cells, weights: regressive_cross_entropy(z, cells, weights, 1.0),
    'sikr': lambda z, cells, weights: symmetric_integral_loss(z, cells, weights),
}


def gaussian_logits(cells: torch.Tensor, grid: tuple[int, int], sigma: float) -> torch.Tensor:
    """Return logits whose sigmoid is a Gaussian of peak almost 1."""
    return torch.logit(gaussian_targets(cells, grid, sigma), eps=1e-6)


@pytest.mark.parametrize('name', LOSSES)
def test_no_labelled_joint_gives_exactly_zero_and_no_gradient(name: str) -> None:
    logits = (200 * torch.randn(3, 5, 8, 6)).requires_grad_()
    loss = LOSSES[name](logits, torch.full((3, 5, 2), 1e4), torch.zeros(3, 5))
    assert float(loss.detach()) == 0
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@pytest.mark.parametrize('name', LOSSES)
def test_no_person_gives_zero(name: str) -> None:
    loss = LOSSES[name](torch.zeros(0, 5, 8, 6), torch.zeros(0, 5, 2), torch.zeros(0, 5))
    assert float(loss) == 0


@pytest.mark.parametrize('name', LOSSES)
def test_mean_is_over_labelled_joints_only(name: str) -> None:
    torch.manual_seed(0)
    logits, cells = torch.randn(2, 3, 8, 6), torch.rand(2, 3, 2) * 5
    weights = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    alone = [
        float(LOSSES[name](logits[i : i + 1, j : j + 1], cells[i : i + 1, j : j + 1],
                           torch.ones(1, 1)))
        for i, j in weights.nonzero().tolist()
    ]  # fmt: skip
    assert float(LOSSES[name](logits, cells, weights)) == pytest.approx(sum(alone) / 3, rel=1e-5)


@pytest.mark.parametrize('name', LOSSES)
def test_least_where_the_map_is_right(name: str) -> None:
    cells = torch.tensor([[[2.0, 4.0], [3.5, 5.5]]])
    right = LOSSES[name](gaussian_logits(cells, (10, 8), 1.0), cells, torch.ones(1, 2))
    for moved in ([1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]):
        beside = gaussian_logits(cells + torch.tensor(moved), (10, 8), 1.0)
        assert float(LOSSES[name](beside, cells, torch.ones(1, 2))) > float(right) + 0.1


@pytest.mark.parametrize('name', ['softmax', 'rce'])
def test_gradient_is_that_of_finite_differences(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 2, 5, 4, generator=generator, dtype=torch.float64)
    cells = torch.rand(2, 2, 2, generator=generator, dtype=torch.float64) * 3
    weights = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: LOSSES[name](z, cells, weights), (logits.requires_grad_(),)
    )


def test_rce_of_uniform_sigmoid_is_known() -> None:
    # Every cell costs log 2, whatever its target; divided by the mass of the Gaussian.
    loss = regressive_cross_entropy(
        torch.zeros(1, 1, 32, 24), torch.tensor([[[10.0, 10.0]]]), torch.ones(1, 1), 1.5
    )
    assert float(loss) == pytest.approx(32 * 24 * math.log(2) / (2 * math.pi * 1.5**2), rel=1e-5)


def test_rce_is_stationary_where_the_sigmoid_is_the_target() -> None:
    cells = torch.tensor([[[4.3, 5.6]]], dtype=torch.float64)
    target = gaussian_targets(cells, (12, 10), 1.0)
    logits = torch.logit(target).requires_grad_()
    regressive_cross_entropy(logits, cells, torch.ones(1, 1), 1.0).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-9


def test_rce_is_finite_for_extreme_logits() -> None:
    logits = torch.tensor([-1e4, 1e4]).repeat(24).view(1, 1, 8, 6).requires_grad_()
    loss = regressive_cross_entropy(logits, torch.tensor([[[2.0, 2.0]]]), torch.ones(1, 1), 1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_first_rce_is_small_after_expecting_nothing() -> None:
    torch.manual_seed(0)
    head = build_network('lite').pose_head.eval()
    cells_per_map = math.prod(head.heatmap)
    cells, weights = torch.full((2, 17, 2), 12.0), torch.ones(2, 17)
    pooled = torch.zeros(2, 64, *head.pooling.grid)
    with torch.no_grad():
        before = float(regressive_cross_entropy(head(pooled), cells, weights, 1.0))
    expect_nothing(head, 1.0, cells_per_map)
    with torch.no_grad():
        after = float(regressive_cross_entropy(head(pooled), cells, weights, 1.0))
    assert before > 50
    # The entropy of guessing the mean everywhere, per Gaussian.
    share = 2 * math.pi / cells_per_map
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert after == pytest.approx(cells_per_map * entropy / (2 * math.pi), rel=0.05)


# SIKR


def test_two_step_distribution_by_hand() -> None:
    logits = torch.tensor([[[[0.0, math.log(3.0)], [-math.log(3.0), -1e4]]]])
    # Sigmoids 1/2, 3/4, 1/4, 0; their sum is 3/2.
    share = two_step_distribution(logits)
    assert share.flatten().tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 6, 0], abs=1e-6)
    assert expected_cells(share).flatten().tolist() == pytest.approx([1 / 2, 1 / 6], abs=1e-6)


def test_sikr_is_the_distance_of_the_expected_position() -> None:
    # All mass on one cell: 3 columns and 2 rows away.
    logits = torch.full((1, 1, 8, 6), -60.0)
    logits[0, 0, 4, 1] = 60.0
    cells = torch.tensor([[[4.0, 6.0]]])
    assert float(symmetric_integral_loss(logits, cells, torch.ones(1, 1))) == pytest.approx(5.0)


@pytest.mark.parametrize('truth', [2.0, 13.0])
def test_sikr_gradient_is_symmetric_about_the_estimate(truth: float) -> None:
    """Cells equally far left and right of the estimate are pushed equally, in opposite ways."""
    x = torch.arange(18, dtype=torch.float64)
    logits = torch.logit(torch.exp(-((x - 8.5) ** 2) / 8) * 0.9).view(1, 1, 1, 18).requires_grad_()
    assert float(expected_cells(two_step_distribution(logits.detach()))[0, 0, 0]) == pytest.approx(
        8.5
    )
    cells = torch.tensor([[[truth, 0.0]]], dtype=torch.float64)
    symmetric_integral_loss(logits, cells, torch.ones(1, 1), 2.0).backward()
    assert logits.grad is not None
    left, right = logits.grad.flatten()[:9].flip(0), logits.grad.flatten()[9:]
    assert torch.allclose(left, -right, atol=1e-9)
    # Too far right: what lies right of the estimate is lowered (positive gradient), and so on.
    assert (torch.sign(right) == (1.0 if truth < 8.5 else -1.0)).all()


def test_plain_integral_gradient_is_not_symmetric() -> None:
    """What the amplitude-symmetric gradient is for: the true one grows with the distance."""
    x = torch.arange(17, dtype=torch.float64)
    logits = torch.logit(torch.exp(-((x - 8) ** 2) / 8) * 0.9).view(1, 1, 1, 17).requires_grad_()
    share = two_step_distribution(logits)
    share.retain_grad()
    (expected_cells(share)[0, 0, 0] - 2.0).abs().backward()
    assert share.grad is not None
    plain = share.grad.flatten()
    assert plain[0] == 0
    assert plain[16] == 16


@pytest.mark.parametrize(('amplitude', 'expected'), [(0.0, (3.0, 4.0)), (2.0, (2.0, 2.0))])
def test_sikr_amplitude(amplitude: float, expected: tuple[float, float]) -> None:
    """The gradient follows Eq. 10: amplitude · (sgn(x - μ̂) - its mean) through both steps."""
    torch.manual_seed(0)
    logits = torch.randn(1, 1, 32, 24, dtype=torch.float64).requires_grad_()
    cells = torch.tensor([[[3.0, 28.0]]], dtype=torch.float64)
    symmetric_integral_loss(logits, cells, torch.ones(1, 1), amplitude).backward()
    z = logits.detach()[0, 0]
    share = z.sigmoid() / z.sigmoid().sum()
    x, y = torch.arange(24.0).double(), torch.arange(32.0).double()
    mean_x, mean_y = (share.sum(0) * x).sum(), (share.sum(1) * y).sum()
    assert mean_x > 3
    assert mean_y < 28
    sign = expected[0] * (x - mean_x).sign()[None] - expected[1] * (y - mean_y).sign()[:, None]
    # d share_i / d z_j = share_i (δ_ij - share_j) (1 - σ(z_j))
    by_hand = share * (sign - (share * sign).sum()) * (1 - z.sigmoid())
    assert logits.grad is not None
    assert torch.allclose(logits.grad[0, 0], by_hand, atol=1e-12)


def test_sikr_of_nothing_but_background_is_finite() -> None:
    logits = torch.full((1, 2, 8, 6), -300.0).requires_grad_()
    loss = symmetric_integral_loss(logits, torch.full((1, 2, 2), 2.0), torch.ones(1, 2))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    # A map of equal shares: its middle, 0.5 columns and 1.5 rows away.
    assert float(loss.detach()) == pytest.approx(2.0)


@pytest.mark.parametrize('name', LOSSES)
def test_descent_finds_a_joint_between_cells(name: str) -> None:
    cells = torch.tensor([[[3.4, 6.7]]])
    logits = torch.zeros(1, 1, 10, 8).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for step in range(200):
        for group in optimiser.param_groups:
            group['lr'] = 0.3 * (1 - step / 200)
        optimiser.zero_grad()
        LOSSES[name](logits, cells, torch.ones(1, 1)).backward()
        optimiser.step()
    shares = {
        'softmax': logits.flatten(2).softmax(-1).view(1, 1, 10, 8),
        'rce': two_step_distribution(logits),
        'sikr': two_step_distribution(logits),
    }[name]
    assert (expected_cells(shares.detach()) - cells).abs().max() < 0.1
