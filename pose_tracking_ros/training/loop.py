"""The training loop: mixed precision, averaged weights, exact resuming, clean interruption."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from torch import nn
from torch.utils.data import DataLoader, Subset

from pose_tracking_ros.network.backbone import freeze_first_blocks
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.presets import EMBEDDING_DIM, build_network
from pose_tracking_ros.network.weights import (
    save_weights,
)
from pose_tracking_ros.training.averaging import AveragedWeights, settle_norms
from pose_tracking_ros.training.config import OptimiserSettings, TrainingConfig
from pose_tracking_ros.training.devices import make_fabric, speed_up_on_cpu
from pose_tracking_ros.training.journal import Journal
from pose_tracking_ros.training.mixture import open_training_data
from pose_tracking_ros.training.objective import Objective
from pose_tracking_ros.training.objective_settings import identity_loss_of
from pose_tracking_ros.training.pictures import DataError
from pose_tracking_ros.training.provenance import facts_of
from pose_tracking_ros.training.scenes import Batch, BatchesOrErrors, CanvasBatches
from pose_tracking_ros.training.start import starting_network
from pose_tracking_ros.training.validation import Validator

# What a start other than random brings with it.
_PRETRAINED = tuple(
    f'network.{part}' for part in ('backbone', 'pyramid.top', 'pyramid.lateral', 'pyramid.smooth')
)
# Batches over which the norm statistics of the averaged weights are measured.
_SETTLING_BATCHES = 32


def learning_rate_at(step: int, settings: OptimiserSettings) -> float:
    """Return the factor on the peak learning rate: linear rise, flat, cosine fall to 0."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    decay_start = settings.steps * (1 - settings.decay_share)
    if step < decay_start:
        return 1.0
    done = (step - decay_start) / max(settings.steps - decay_start, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


class Run:
    """One training run in a folder.

    Args:
        config: what to train.
        data_root: folder of the data named in the config.
        folder: state, log and results; a run found there is resumed.
    """

    def __init__(self, config: TrainingConfig, data_root: Path, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.step = 0
        self.best = -1.0
        self._stop = False
        self.fabric = make_fabric(config.precision)
        self._provenance = facts_of(config, data_root)
        self._validator = (
            Validator(config.validation, data_root, config.preset)
            if config.validation.annotations
            else None
        )
        torch.manual_seed(config.seed)
        self.batches = self._open_data(data_root)
        self.network = starting_network(config, data_root)
        freeze_first_blocks(self.network.backbone, config.optimiser.frozen_blocks)
        if self.fabric.device.type == 'cpu':
            speed_up_on_cpu(self.network)
        identities = self._identity_count
        objective = Objective(
            self.network,
            identity_loss_of(config.objective, EMBEDDING_DIM, identities) if identities else None,
            config.objective,
        ).to(memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(
            _parameter_groups(objective, config.optimiser), lr=config.optimiser.learning_rate
        )
        self.averaged = AveragedWeights(self.network, config.optimiser.ema_decay)
        self.objective, self.optimiser = self.fabric.setup(objective, optimiser)
        self._resume()

    def _open_data(self, root: Path) -> CanvasBatches:
        config = self.config
        data = open_training_data(config.data, config.canvas, root)
        self._identity_count = data.identity_count
        return CanvasBatches(
            data.detection,
            data.identity,
            config.optimiser.detection_canvases,
            config.optimiser.identity_canvases,
            config.optimiser.steps,
            config.seed,
        )

    @property
    def state_file(self) -> Path:
        """Where the run's state is kept."""
        return self.folder / 'state.pt'

    def _resume(self) -> None:
        if not self.state_file.exists():
            return
        state = self.fabric.load(self.state_file)
        self.objective.load_state_dict(state['objective'])
        self.optimiser.load_state_dict(state['optimiser'])
        self.averaged.state = {
            name: value.to(self.fabric.device) for name, value in state['averaged'].items()
        }
        self.step = int(state['step'])
        # Runs from before there was validation have none.
        self.best = float(state.get('best', self.best))
        self.fabric.print(f'resuming {self.folder} at step {self.step}')

    def save(self) -> None:
        """Write state and averaged weights, whole or not at all."""
        partial = self.state_file.with_suffix('.partial')
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fabric.save(
            partial,
            {
                'objective': self.objective.state_dict(),
                'optimiser': self.optimiser.state_dict(),
                'averaged': self.averaged.state,
                'step': self.step,
                'best': self.best,
            },
        )
        if self.fabric.is_global_zero:
            partial.replace(self.state_file)
            self._write_weights(self._averaged_network(), self.config.preset)
        self.fabric.barrier()

    def _averaged_network(self) -> MultiTaskNetwork:
        network = build_network(self.config.preset)
        network.load_state_dict(self.averaged.state)
        network.decoding = self.network.decoding
        return network

    def _write_weights(
        self, network: MultiTaskNetwork, name: str, figures: dict[str, float] | None = None
    ) -> None:
        facts = self._provenance | {'steps': f'{self.step} of {self.config.optimiser.steps}'}
        if figures:
            facts['validation'] = json.dumps(figures)
        path = self.folder / f'{name}.safetensors'
        save_weights(network, path, self.config.preset, facts)

    def _settled_network(self) -> MultiTaskNetwork:
        """Return the averaged weights, with norm statistics of their own."""
        network = self._averaged_network().to(self.fabric.device)
        # A copy: what it learns of identities here is not part of training.
        identity_loss = copy.deepcopy(self.objective.identity_loss)
        objective = Objective(network, identity_loss, self.config.objective)
        objective = objective.to(self.fabric.device)
        generator = torch.Generator().manual_seed(self.config.seed)

        def run(batch: Batch) -> None:
            images = batch.images.to(self.fabric.device)
            with self.fabric.autocast():
                objective(images, batch, generator)

        count = min(_SETTLING_BATCHES, len(self.batches))
        chosen = track(range(count), description='norms', transient=True)
        settle_norms(network, run, (self.batches[number] for number in chosen))
        return network

    def _validate(self, journal: Journal | None) -> None:
        """Score the averaged weights, and keep them if they are the best so far."""
        if journal is not None and self._validator is not None:
            network = self._settled_network()
            figures = self._validator.figures(network)
            journal.add_validation(self.step, figures)
            text = ', '.join(f'{name} {value:.3f}' for name, value in figures.items())
            self.fabric.print(f'step {self.step}: {text}')
            if figures['keypoint_ap'] > self.best:
                self.best = figures['keypoint_ap']
                self._write_weights(network, 'best', figures)
        self.fabric.barrier()

    def train(self) -> bool:
        """Train to the last step. Returns whether it got there (or was interrupted).

        Leaves in the folder: `state.pt` to go on from, the averaged weights of the last step as
        `PRESET.safetensors`, those with the highest keypoint AP as `best.safetensors` where there
        is something to validate on, and what `Journal` writes.

        Raises:
            DataError: labels or pictures cannot be used.
        """
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._train()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        self.save()
        is_finished = self.step >= self.config.optimiser.steps
        if is_finished and self.fabric.is_global_zero:
            self._write_weights(self._settled_network(), self.config.preset)
        self.fabric.barrier()
        return is_finished

    def _train(self) -> None:
        self.objective.train()
        columns = (
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with contextlib.ExitStack() as stack:
            journal = None
            if self.fabric.is_global_zero:
                journal = stack.enter_context(Journal(self.folder, self.step))
            progress = Progress(*columns, disable=journal is None)
            task = progress.add_task(self.config.name, total=self.config.optimiser.steps)
            stack.enter_context(progress)
            self._take_steps(journal, lambda text: _show(progress, task, text, self.step))

    def _take_steps(self, journal: Journal | None, show: Callable[[str], None]) -> None:
        started = time.monotonic()
        last = self.config.optimiser.steps
        for batch in self._remaining_batches():
            facts = self._train_step(batch)
            self.step += 1
            show(' '.join(f'{name} {value:.3f}' for name, value in facts.items()))
            if journal is not None:
                journal.add_step(self.step, facts, time.monotonic() - started)
            if self.step % self.config.validation.every_steps == 0 or self.step == last:
                self._validate(journal)
            if self.step % self.config.save_every_steps == 0:
                self.save()
            if self._is_to_stop():
                break

    def _is_to_stop(self) -> bool:
        """Return whether any process was asked to stop: all do so after the same step."""
        if self.fabric.world_size == 1:
            return self._stop
        asked = torch.tensor(float(self._stop), device=self.fabric.device)
        total = self.fabric.all_reduce(asked, reduce_op='sum')
        assert isinstance(total, torch.Tensor)
        return bool(total > 0)

    def _remaining_batches(self) -> Iterator[Batch]:
        rank, world = self.fabric.global_rank, self.fabric.world_size
        # Every process takes its own batch numbers; each number's content is fixed.
        numbers = range(self.step * world + rank, len(self.batches) * world, world)
        source = CanvasBatches(
            *self.batches.parts, batches=len(self.batches) * world, seed=self.config.seed
        )
        loader: DataLoader[Batch | DataError] = DataLoader(
            Subset(BatchesOrErrors(source), numbers),
            batch_size=None,
            num_workers=self.config.workers,
            prefetch_factor=4 if self.config.workers else None,
            worker_init_fn=_ignore_signals,
        )
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            yield batch

    def _train_step(self, batch: Batch) -> dict[str, float]:
        settings = self.config.optimiser
        factor = learning_rate_at(self.step, settings)
        for group in self.optimiser.param_groups:
            group['lr'] = settings.learning_rate * factor * group['rate']
        generator = torch.Generator().manual_seed(
            (self.config.seed * 1_000_003 + self.step) * 4096 + self.fabric.global_rank
        )
        images = batch.images.to(self.fabric.device)
        losses = self.objective(images, batch, generator)
        total = torch.stack(list(losses.values())).sum()
        self.optimiser.zero_grad()
        self.fabric.backward(total)
        norm = self.fabric.clip_gradients(
            self.objective, self.optimiser, max_norm=settings.max_gradient_norm
        )
        facts = {'loss': float(total.detach())}
        facts |= {name: float(value.detach()) for name, value in losses.items()}
        if not math.isfinite(facts['loss']):
            raise RuntimeError(
                f'step {self.step}: the loss is not finite ({facts}); lower the learning rate or '
                'check the labels; the last saved state is kept'
            )
        self.optimiser.step()
        self.averaged.update(self.network, self.step)
        return facts | {'gradient': float(norm) if norm is not None else 0.0}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True


def _show(progress: Progress, task: TaskID, text: str, step: int) -> None:
    progress.update(task, completed=step, description=text)


def _parameter_groups(objective: Objective, settings: OptimiserSettings) -> list[dict[str, Any]]:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in objective.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = settings.backbone_rate if name.startswith(_PRETRAINED) else 1.0
        decay = settings.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {'params': parameters, 'rate': rate, 'weight_decay': decay}
        for (rate, decay), parameters in groups.items()
    ]


def _ignore_signals(worker: int) -> None:
    # The main process decides when to stop. A terminal and `torchrun` signal all of a group, and
    # without its workers it could not take the step at hand to its end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
