"""Read all training data, say what there is, and name every record that is wrong.

python -m pose_tracking_ros.training check config/training/lite.yaml
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pose_tracking_ros.training.arguments import add_data_root
from pose_tracking_ros.training.config import ConfigError, TrainingConfig, load_config
from pose_tracking_ros.training.datasets import (
    DataError,
    Dataset,
    DatasetSettings,
    Problems,
    open_dataset,
)
from pose_tracking_ros.training.datasets.records import Record
from pose_tracking_ros.training.label_pictures import draw_record
from pose_tracking_ros.viewing.contact_sheet import contact_sheet

# Every sample fills such a field, width and height.
_FIELD_PX = (600, 450)
# Of the table where there is no terminal whose width it could take.
_FILE_COLUMNS = 120


@dataclass(frozen=True, eq=False)
class Findings:
    """What the check found in one dataset.

    Attributes:
        settings: of the dataset.
        dataset: its usable records; None if it could not be read at all.
        problems: what is wrong.
    """

    settings: DatasetSettings
    dataset: Dataset | None
    problems: Problems


def check_dataset(settings: DatasetSettings, root: Path, limit: int, decodes: bool) -> Findings:
    """Read a dataset and its pictures, past every bad record.

    Args:
        settings: which dataset.
        root: data folder.
        limit: problems to keep, at least 1.
        decodes: whether pictures are decoded, not only their headers.
    """
    problems = Problems(limit)
    dataset = None
    with problems.guard():
        dataset = open_dataset(settings, root, problems)
    if dataset is not None and decodes:
        sound = []
        for record in track(dataset.records, description=f'{settings.name}: pictures'):
            with problems.guard():
                record.picture.verify()
                sound.append(record)
        dataset = dataclasses.replace(dataset, records=sound)
    return Findings(settings, dataset, problems)


def table_of(findings: list[Findings]) -> Table:
    """Return the table of all datasets."""
    table = Table('dataset', 'format', box=SIMPLE)
    for name in ('pictures', 'people', 'joints', 'identities', 'ignored'):
        table.add_column(name, justify='right')
    table.add_column('trains')
    table.add_column('problems', justify='right')
    for found in findings:
        settings, dataset = found.settings, found.dataset
        start = (settings.name, settings.format)
        end = str(found.problems.count)
        if dataset is None:
            table.add_row(*start, *['-'] * 6, end)
            continue
        records = dataset.records
        identities = {int(i) for record in records for i in record.identities if i >= 0}
        kinds = [name for name, has in dataclasses.asdict(dataset.kinds).items() if has]
        counts = (
            len(records),
            sum(len(record.boxes) for record in records),
            sum(int((record.visibility > 0).sum()) for record in records),
            len(identities),
            sum(len(record.ignored) for record in records),
        )
        table.add_row(*start, *(f'{count:,}' for count in counts), ', '.join(kinds), end)
    return table


def samples_of(
    findings: list[Findings], count: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[str]]:
    """Return random pictures that show somebody, drawn, with captions.

    Args:
        findings: of all datasets.
        count: pictures per dataset, at most.
        rng: chooses.
    """
    images, captions = [], []
    for found in findings:
        records: list[Record] = found.dataset.records if found.dataset else []
        shown = [record for record in records if len(record.boxes) or len(record.ignored)]
        for index in sorted(rng.permutation(len(shown))[:count].tolist()):
            record = shown[index]
            with found.problems.guard():
                images.append(draw_record(record.picture.pixels(), record, _FIELD_PX))
                name = Path(record.picture.name or record.picture.path.name).name
                captions.append(f'{found.settings.name}: {name}')
    return images, captions


def check(config: TrainingConfig, root: Path, sheet: Path, options: argparse.Namespace) -> int:
    """Check everything and print the result.

    Args:
        config: names the data.
        root: data folder.
        sheet: the contact sheet is written here, PNG.
        options: of the command line.

    Returns:
        0, or 2 if anything is wrong.
    """
    findings = [
        check_dataset(settings, root, options.max_problems, not options.quick)
        for settings in config.data.mixture
    ]
    images, captions = samples_of(findings, options.samples, np.random.default_rng(options.seed))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_COLUMNS)
    console.print(table_of(findings))
    if images:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        picture = contact_sheet(images, captions, columns=4)
        if not cv2.imwrite(str(sheet), picture[..., ::-1]):
            raise OSError(f'{sheet}: cannot be written; choose another --output')
        print(f'samples: {sheet}')
    kept = [problem for found in findings for problem in found.problems.kept]
    count = sum(found.problems.count for found in findings)
    for problem in kept[: options.max_problems]:
        print(f'error: {problem}', file=sys.stderr)
    if count:
        shown = min(len(kept), options.max_problems)
        print(f'{count} bad records, {shown} shown (--max-problems)', file=sys.stderr)
    return 2 if count else 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'expected at least 1, got {value}')
    return value


def main(arguments: list[str]) -> int:
    """Run the command; exit 0 if all data can be used, 2 if not, 3 when interrupted."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.training check',
        description=__doc__,
    )
    parser.add_argument('config', type=Path, help='training configuration (YAML)')
    add_data_root(parser)
    parser.add_argument('--output', type=Path, help='folder of data.png; default runs/NAME')
    parser.add_argument(
        '--max-problems', type=_positive, default=20, help='named at most; default 20'
    )
    parser.add_argument(
        '--samples', type=_positive, default=8, help='pictures of each dataset; default 8'
    )
    parser.add_argument('--seed', type=int, default=0, help='chooses the samples; default 0')
    parser.add_argument(
        '--quick', action='store_true', help='read the headers of the pictures, not the pixels'
    )
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        folder = options.output or Path('runs') / config.name
        return check(config, options.data_root, folder / 'data.png', options)
    except (ConfigError, DataError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 3
