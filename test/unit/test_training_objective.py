"""The choices of the objective: pose loss, identity loss, task weights, boxes of the heads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from movenet_files import movenet_arrays, write_graph_model

from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.training.box_offsets import BoxOffsets
from pose_tracking_ros.training.canvas import Canvas
from pose_tracking_ros.training.config import load_config
from pose_tracking_ros.training.datasets import DataError
from pose_tracking_ros.training.losses.identity import OnlineInstanceMatching
from pose_tracking_ros.training.objective import Objective
from pose_tracking_ros.training.objective_settings import identity_loss_of
from pose_tracking_ros.training.pictures import Labels
from pose_tracking_ros.training.scenes import Batch
from pose_tracking_ros.training.start import starting_network

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
BOXES = np.array([[8, 8, 56, 120], [70, 10, 120, 118]], np.float32)


def canvas(identities: tuple[int, int] = (0, 1), joint_weight: float = 1.0) -> Canvas:
    """Return noise with two labelled people."""
    generator = np.random.default_rng(0)
    share = generator.uniform(0.1, 0.9, (2, 17, 2))
    points = BOXES[:, None, :2] + share * (BOXES[:, 2:] - BOXES[:, :2])[:, None]
    weights = np.full((2, 17, 1), joint_weight)
    return Canvas(
        generator.integers(0, 255, (128, 128, 3)).astype(np.uint8),
        Labels(
            boxes=BOXES,
            keypoints=np.concatenate([points, weights], -1).astype(np.float32),
            ignored=np.zeros((0, 4), np.float32),
            identities=np.array(identities),
        ),
    )


def objective(identities: int = 2, **changes: Any) -> Objective:
    torch.manual_seed(0)
    settings = dataclasses.replace(load_config(CONFIG).objective, **{'box_offsets': ''} | changes)
    loss = identity_loss_of(settings, 128, identities) if identities else None
    return Objective(build_network('lite'), loss, settings).train()


def losses_of(chosen: Objective, *canvases: Canvas, seed: int = 0) -> dict[str, torch.Tensor]:
    batch = Batch(list(canvases))
    found: dict[str, torch.Tensor] = chosen(
        batch.images, batch, torch.Generator().manual_seed(seed)
    )
    return found


@pytest.mark.parametrize(
    ('pose_loss', 'decoding'),
    [('softmax', 'softmax_window'), ('rce', 'sigmoid_peak'), ('sikr', 'two_step_integral')],
)
def test_pose_loss_trains_the_head_and_decides_the_decoding(pose_loss: str, decoding: str) -> None:
    chosen = objective(pose_loss=pose_loss)
    assert chosen.network.layout.decoding == decoding
    losses_of(chosen, canvas())['pose'].backward()
    gradient = chosen.network.pose_head.up[-1].weight.grad
    assert isinstance(gradient, torch.Tensor)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize(
    ('pose_loss', 'start', 'share'),
    [('softmax', '', 0.5), ('rce', '', 0.0052), ('sikr', '', 0.0052), ('rce', 'shipped', 0.0052)],
)
def test_sigmoid_heads_start_by_expecting_nothing(
    pose_loss: str, start: str, share: float
) -> None:
    torch.manual_seed(0)
    config = load_config(CONFIG)
    network = starting_network(
        dataclasses.replace(
            config,
            start=start,
            data=dataclasses.replace(config.data, backbone=''),
            objective=dataclasses.replace(config.objective, pose_loss=pose_loss),  # type: ignore[arg-type]
        ),
        Path(),
    )
    bias = network.pose_head.up[-1].bias
    assert isinstance(bias, torch.Tensor)
    assert float(bias.detach().sigmoid().mean()) == pytest.approx(share, rel=0.05)


def test_lite_starts_from_movenet_beside_the_data(tmp_path: Path) -> None:
    arrays = movenet_arrays()
    path = write_graph_model(tmp_path, arrays)
    network = starting_network(
        dataclasses.replace(load_config(CONFIG), start=path.name), path.parent
    )
    name = next(name for name in arrays if name.endswith('conv2d_1/BiasAdd/ReadVariableOp'))
    bias = network.pyramid.lateral[0].bias
    assert isinstance(bias, torch.Tensor)
    assert bias.detach().numpy() == pytest.approx(arrays[name])
    assert network.training


@pytest.mark.parametrize('pose_loss', ['softmax', 'rce', 'sikr'])
def test_unlabelled_poses_give_exactly_zero(pose_loss: str) -> None:
    found = losses_of(objective(pose_loss=pose_loss), canvas(joint_weight=0.0))
    assert float(found['pose'].detach()) == 0
    assert float(found['person_score'].detach()) > 0


def test_images_that_are_ignored_altogether_train_no_box_head() -> None:
    labels = canvas().labels
    labels = dataclasses.replace(
        labels,
        boxes=labels.boxes[:0],
        keypoints=labels.keypoints[:0],
        identities=labels.identities[:0],
        ignored=np.array([[0, 0, 128, 128]], np.float32),
    )
    losses = losses_of(objective(), Canvas(canvas().image, labels))
    assert losses['person_score'].item() == losses['person_box'].item() == 0.0
    # Anchors reach out of the image, where nothing is ignored.
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_learnt_weights_leave_tasks_without_labels_alone() -> None:
    chosen = objective(task_weights='learnt')
    found = losses_of(chosen, canvas(identities=(-1, -1), joint_weight=0.0))
    torch.stack(list(found.values())).sum().backward()
    assert chosen.balance is not None
    gradients = {
        name: s.grad is not None and float(s.grad) != 0
        for name, s in chosen.balance.log_variance.items()
    }
    assert gradients == {
        'rpn_score': True, 'rpn_box': True, 'person_score': True, 'person_box': True,
        'pose': False, 'identity': False,
    }  # fmt: skip
    assert (float(found['pose'].detach()), float(found['identity'].detach())) == (0, 0)


def test_learnt_weights_start_with_the_gradients_of_the_fixed_ones() -> None:
    gradients = []
    for task_weights in ('fixed', 'learnt'):
        chosen = objective(task_weights=task_weights)
        torch.stack(list(losses_of(chosen, canvas()).values())).sum().backward()
        gradients.append(chosen.network.pose_head.up[-1].weight.grad)
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-7)


def test_default_adds_nothing_to_the_state() -> None:
    """A run started before there was a choice resumes: its state has the same names."""
    names = objective().state_dict().keys()
    rest = {name for name in names if not name.startswith('network.')}
    assert rest == {'identity_loss.weight', 'identity_loss.scale'}


def test_oim_takes_people_without_identity_into_its_queue() -> None:
    chosen = objective(identity_loss='oim', oim_queue=4, oim_unlabelled_per_image=1)
    loss = chosen.identity_loss
    assert isinstance(loss, OnlineInstanceMatching)
    found = losses_of(chosen, canvas(identities=(1, -1)), canvas(identities=(-1, -1)))
    assert float(found['identity'].detach()) > 0
    assert (loss.table.norm(dim=1) > 0).tolist() == [False, True]
    assert (loss.queue.norm(dim=1) > 0).tolist() == [True, True, False, False]


# Boxes as a detector draws them


def test_offsets_between_found_and_labelled() -> None:
    labelled = np.array([[0, 0, 100, 200], [300, 0, 400, 200]], np.float32)
    found = np.array([[10, -20, 95, 180], [0, 0, 5, 5], [90, 90, 400, 200]], np.float32)
    offsets = BoxOffsets.between(found, labelled)
    assert offsets is not None
    assert offsets.x.tolist() == pytest.approx(np.array([[0.1, -0.05]]))
    assert offsets.y.tolist() == pytest.approx(np.array([[-0.1, -0.1]]))
    assert BoxOffsets.between(found[1:2], labelled) is None
    assert BoxOffsets.between(found[:0], labelled) is None


def test_moved_boxes_have_measured_offsets_with_sides_that_belong_together() -> None:
    offsets = BoxOffsets(np.array([[0.1, 0.2], [-0.1, 0.0]]), np.array([[0.0, 0.3], [0.5, 0.6]]))
    boxes = torch.tensor([[10.0, 20.0, 110.0, 220.0]]).repeat(200, 1)
    moved = offsets.moved(boxes, torch.Generator().manual_seed(0))
    pairs_x = {(round(x1), round(x2)) for x1, _, x2, _ in moved.tolist()}
    pairs_y = {(round(y1), round(y2)) for _, y1, _, y2 in moved.tolist()}
    assert pairs_x == {(20, 130), (0, 110)}
    assert pairs_y == {(20, 280), (120, 340)}
    # The axes are independent.
    assert len({tuple(box) for box in moved.round().tolist()}) == 4
    assert torch.equal(moved, offsets.moved(boxes, torch.Generator().manual_seed(0)))


def test_offsets_are_used_for_the_heads(tmp_path: Path) -> None:
    path = tmp_path / 'offsets.json'
    BoxOffsets(np.zeros((1, 2)), np.zeros((1, 2))).save(path)
    exact = objective(box_offsets=str(path))
    assert exact.offsets is not None
    one, other = (float(losses_of(exact, canvas(), seed=s)['pose'].detach()) for s in (0, 1))
    assert one == other
    shaken = objective()
    one, other = (float(losses_of(shaken, canvas(), seed=s)['pose'].detach()) for s in (0, 1))
    assert one != other


def test_offsets_file_goes_both_ways_and_errors_name_it(tmp_path: Path) -> None:
    path = tmp_path / 'a' / 'offsets.json'
    BoxOffsets(np.array([[0.1234, 0.2]], np.float32), np.array([[0.0, -0.5]])).save(path)
    assert path.read_text() == '{"x":[[0.123,0.2]],"y":[[0.0,-0.5]]}\n'
    assert BoxOffsets.load(path).x.tolist() == [[0.123, 0.2]]
    with pytest.raises(DataError, match='no such file; make it by'):
        BoxOffsets.load(tmp_path / 'none.json')
    for content in (
        '{',
        '{"x": [[0, 0]]}',
        '{"x": [[0, 0]], "y": [[0]]}',
        '{"x": [[9, 0]], "y": []}',
    ):
        path.write_text(content)
        with pytest.raises(DataError, match='offsets.json: not a file of box offsets'):
            BoxOffsets.load(path)
