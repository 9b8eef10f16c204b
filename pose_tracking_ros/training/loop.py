"""The training loop: mixed precision, averaged weights, exact resuming, clean interruption."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
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
from pose_tracking_ros.training.mixture import open_training_data
from pose_tracking_ros.training.objective import Objective, identity_loss_of
from pose_tracking_ros.training.pictures import DataError
from pose_tracking_ros.training.scenes import Batch, BatchesOrErrors, CanvasBatches
from pose_tracking_ros.training.start import starting_network

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


def fastest_precision() -> str:
    """Return `bf16-mixed` where bfloat16 is computed in hardware, else `32-true`.

    A CPU without such instructions emulates them, ten times slower than float32.
    """
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        abilities = torch.cpu.get_capabilities()
        fast = any(abilities.get(name, False) for name in ('avx512_bf16', 'amx_bf16'))
    return 'bf16-mixed' if fast else '32-true'


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
        self._stop = False
        precision = config.precision if config.precision != 'auto' else fastest_precision()
        self.fabric = Fabric(accelerator='auto', devices='auto', precision=precision)  # type: ignore[arg-type]
        torch.manual_seed(config.seed)
        self.batches = self._open_data(data_root)
        self.network = starting_network(config, data_root)
        freeze_first_blocks(self.network.backbone, config.optimiser.frozen_blocks)
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
            },
        )
        if self.fabric.is_global_zero:
            partial.replace(self.state_file)
            self._write_weights(self._averaged_network())
        self.fabric.barrier()

    def _averaged_network(self) -> MultiTaskNetwork:
        network = build_network(self.config.preset)
        network.load_state_dict(self.averaged.state)
        network.decoding = self.network.decoding
        return network

    def _write_weights(self, network: MultiTaskNetwork) -> None:
        facts = {
            'steps': f'{self.step} of {self.config.optimiser.steps}',
            'config': json.dumps(asdict(self.config)),
        }
        path = self.folder / f'{self.config.preset}.safetensors'
        save_weights(network, path, self.config.preset, facts)

    def _finish(self) -> None:
        """Write the averaged weights once more, with norm statistics of their own."""
        network = self._averaged_network().to(self.fabric.device)
        objective = Objective(network, self.objective.identity_loss, self.config.objective)
        generator = torch.Generator().manual_seed(self.config.seed)

        def run(batch: Batch) -> None:
            images = batch.images.to(self.fabric.device)
            with self.fabric.autocast():
                objective(images, batch, generator)

        count = min(_SETTLING_BATCHES, len(self.batches))
        chosen = track(range(count), description='norms', transient=True)
        settle_norms(network, run, (self.batches[number] for number in chosen))
        self._write_weights(network)

    def train(self) -> bool:
        """Train to the last step. Returns whether it got there (or was interrupted)."""
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._train()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        self.save()
        is_finished = self.step >= self.config.optimiser.steps
        if is_finished and self.fabric.is_global_zero:
            self._finish()
        self.fabric.barrier()
        return is_finished

    def _train(self) -> None:
        self.objective.train()
        self.folder.mkdir(parents=True, exist_ok=True)
        columns = (
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        log = (self.folder / 'log.jsonl').open('a')
        with log, Progress(*columns, disable=not self.fabric.is_global_zero) as progress:
            task = progress.add_task(self.config.name, total=self.config.optimiser.steps)
            started = time.monotonic()
            for batch in self._remaining_batches():
                facts = self._train_step(batch)
                self.step += 1
                text = ' '.join(f'{name} {value:.3f}' for name, value in facts.items())
                progress.update(task, completed=self.step, description=text)
                facts |= {'step': self.step, 'elapsed_s': time.monotonic() - started}
                if self.fabric.is_global_zero:
                    log.write(json.dumps(facts) + '\n')
                    log.flush()
                if self.step % self.config.save_every_steps == 0:
                    self.save()
                if self._stop:
                    break

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
            worker_init_fn=_ignore_interrupt,
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


def _parameter_groups(objective: Objective, settings: OptimiserSettings) -> list[dict[str, Any]]:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in objective.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = settings.backbone_rate if name.startswith('network.backbone') else 1.0
        decay = settings.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {'params': parameters, 'rate': rate, 'weight_decay': decay}
        for (rate, decay), parameters in groups.items()
    ]


def _ignore_interrupt(worker: int) -> None:
    # The main process decides when to stop; workers would only print tracebacks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
