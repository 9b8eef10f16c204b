"""Train the variants of the ablation one after another, score each, write table and picture.

Scale training (none, multi-scale, SNIP, SIFP) and pose losses (softmax, RCE, SIKR); all else is
alike (`config/training/ablation.yaml`): data, seed, steps. What was interrupted goes on where it
stopped, and what is finished is not done again:

    source scripts/env.sh
    python scripts/train_ablation.py --docs docs

Only a glance, in a folder of its own:

    python scripts/train_ablation.py --steps 4 --output /tmp/glance
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from pose_tracking_ros.evaluation.bar_chart import write_bar_chart
from pose_tracking_ros.evaluation.keypoints import (
    EvaluationError,
    load_ground_truth,
    run_engine,
    score,
)
from pose_tracking_ros.network.weights import WeightsError, load_network
from pose_tracking_ros.training.arguments import add_data_root
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.loop import Run
from pose_tracking_ros.training.pictures import DataError
from pose_tracking_ros.training.validation import engine_of

ROOT = Path(__file__).resolve().parent.parent
RESULT = 'result.json'
_FIGURES = {
    'box_ap': 'box AP',
    'box_ap50': 'box AP50',
    'keypoint_ap': 'keypoint AP',
    'keypoint_ap50': 'keypoint AP50',
    'keypoint_ap75': 'keypoint AP75',
}


@dataclass(frozen=True)
class Variant:
    """What one run changes.

    Attributes:
        name: of the run.
        words: for the table.
        changes: values by dotted key.
    """

    name: str
    words: str
    changes: dict[str, Any]


def _scale(training: str, words: str) -> Variant:
    return Variant(training, words, {'canvas.pyramid.training': training})


VARIANTS = (
    _scale('none', 'one scale, everybody trains'),
    _scale('multi-scale', 'four scales, everybody trains at each'),
    _scale('snip', 'four scales, each trains its own sizes'),
    _scale('sifp', 'four scales, sizes in the range train at each; softmax cross-entropy'),
    Variant('sifp-rce', 'SIFP with RCE', {'objective.pose_loss': 'rce'}),
    Variant('sifp-sikr', 'SIFP with SIKR', {'objective.pose_loss': 'sikr'}),
)


def changed(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with values replaced.

    Args:
        content: of the YAML file; not changed.
        changes: values by dotted key, all of which exist in the content.

    Raises:
        KeyError: a key does not exist.
    """
    result = copy.deepcopy(content)
    for key, value in changes.items():
        *path, last = key.split('.')
        inner = result
        for name in path:
            inner = inner[name]
        if last not in inner:
            raise KeyError(key)
        inner[last] = value
    return result


def config_file(variant: Variant, base: Path, steps: int | None, folder: Path) -> Path:
    """Write a variant's configuration into its folder, or check the one that is there.

    Raises:
        ConfigError: the folder holds a run with another configuration, or the base lacks a key.
    """
    changes = {**variant.changes, 'name': variant.name}
    if steps is not None:
        changes['optimiser.steps'] = steps
    try:
        wanted = changed(yaml.safe_load(base.read_text()), changes)
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f'{base}: expected a training configuration with {error}') from error
    path = folder / 'config.yaml'
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(wanted, sort_keys=False))
    elif yaml.safe_load(path.read_text()) != wanted:
        raise ConfigError(
            f'{path}: a run with another configuration is there; remove its folder, or name '
            'another --output'
        )
    return path


def run_variant(
    variant: Variant, options: argparse.Namespace, console: Console
) -> dict[str, Any] | None:
    """Train and score a variant unless that is done; None when interrupted.

    Raises:
        ConfigError, DataError, EvaluationError, WeightsError: something is missing or malformed.
    """
    folder = options.output / variant.name
    path = config_file(variant, options.config, options.steps, folder)
    result_file = folder / RESULT
    if result_file.exists():
        console.print(f'{variant.name}: done before')
        found: dict[str, Any] = json.loads(result_file.read_text())
        return found
    config = load_config(path)
    if not Run(config, options.data_root, folder).train():
        return None
    network, provenance = load_network(config.preset, folder / f'{config.preset}.safetensors')
    # Tested at a single scale, as trained at factor 1.
    engine = engine_of(network, config.preset, config.canvas.size_px)
    truth = load_ground_truth(
        options.annotations or options.data_root / 'eval_coco_dev/annotations.json'
    )
    results = run_engine(
        engine, truth, options.images or options.data_root / 'eval_coco_dev/images'
    )
    report = asdict(score(truth, results, f'{variant.name}@{provenance.sha256[:12]}'))
    report.pop('curves')
    report |= {'steps': config.optimiser.steps, 'seed': config.seed}
    report['long_side_px'] = config.canvas.size_px
    result_file.write_text(json.dumps(report, indent=1) + '\n')
    return report


def markdown(results: dict[str, dict[str, Any]], picture: str, command: str) -> str:
    """Return the page of docs: what was done, the table, the picture.

    Args:
        results: figures by variant, of at least one.
        picture: address of the picture, relative to the page.
        command: that made it.
    """
    any_ = next(iter(results.values()))
    words = {variant.name: variant.words for variant in VARIANTS}
    heading = ['variant', 'what', *_FIGURES.values()]
    rows = [
        [f'`{name}`', words[name], *(f'{result[key]:.3f}' for key in _FIGURES)]
        for name, result in results.items()
    ]
    lines = [heading, ['---', '---', *('--:' for _ in _FIGURES)], *rows]
    table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
    return (
        f'# What scale training and pose losses are worth\n\nMade by `{command}`: preset `lite`, '
        f'{any_["steps"]} steps and seed {any_["seed"]} for each, scored on {any_["images"]} '
        f'pictures ({any_["people"]} people) at a single scale, {any_["long_side_px"]} px. One '
        'seed and a short training: differences of a hundredth are noise.\n\n'
        f'{table}\n\n![Average precision of each variant]({picture})\n'
    )


def write_report(results: dict[str, dict[str, Any]], folder: Path) -> None:
    """Write `training_ablation.md` and its picture into a folder of documents."""
    picture = Path('images') / 'training_ablation.png'
    bars = {
        name: {
            _FIGURES[key]: 100 * result[key] for key in ('box_ap', 'keypoint_ap', 'keypoint_ap50')
        }
        for name, result in results.items()
    }
    write_bar_chart(
        folder / picture, 'Scale training and pose losses', 'average precision, %', bars
    )
    page = markdown(results, str(picture), 'python scripts/train_ablation.py --docs docs')
    (folder / 'training_ablation.md').write_text(page)


def main(arguments: list[str] | None = None) -> int:
    """Train, score, write; exit 0 when done, 3 when interrupted, 2 on bad input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [variant.name for variant in VARIANTS]
    parser.add_argument('--only', nargs='+', choices=names, default=names, help='variants')
    parser.add_argument('--steps', type=int, help="of each run; default: the configuration's")
    parser.add_argument('--config', type=Path, default=ROOT / 'config/training/ablation.yaml')
    parser.add_argument('--output', type=Path, default=Path('runs/ablation'), help='of the runs')
    parser.add_argument(
        '--docs', type=Path, help='write table and picture there; default: into --output'
    )
    add_data_root(parser)
    parser.add_argument('--annotations', type=Path, help='scored on; default: eval_coco_dev')
    parser.add_argument('--images', type=Path, help='likewise')
    options = parser.parse_args(arguments)
    console = Console()
    results: dict[str, dict[str, Any]] = {}
    try:
        for variant in VARIANTS:
            if variant.name not in options.only:
                continue
            result = run_variant(variant, options, console)
            if result is None:
                console.print(f'interrupted in {variant.name}; run again to go on')
                return 3
            results[variant.name] = result
    except (ConfigError, DataError, EvaluationError, WeightsError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    table = Table('variant', *_FIGURES.values())
    for name, result in results.items():
        table.add_row(name, *(f'{result[key]:.3f}' for key in _FIGURES))
    console.print(table)
    write_report(results, options.docs or options.output)
    return 0


if __name__ == '__main__':
    sys.exit(main())
