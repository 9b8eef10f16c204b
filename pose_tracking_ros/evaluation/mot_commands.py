"""The commands `mot` and `compare-trackers`: arguments, tables, pictures."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pose_tracking_ros.evaluation.bar_chart import write_bar_chart
from pose_tracking_ros.evaluation.compare_trackers import compare, parse_rate, parse_size
from pose_tracking_ros.evaluation.mot_metrics import score_folders

_COMPARE_EPILOG = """\
ours            what the node publishes with a detection in the image, tentative tracks included
ours_confirmed  the same without tentative tracks
ours_completed  confirmed tracks with their tentative beginnings, added afterwards: not online
sort, bytetrack, ocsort, botsort, cbiou
                roboflow trackers, online, without images; tracks start from a score of 0.5, as
                ours, and are reported as early as the library can (after two detections)
NAME_defaults   the same with all of the library's defaults

Time per frame is that of the tracker's update call alone: the median over all images, of each
the fastest of three runs. All were measured one after the other on this machine.
"""

# What fits on a screen, and how it is called there.
_COLUMNS = {
    'hota': 'HOTA',
    'idf1': 'IDF1',
    'mota': 'MOTA',
    'idsw': 'IDSW',
    'fn': 'FN',
    'fp': 'FP',
    'boxes': 'boxes',
    'people': 'people',
    'ms_per_frame': 'ms',
    'online': 'online',
}


def add_mot(commands: Any) -> None:
    """Add the command `mot`: score tracking results."""
    parser = commands.add_parser(
        'mot', help='HOTA, IDF1, MOTA and identity switches of tracks in MOT text'
    )
    _add_folder(parser, '--ground-truth', 'SEQUENCE.txt, or SEQUENCE/gt/gt.txt, in MOT text')
    _add_folder(parser, '--results', 'the same sequences as tracked')
    _add_json(parser)
    parser.set_defaults(run=_mot, show=_show_mot)


def add_compare_trackers(commands: Any) -> None:
    """Add the command `compare-trackers`: ours and others on identical detections."""
    parser = commands.add_parser(
        'compare-trackers',
        help='our tracker and those of others on identical detections',
        epilog=_COMPARE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_folder(parser, '--ground-truth', 'SEQUENCE.txt, or SEQUENCE/gt/gt.txt, in MOT text')
    _add_folder(parser, '--detections', 'SEQUENCE.txt, or SEQUENCE/det/det.txt, in MOT text')
    parser.add_argument('--only', choices=('ours', 'peers'), help='run only these')
    parser.add_argument(
        '--fps', type=parse_rate, help='images per second; default: seqinfo.ini, else 25'
    )
    parser.add_argument(
        '--image-size',
        type=parse_size,
        metavar='WxH',
        help='px; default: seqinfo.ini, else the extent of the detections',
    )
    parser.add_argument(
        '--environment',
        type=Path,
        default=Path('.cache/peers'),
        help='where the peers are installed, when first needed',
    )
    _add_json(parser)
    parser.set_defaults(run=_compare, show=_show_comparison)


def _add_folder(parser: argparse.ArgumentParser, name: str, content: str) -> None:
    parser.add_argument(name, type=Path, required=True, metavar='DIR', help=content)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', type=Path, help='write the figures here, a picture beside it')


def _mot(options: argparse.Namespace) -> dict[str, Any]:
    reports = score_folders(options.ground_truth, options.results)
    report: dict[str, Any] = asdict(reports.combined)
    for name, one in reports.sequences.items():
        report |= {f'{name}.{figure}': value for figure, value in asdict(one).items()}
    _draw('Tracking results', _rows(report), options.json)
    return report


def _compare(options: argparse.Namespace) -> dict[str, Any]:
    report = compare(options)
    _draw('Trackers on identical detections', _rows(report), options.json)
    return report


def _show_mot(report: dict[str, Any]) -> None:
    _show('sequence', _rows(report))


def _show_comparison(report: dict[str, Any]) -> None:
    _show('tracker', _rows(report))


def _rows(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures by name, those without a name last."""
    rows: dict[str, dict[str, Any]] = {}
    for key, value in report.items():
        # Names of sequences may have dots, figures have none.
        name, _, figure = key.rpartition('.')
        rows.setdefault(name, {})[figure] = value
    combined = rows.pop('', None)
    return rows if combined is None else rows | {'all together': combined}


def _show(kind: str, rows: dict[str, dict[str, Any]]) -> None:
    figures = [figure for figure in _COLUMNS if figure in next(iter(rows.values()))]
    table = Table(kind, *(_COLUMNS[figure] for figure in figures))
    for column in table.columns[1:]:
        column.justify = 'right'
    table.caption = 'HOTA, IDF1, MOTA: %'
    for name, row in rows.items():
        table.add_row(name, *(_text(row[figure]) for figure in figures))
    Console().print(table)


def _draw(title: str, rows: dict[str, dict[str, Any]], json: Path | None) -> None:
    if json:
        bars = {
            name: {figure.upper(): row[figure] for figure in ('hota', 'idf1', 'mota')}
            for name, row in rows.items()
        }
        write_bar_chart(json.with_suffix('.png'), title, '%', bars)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return f'{value:.2f}' if isinstance(value, float) else str(value)
