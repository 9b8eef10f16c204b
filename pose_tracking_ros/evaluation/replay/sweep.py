"""Every configuration on every bag, one replay each; what is finished is kept and used again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.configuration import Configuration
from pose_tracking_ros.evaluation.replay.engines import EngineFactory, Engines
from pose_tracking_ros.evaluation.replay.person_counts import PersonCounts, count_people
from pose_tracking_ros.evaluation.replay.replay import Realism, replay
from pose_tracking_ros.settings import NetworkSettings

_LOG = logging.getLogger(__name__)

# Changes whenever files of earlier versions can no longer be read.
_FORMAT: Final = 1

Spread = Callable[
    [Callable[['Task'], 'Outcome'], Sequence['Task']], Iterator[tuple[int, 'Outcome']]
]
"""Does tasks, somewhere, and yields the place of each and its outcome; see `workers`."""


@dataclass(frozen=True)
class SweptBag:
    """A recording and its truth.

    Attributes:
        name: tells it from the others.
        path: folder or file.
        topic: of the images; None where the bag has one such topic only.
        ground_truth: file or topic; None for none.
    """

    name: str
    path: Path
    topic: str | None = None
    ground_truth: str | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """One replay.

    Attributes:
        bag: what to replay.
        configuration: with what.
        load: makes the engine; a function of a module.
        realism: simulates the mailbox of the node; None processes every image.
        max_images: only so many are read; None for all.
    """

    bag: SweptBag
    configuration: Configuration
    load: EngineFactory
    realism: Realism | None = None
    max_images: int | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is kept of a replay.

    Attributes:
        figures: of accuracy and the like; the same whoever did the work.
        counts: person by person; None without truth.
        timing: how long it took; different each time.
    """

    figures: dict[str, Any]
    counts: PersonCounts | None
    timing: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            'figures': self.figures,
            'counts': None if self.counts is None else self.counts.as_json(),
            'timing': self.timing,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Outcome:
        """Return what `as_json` has written."""
        counts = content['counts']
        return cls(
            figures=content['figures'],
            counts=None if counts is None else PersonCounts.from_json(counts),
            timing=content['timing'],
        )


def named_bags(
    paths: Sequence[Path], topic: str | None, ground_truth: Sequence[str]
) -> list[SweptBag]:
    """Return bags with names that tell them apart: their own, or their paths.

    Args:
        paths: of the bags.
        topic: of the images in all of them; None where each has one such topic only.
        ground_truth: none, one for all bags, or one for each.

    Raises:
        EvaluationError: a bag is named twice, or the number of truths does not fit.
    """
    if len(ground_truth) not in (0, 1, len(paths)):
        raise EvaluationError(
            f'--ground-truth: expected one for all bags or one for each of the {len(paths)}, got '
            f'{len(ground_truth)}'
        )
    full = [path.resolve() for path in paths]
    names = [path.name for path in full]
    if len(set(full)) < len(full):
        raise EvaluationError('--bags: expected different bags, got one more than once')
    truths: list[str | None] = [*ground_truth] or [None]
    if len(truths) == 1:
        truths *= len(paths)
    return [
        SweptBag(name if names.count(name) == 1 else str(path), path, topic, truth)
        for name, path, truth in zip(names, paths, truths, strict=True)
    ]


def comparable(configuration: Configuration) -> Configuration:
    """Return a configuration that computes the same in every worker.

    That is, with one thread, and with torch where the engine was to be the fastest one: which
    that is may differ from machine to machine, and results differ slightly with it.
    """
    network = configuration.get(NetworkSettings)
    engine = 'torch' if network.engine == 'auto' else network.engine
    steady = dataclasses.replace(network, threads=1, engine=engine)
    return dataclasses.replace(
        configuration, settings={**configuration.settings, NetworkSettings: steady}
    )


def run_task(task: Task) -> Outcome:
    """Do one replay; the network stays loaded for the next one of this process."""
    engine = _engines(task.load).get(task.configuration.get(NetworkSettings))
    result = replay(
        task.bag.path,
        task.bag.topic,
        task.configuration,
        engine,
        realism=task.realism,
        ground_truth=task.bag.ground_truth,
        max_images=task.max_images,
    )
    counts = None if result.truth is None else count_people(result.recording, result.truth)
    return Outcome(result.figures, counts, result.timing)


@cache
def _engines(load: EngineFactory) -> Engines:
    return Engines(load)


def sweep(
    tasks: Sequence[Task],
    folder: Path,
    spread: Spread,
    on_done: Callable[[Task, bool], None] = lambda task, is_reused: None,
) -> list[Outcome]:
    """Do all tasks that have not been done before, and return the outcome of each.

    Every outcome is written as soon as it is there. It is used again as long as bag, truth,
    settings, weights and this package's code are the same.

    Args:
        tasks: to do; they end in any order.
        folder: of the outcomes; made where needed.
        spread: does the tasks.
        on_done: told of each task that is done, and whether it had been before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / _file_name(task) for task in tasks]
    outcomes: list[Outcome | None] = [_stored(file) for file in files]
    left = [place for place, outcome in enumerate(outcomes) if outcome is None]
    for task, outcome in zip(tasks, outcomes, strict=True):
        if outcome is not None:
            on_done(task, True)
    for place, outcome in spread(run_task, [tasks[place] for place in left]) if left else ():
        _store(outcome, files[left[place]])
        outcomes[left[place]] = outcome
        on_done(tasks[left[place]], False)
    return [outcome for outcome in outcomes if outcome is not None]


def _stored(file: Path) -> Outcome | None:
    """Return an outcome of an earlier run; None when there is none that is whole."""
    if not file.is_file():
        return None
    try:
        return Outcome.from_json(json.loads(file.read_text(encoding='utf-8')))
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f'{file}: not the outcome of a replay ({error}); delete it to have it made again'
        ) from error


def _store(outcome: Outcome, file: Path) -> None:
    # Whoever interrupts this leaves no file that looks finished.
    partial = file.with_suffix('.part')
    partial.write_text(json.dumps(outcome.as_json()) + '\n', encoding='utf-8')
    partial.replace(file)


def _file_name(task: Task) -> str:
    name = f'{task.configuration.name}-{task.bag.path.name}'
    readable = ''.join(one if one.isalnum() or one in '-_.' else '_' for one in name)
    return f'{readable}-{fingerprint(task)[:16]}.json'


def fingerprint(task: Task) -> str:
    """Return a text that changes with everything that decides about the figures.

    Bags, files of truth and weights are told by name, size and time of change.
    """
    # Takes seconds, which every worker would wait for.
    from pose_tracking_ros.inference.weights_source import weights_path

    weights = weights_path(task.configuration.get(NetworkSettings), _LOG.info)
    facts = {
        'format': _FORMAT,
        'code': _code(),
        'bag': _file_facts(task.bag.path),
        'topic': task.bag.topic,
        'ground_truth': task.bag.ground_truth,
        'ground_truth_files': _truth_facts(task.bag.ground_truth),
        'settings': {
            f'{kind.__name__}.{field.name}': getattr(settings, field.name)
            for kind, settings in task.configuration.settings.items()
            for field in dataclasses.fields(settings)
        },
        'weights': _file_facts(weights),
        'realism': None if task.realism is None else dataclasses.asdict(task.realism),
        'max_images': task.max_images,
        'load': f'{task.load.__module__}.{task.load.__qualname__}',
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _truth_facts(ground_truth: str | None) -> list[list[Any]]:
    """Return what tells a file of truth, or another bag; nothing for a topic of the same bag."""
    if ground_truth is None:
        return []
    path = Path(ground_truth)
    other_bag = Path(ground_truth.rpartition(':')[0] or ground_truth)
    return _file_facts(path if path.exists() else other_bag)


def _file_facts(path: Path) -> list[list[Any]]:
    """Return path, size and time of change of a file, or of all files in a folder."""
    if not path.exists():
        return []
    files = sorted(one for one in path.rglob('*') if one.is_file()) if path.is_dir() else [path]
    facts = [(one, one.stat()) for one in files]
    return [[str(one.resolve()), status.st_size, status.st_mtime_ns] for one, status in facts]


@cache
def _code() -> str:
    """Return a text that changes with the code of this package."""
    digest = hashlib.sha256()
    folder = Path(__file__).parents[2]
    for file in sorted(folder.rglob('*.py')):
        digest.update(str(file.relative_to(folder)).encode() + b'\0' + file.read_bytes())
    return digest.hexdigest()
