"""The report: everything measured, in one JSON object, a table and a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pose_tracking_ros.benchmark.accuracy import Accuracy
from pose_tracking_ros.benchmark.contestants import HOW_K_IS_FIXED, STAGES
from pose_tracking_ros.benchmark.growth import GrowthLaw
from pose_tracking_ros.benchmark.rounds import Case, Percentiles, Ratio

SCHEMA = 'pose_tracking_ros/benchmark/1'
# Below, next to nothing else runs.
_QUIET_LOAD = 0.5
_GROWTH_COLUMNS = (
    'a µs/px', 'b ms/proposal', 'c ms/person', 'R²', 'points', 'constant ms', 'R² with it',
)  # fmt: skip


@dataclass
class Report:
    """What a run found, in the order in which it is written.

    Attributes:
        command: the command line, to repeat it.
        machine: see `machine.describe`.
        conditions: rounds, image, load and what else holds for all figures.
        measurements: one record per case.
        costs: single steps, p50/p95/p99 in ms by name.
        growth: laws by contestant.
        accuracy: average precision by contestant, see `accuracy.compare`.
        ratios: by name.
        meanings: what is over what, by name of the ratio.
        skipped: what was not measured, and why.
    """

    command: str
    machine: dict[str, Any]
    conditions: dict[str, Any]
    measurements: list[dict[str, Any]] = field(default_factory=list)
    costs: dict[str, Percentiles] = field(default_factory=dict)
    growth: dict[str, GrowthLaw] = field(default_factory=dict)
    accuracy: dict[str, Accuracy] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add_case(self, case: Case, joules: float | None = None) -> None:
        """Add a measured case."""
        facts = case.facts
        self.measurements.append(
            {
                'name': facts.name,
                'engine': facts.engine,
                'device': facts.device,
                'threads': facts.threads,
                'precision': facts.precision,
                'people': case.people,
                'long_side_px': case.long_side_px,
                'pixels': case.pixels,
                'proposals': case.proposals,
                'ms': asdict(Percentiles.of(case.totals_s)),
                'stages_ms': {
                    stage: asdict(Percentiles.of(case.stage_s(stage))) for stage in case.stages
                },
                'joules_per_image': joules,
            }
        )

    def add_ratio(self, name: str, ratio: Ratio, meaning: str) -> None:
        """Add a ratio and what it says."""
        self.ratios[name], self.meanings[name] = ratio, meaning

    def content(self) -> dict[str, Any]:
        """Return the report as JSON has it. Ratios are plain numbers, their spread is beside."""
        return {
            'schema': SCHEMA,
            'command': self.command,
            'machine': self.machine,
            'conditions': self.conditions | {'people': HOW_K_IS_FIXED},
            'ratios': {name: ratio.value for name, ratio in self.ratios.items()},
            'ratio_quartiles': {
                name: [ratio.low, ratio.high] for name, ratio in self.ratios.items()
            },
            'ratio_meanings': self.meanings,
            'growth': {name: asdict(law) for name, law in self.growth.items()},
            'accuracy': {name: asdict(one) for name, one in self.accuracy.items()},
            'costs_ms': {name: asdict(cost) for name, cost in self.costs.items()},
            'skipped': self.skipped,
            'measurements': self.measurements,
        }


def label_of(measurement: dict[str, Any]) -> str:
    """Return the contestant of a measurement, as in tables and pictures."""
    precision = '' if measurement['precision'] == 'f32' else f', {measurement["precision"]}'
    return f'{measurement["name"]} ({measurement["engine"]}{precision})'


def stages_of(measurements: list[dict[str, Any]]) -> list[str]:
    """Return the stages that any of the measurements has, in their order."""
    return [stage for stage in STAGES if any(stage in m['stages_ms'] for m in measurements)]


def _where(measurement: dict[str, Any]) -> str:
    """Return device and threads."""
    return f'{measurement["device"]} x{measurement["threads"]}'


def rows_of(content: dict[str, Any]) -> list[list[str]]:
    """Return the measurements as rows of text, the header first."""
    percentiles = ('p50', 'p95', 'p99')
    rows = [['program (engine)', 'on x threads', 'K', 'pixels', 'boxes', *percentiles, 'runs']]
    for one in sorted(
        content['measurements'], key=lambda m: (label_of(m), m['pixels'], m['people'])
    ):
        ms = one['ms']
        rows.append(
            [
                label_of(one),
                _where(one),
                str(one['people']),
                str(one['pixels']),
                str(one['proposals']),
                *(f'{ms[name]:.1f}' for name in percentiles),
                str(ms['runs']),
            ]
        )
    return rows


def stage_rows(content: dict[str, Any], people: int) -> list[list[str]]:
    """Return the median of each stage at a number of people as rows, the header first.

    A column per program, at the size at which programs are compared.
    """
    size = content['conditions']['usual_size_px']
    chosen = sorted(
        (
            one
            for one in content['measurements']
            if (one['people'], one['long_side_px']) == (people, size)
        ),
        key=label_of,
    )
    rows = [['stage', *map(label_of, chosen)]]
    for stage in stages_of(chosen):
        cells = [one['stages_ms'].get(stage) for one in chosen]
        rows.append([stage, *('' if cell is None else f'{cell["p50"]:.2f}' for cell in cells)])
    return rows


def ratio_rows(content: dict[str, Any]) -> list[list[str]]:
    """Return the ratios as rows, the header first."""
    rows = [['ratio', 'median', 'quartiles', 'what']]
    for name, value in content['ratios'].items():
        low, high = content['ratio_quartiles'][name]
        rows.append(
            [name, f'{value:.2f}', f'{low:.2f} to {high:.2f}', content['ratio_meanings'][name]]
        )
    return rows


def growth_rows(content: dict[str, Any]) -> list[list[str]]:
    """Return the growth laws as rows, the header first."""
    rows = [['growth law', *_GROWTH_COLUMNS]]
    for name, law in content['growth'].items():
        rows.append(
            [
                name,
                f'{law["us_per_pixel"]:.3f}',
                f'{law["ms_per_proposal"]:.3f}',
                f'{law["ms_per_person"]:.2f}',
                f'{law["r2"]:.3f}',
                str(law['points']),
                f'{law["constant_ms"]:.1f}',
                f'{law["r2_with_constant"]:.3f}',
            ]
        )
    return rows


def accuracy_rows(content: dict[str, Any]) -> list[list[str]]:
    """Return average precisions as rows, the header first."""
    rows = [['program (engine)', 'boxes', 'against eager', 'keypoints', 'against eager', 'images']]
    for name, one in content['accuracy'].items():
        rows.append(
            [
                name,
                f'{100 * one["box_ap"]:.2f}',
                f'{100 * one["box_ap_change"]:+.2f}',
                f'{100 * one["keypoint_ap"]:.2f}',
                f'{100 * one["keypoint_ap_change"]:+.2f}',
                str(one['images']),
            ]
        )
    return rows


def cost_rows(content: dict[str, Any]) -> list[list[str]]:
    """Return the single steps as rows, the header first."""
    rows = [['step', 'p50 ms', 'p95 ms', 'p99 ms', 'runs']]
    for name, cost in content['costs_ms'].items():
        rows.append(
            [name, *(f'{cost[key]:.3f}' for key in ('p50', 'p95', 'p99')), str(cost['runs'])]
        )
    return rows


def skipped_rows(content: dict[str, Any]) -> list[list[str]]:
    """Return what was left out as rows, the header first."""
    return [['not measured', 'why'], *([name, why] for name, why in content['skipped'].items())]


def all_rows(content: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Return every table that has a row, by title."""
    counts = sorted({one['people'] for one in content['measurements']})
    tables = {'Image to message, ms': rows_of(content)}
    for people in counts:
        title = (
            f'Stages at {people} people, {content["conditions"]["usual_size_px"]} px, median ms'
        )
        tables[title] = stage_rows(content, people)
    tables |= {
        'Ratios of time': ratio_rows(content),
        'T = a · pixels + b · proposals + c · people': growth_rows(content),
        'Average precision, %': accuracy_rows(content),
        'Single steps': cost_rows(content),
        'Left out': skipped_rows(content),
    }
    return {title: rows for title, rows in tables.items() if len(rows) > 1}


def rich_tables(content: dict[str, Any]) -> list[Table]:
    """Return the tables for a terminal; what a ratio means is on the page only."""
    tables = []
    for title, rows in all_rows(content).items():
        columns = rows[0][:3] if rows[0][0] == 'ratio' else rows[0]
        table = Table(title=title, title_justify='left', box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for number, name in enumerate(columns):
            is_number = number > 0 and rows[1][number][:1].isdigit()
            table.add_column(name, overflow='fold', justify='right' if is_number else 'left')
        for row in rows[1:]:
            table.add_row(*row[: len(columns)])
        tables.append(table)
    return tables


def page(content: dict[str, Any], pictures: dict[str, str]) -> str:
    """Return the report as Markdown.

    Args:
        content: of `Report.content`.
        pictures: file names beside the page, by what they show.
    """
    machine, conditions = content['machine'], content['conditions']
    lines = [
        f'# {machine["cpu"]}, {machine["cores"]} cores',
        '',
        'Measured by this command, which writes this page:',
        '',
        '```',
        content['command'],
        '```',
        '',
        *_warning(content),
        *(f'- {name.replace("_", " ")}: {_told(value)}' for name, value in conditions.items()),
        *(
            f'- {name.replace("_", " ")}: {_told(value)}'
            for name, value in machine.items()
            if name not in ('cpu', 'cores')
        ),
        '',
    ]
    for title, rows in all_rows(content).items():
        lines += [f'## {title}', '', _line(rows[0]), _line(['---'] * len(rows[0]))]
        lines += [_line(row) for row in rows[1:]] + ['']
    for what, name in pictures.items():
        lines += [f'![{what}]({name})', '']
    return '\n'.join(lines)


def _warning(content: dict[str, Any]) -> list[str]:
    loads = [content['conditions'].get(f'load_average_{when}', 0) for when in ('before', 'after')]
    # Afterwards, the benchmark itself counts.
    if loads[0] < _QUIET_LOAD:
        return []
    return [
        f'**Other programs used the machine** (load average {loads[0]} before, {loads[1]} after): '
        'times are higher than on an idle one, above all p95 and p99. Ratios compare within '
        'rounds, in which all met the same load.',
        '',
    ]


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ', '.join(f'{name} {one}' for name, one in value.items())
    return ', '.join(map(str, value)) if isinstance(value, list) else str(value)


def _line(cells: list[str]) -> str:
    return f'| {" | ".join(cells)} |'
