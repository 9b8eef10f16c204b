"""The outcome of a sweep: plain values for JSON, a table for people, a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from pose_tracking_ros.evaluation.replay.bootstrap import LEVEL, MEASURES, Estimate, compare
from pose_tracking_ros.evaluation.replay.configuration import Configuration
from pose_tracking_ros.evaluation.replay.pareto import Point, front_of, write_pareto_plot
from pose_tracking_ros.evaluation.replay.sweep import Outcome, SweptBag

_TITLES: Final = {
    'hota': 'HOTA, %',
    'idf1': 'IDF1, %',
    'mota': 'MOTA, %',
    'switches': 'switches',
}
_ACCURACY: Final = 'hota'


def sweep_report(
    bags: Sequence[SweptBag],
    configurations: Sequence[Configuration],
    outcomes: Mapping[str, Sequence[Outcome]],
    baseline: str,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Return all there is to say about a sweep, as plain values.

    What depends on the speed of the machine stands under `timing` alone, and in `pareto`.

    Args:
        bags: of the sweep.
        configurations: of the sweep.
        outcomes: by configuration, one for each bag.
        baseline: configuration that the others are compared with.
        resamples: how often people are drawn for the intervals.
        seed: of the draws.
    """
    counts = {
        name: [one.counts for one in found if one.counts is not None]
        for name, found in outcomes.items()
    }
    has_truth = all(len(counts[name]) == len(bags) for name in outcomes)
    compared = compare(counts, baseline, resamples, seed) if has_truth else {}
    timing = {name: _timing(found) for name, found in outcomes.items()}
    report: dict[str, Any] = {
        'baseline': baseline,
        'bags': [asdict(bag) | {'path': str(bag.path)} for bag in bags],
        'intervals': {
            'method': 'percentile bootstrap over the people of each bag, paired',
            'level': LEVEL,
            'resamples': resamples,
            'seed': seed,
            'people': sum(len(one.person_ids) for one in counts[baseline]) if has_truth else None,
        },
        'configurations': {
            one.name: {
                'settings': one.differences,
                'figures': {
                    kind: asdict(found.figure) | {'difference': asdict(found.difference)}
                    for kind, found in compared.get(one.name, {}).items()
                },
                'bags': {
                    bag.name: outcome.figures
                    for bag, outcome in zip(bags, outcomes[one.name], strict=True)
                },
            }
            for one in configurations
        },
        'timing': timing,
    }
    return report | {'pareto': [point.name for point in front_of(_points(report))]}


def _timing(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    """Return the pipeline's mean time per image, and the simulated latency, of all bags, ms."""
    images = busy_s = latency_sum_ms = latency_images = 0.0
    for one in outcomes:
        processed = one.figures['images']['processed']
        rate_hz = one.timing.get('pipeline_per_s')
        if rate_hz:
            images += processed
            busy_s += processed / rate_hz
        median_ms = one.figures.get('latency_ms', {}).get('median')
        if median_ms is not None:
            latency_sum_ms += processed * median_ms
            latency_images += processed
    return {
        'ms_per_image': round(1e3 * busy_s / images, 3) if images else None,
        'latency_ms': round(latency_sum_ms / latency_images, 3) if latency_images else None,
    }


def _time_kind(report: Mapping[str, Any]) -> str:
    """Return which time is compared: the latency where it was simulated."""
    is_simulated = all(one['latency_ms'] is not None for one in report['timing'].values())
    return 'latency_ms' if is_simulated else 'ms_per_image'


def _points(report: Mapping[str, Any]) -> list[Point]:
    kind = _time_kind(report)
    points = []
    for name, one in report['configurations'].items():
        time_ms = report['timing'][name][kind]
        figure = one['figures'].get(_ACCURACY)
        if time_ms is not None and figure is not None:
            accuracy = Estimate(figure['value'], figure['low'], figure['high'])
            points.append(Point(name, time_ms, accuracy))
    return points


def write_sweep_plot(report: Mapping[str, Any], path: Path) -> bool:
    """Draw accuracy against time, and return whether there was anything to draw."""
    points = _points(report)
    if not front_of(points):
        return False
    is_latency = _time_kind(report) == 'latency_ms'
    time = 'median latency' if is_latency else 'time per image'
    write_pareto_plot(path, points, time, 'HOTA')
    return True


def sweep_table(report: Mapping[str, Any]) -> Table:
    """Return a row per configuration, with differences to the baseline below the figures."""
    configurations = report['configurations']
    has_figures = any(one['figures'] for one in configurations.values())
    kinds = list(MEASURES) if has_figures else []
    time_kind = _time_kind(report)
    time_title = 'latency, ms' if time_kind == 'latency_ms' else 'ms/image'
    table = Table('configuration', *(_TITLES[kind] for kind in kinds), 'tracks', time_title)
    # On a narrow screen names go over two lines, rather than end in dots.
    table.columns[0].overflow = 'fold'
    for column in table.columns[1:]:
        column.justify = 'right'
    intervals = report['intervals']
    table.caption = (
        f'below: difference to {report["baseline"]}, with its 95 % interval over '
        f'{intervals["people"]} people; bold where 0 lies outside'
        if has_figures
        else 'no ground truth: nothing about right or wrong'
    )
    for name, one in configurations.items():
        is_baseline = name == report['baseline']
        cells = [_cell(one['figures'][kind], kind, is_baseline) for kind in kinds]
        tracks = sum(figures['tracks']['count'] for figures in one['bags'].values())
        time_ms = report['timing'][name][time_kind]
        time = '-' if time_ms is None else f'{time_ms:.1f}'
        mark = ' *' if name in report['pareto'] and len(configurations) > 1 else ''
        table.add_row(f'{name}{mark}', *cells, str(tracks), time)
    if has_figures and len(configurations) > 1:
        table.caption += '; *: no other is faster and has a higher HOTA'
    return table


def _cell(figure: Mapping[str, Any], kind: str, is_baseline: bool) -> Text:
    digits = 0 if kind == 'switches' else 1
    if figure['value'] is None:
        return Text('-')
    text = Text(f'{figure["value"]:.{digits}f}')
    if is_baseline:
        return text.append(f'\n{_span(figure, digits, "")}')
    difference = figure['difference']
    low, high = difference['low'], difference['high']
    is_sure = low is not None and high is not None and not low <= 0 <= high
    line = f'\n{difference["value"]:+.{digits}f}\n{_span(difference, digits, "+")}'
    return text.append(line, style='bold' if is_sure else '')


def _span(estimate: Mapping[str, Any], digits: int, sign: str) -> str:
    if estimate['low'] is None:
        return ''
    return f'[{estimate["low"]:{sign}.{digits}f}, {estimate["high"]:{sign}.{digits}f}]'
