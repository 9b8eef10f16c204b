"""What is written for other runtimes computes what torch computes, from unchanged weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pose_tracking_ros.inference.graph_forms import PhaseDeconvolution, graph_parts
from pose_tracking_ros.inference.onnx_files import PART_NAMES, output_names, sample_inputs
from pose_tracking_ros.network import detection
from pose_tracking_ros.network.pooling import FeatureTable
from pose_tracking_ros.network.presets import build_network


@pytest.mark.parametrize('preset', ['lite', 'fastpose-18'])
def test_each_part_computes_the_same(preset: str) -> None:
    torch.manual_seed(0)
    network = build_network(preset).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    inputs = sample_inputs(network, 3, (64, 128))
    plain, written = network.parts(), graph_parts(network)
    with torch.inference_mode():
        for part in PART_NAMES:
            wanted = getattr(plain, part).eval()(*inputs[part])
            found = getattr(written, part).eval()(*inputs[part])
            for name, one, other in zip(output_names(part), wanted, found, strict=True):
                assert one.shape == other.shape, (part, name)
                torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
                # Constant outputs would prove nothing.
                assert one.std() > 0, (part, name)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], value) for name, value in after.items())


def test_a_deconvolution_is_four_convolutions() -> None:
    torch.manual_seed(0)
    plain = nn.ConvTranspose2d(5, 3, 4, 2, 1)
    phases = PhaseDeconvolution(plain)
    x = torch.randn(2, 5, 6, 4)
    torch.testing.assert_close(phases(x), plain(x))
    # Not by symmetry: rows and columns are told apart.
    assert not torch.allclose(plain(x), plain(x.transpose(2, 3)).transpose(2, 3))
    assert phases.kernels[0].shape == (3, 5, 2, 2)


def test_other_deconvolutions_are_refused() -> None:
    with pytest.raises(ValueError, match='expected kernel 4, stride 2 and padding 1, got'):
        PhaseDeconvolution(nn.ConvTranspose2d(2, 2, 2, 2))


def test_many_proposals_are_scored_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network('lite').eval()
    torch.manual_seed(0)
    table = FeatureTable(torch.randn(16 * 16 + 64 + 16 + 4, 64), (64, 64))
    low = torch.rand(7, 2) * 30
    boxes = torch.cat([low, low + 20], dim=1)
    sizes: list[int] = []
    # Like a runtime, this one uses the memory of its outputs again.
    outputs = torch.zeros(7), torch.zeros(7, 4)

    def box(pooled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sizes.append(len(pooled))
        views = outputs[0][: len(pooled)], outputs[1][: len(pooled)]
        for view, value in zip(views, network.parts().box(pooled), strict=True):
            view.copy_(value)
        return views

    parts = network.parts()._replace(box=box)
    with torch.inference_mode():
        whole = detection._scored(network.parts(), network.layout, table, boxes, static=False)
        monkeypatch.setattr(detection, '_BOXES_AT_ONCE', 3)
        batches = detection._scored(parts, network.layout, table, boxes, static=False)
        assert sizes == [3, 3, 1]
        # A GPU gets one shape for all.
        detection._scored(parts, network.layout, table, boxes, static=True)
    assert sizes[3:] == [7]
    for one, other in zip(whole, batches, strict=True):
        torch.testing.assert_close(other, one)
