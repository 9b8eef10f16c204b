"""What happened in a run: a line per step in `log.jsonl`, the same for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

LOG_NAME = 'log.jsonl'


class Journal:
    """Writes the log of a run; closes with the `with` block.

    `tensorboard --logdir RUN` shows it, where TensorBoard is installed.

    Args:
        folder: of the run.
        step: the run goes on after this step. What an interrupted process logged beyond is taken
            out: those steps are done again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LOG_NAME
        kept = [line for line in _lines(path) if line.get('step', 0) <= step]
        partial = path.with_suffix('.partial')
        partial.write_text(''.join(json.dumps(line) + '\n' for line in kept))
        partial.replace(path)
        self._log = path.open('a')
        # Steps from here on replace those of the interrupted process.
        self._events = SummaryWriter(str(folder / 'tensorboard'), purge_step=step + 1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self._events.close()

    def add_step(self, step: int, facts: Mapping[str, float], elapsed_s: float) -> None:
        """Log the losses of a step."""
        self._write({**facts, 'step': step, 'elapsed_s': elapsed_s})
        for name, value in facts.items():
            self._events.add_scalar(f'training/{name}', value, step)

    def add_validation(self, step: int, facts: Mapping[str, float]) -> None:
        """Log the accuracy after a step."""
        self._write({'step': step, 'validation': dict(facts)})
        for name, value in facts.items():
            self._events.add_scalar(f'validation/{name}', value, step)
        self._events.flush()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._log.write(json.dumps(line) + '\n')
        self._log.flush()


def read_journal(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the logged steps and the validations of a run, in order; empty without a log."""
    lines = _lines(folder / LOG_NAME)
    steps = [line for line in lines if 'validation' not in line]
    return steps, [line for line in lines if 'validation' in line]


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    texts = path.read_text().splitlines(keepends=True)
    # The last line of a process that was killed while it wrote has no end.
    return [json.loads(text) for text in texts if text.endswith('\n')]
