"""Parameters and operations of the presets, checked against sums done by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_tracking_ros.network.__main__ import main
from pose_tracking_ros.network.cost import cost_of
from pose_tracking_ros.network.presets import build_network

SIZE = (256, 192)


def test_box_head_by_hand() -> None:
    # 7 x 7 x 256 to 1024, to 1024, to one score and four deltas; two FLOPs per weight.
    weights = 7 * 7 * 256 * 1024 + 1024 * 1024 + 1024 * 5
    assert cost_of('fastpose-18', SIZE).proposal_flops == 2 * weights


def test_person_heads_by_hand() -> None:
    pose = 22 * 16 * 9 * (256 * 512 + 3 * 512 * 512)
    # Each input cell of a 4 x 4 deconvolution reaches 16 outputs.
    pose += 22 * 16 * 16 * 512 * 256 + 44 * 32 * 16 * 256 * 17
    reid = 14 * 14 * 9 * 2 * 256 * 256 + 14 * 14 * 256 * 128
    assert cost_of('fastpose-18', SIZE).person_flops == 2 * (pose + reid)


def test_trunk_grows_with_the_pixels_and_the_rest_does_not() -> None:
    small, large = cost_of('lite', (256, 192)), cost_of('lite', (512, 384))
    assert large.trunk_flops / small.trunk_flops == pytest.approx(4, rel=0.02)
    assert (large.proposal_flops, large.person_flops) == (
        small.proposal_flops, small.person_flops,
    )  # fmt: skip


def test_total_counts_proposals_and_people() -> None:
    cost = cost_of('lite', SIZE)
    assert cost.proposals == 100
    assert cost.flops(7) - cost.flops(0) == 7 * cost.person_flops
    assert cost.flops(0) - cost.trunk_flops == 100 * cost.proposal_flops


def test_parameters_of_lite_are_those_that_train() -> None:
    expected = sum(p.numel() for p in build_network('lite').parameters())
    assert cost_of('lite', SIZE).parameters == expected


def test_table_has_the_papers_figures_and_is_written(tmp_path: Path) -> None:
    path = tmp_path / 'docs' / 'presets.md'
    assert main(['fastpose-50', '--people', '3', '100', '--output', str(path)]) == 0
    cost = cost_of('fastpose-50', (1344, 800))
    (row,) = (line for line in path.read_text().splitlines() if line.startswith('| fastpose-50'))
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert cells[1:4] == ['1344x800', f'{cost.parameters / 1e6:.2f}', '62.98']
    assert cells[-1] == '116.8'
    assert [float(cell) for cell in cells[-3:-1]] == pytest.approx(
        [cost.flops(3) / 2e9, cost.flops(100) / 2e9], abs=0.06
    )
    # The claim of the text below the table.
    assert 100 * cost.person_flops / 2e9 > 116.8


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['huge'], 'expected presets of lite'),
        (['lite', '--size', '100', '64'], 'multiples of 32 px, got 100x64'),
        (['lite', '--people', '-1'], '0 or more people'),
    ],
)
def test_bad_input(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
