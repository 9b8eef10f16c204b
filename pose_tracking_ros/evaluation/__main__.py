"""Command line: `python -m pose_tracking_ros.evaluation COMMAND ...`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pose_tracking_ros.evaluation.ablation_command import add_ablation
from pose_tracking_ros.evaluation.accuracy_pictures import (
    draw_matching_curve,
    draw_pose_nms_fit,
    draw_precision_curves,
)
from pose_tracking_ros.evaluation.camera_motion import add_camera_motion
from pose_tracking_ros.evaluation.keypoints import (
    MIN_PERSON_SCORE,
    EvaluationError,
    find_people,
    load_ground_truth,
    run_engine,
    score,
)
from pose_tracking_ros.evaluation.mot_commands import add_compare_trackers, add_mot
from pose_tracking_ros.evaluation.pose_nms_fit import STARTS, fit_pose_nms
from pose_tracking_ros.evaluation.pose_prediction import add_pose_prediction
from pose_tracking_ros.evaluation.posetrack_command import add_posetrack
from pose_tracking_ros.evaluation.reid import evaluate_crops
from pose_tracking_ros.evaluation.reid_scenes import Scenes
from pose_tracking_ros.evaluation.replay.command import add_bag
from pose_tracking_ros.evaluation.replay.compare_command import add_compare_results
from pose_tracking_ros.evaluation.replay.make_bag_command import add_make_bag
from pose_tracking_ros.evaluation.replay.sweep_command import add_sweep
from pose_tracking_ros.evaluation.tracker_speed import add_tracker_speed
from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.inference.loading import DeviceError
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.network.weights import WeightsError
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.settings.options import add_settings


def main(arguments: list[str] | None = None) -> int:
    """Run a command; exit 0 when measured, 2 on bad input."""
    parser = argparse.ArgumentParser(prog='python -m pose_tracking_ros.evaluation')
    commands = parser.add_subparsers(dest='command', required=True)
    _add_keypoints(commands)
    _add_reid(commands)
    add_posetrack(commands)
    _add_fit_pose_nms(commands)
    add_mot(commands)
    add_compare_trackers(commands)
    add_tracker_speed(commands)
    add_ablation(commands)
    add_pose_prediction(commands)
    add_camera_motion(commands)
    add_bag(commands)
    add_compare_results(commands)
    add_make_bag(commands)
    add_sweep(commands)
    options = parser.parse_args(arguments)
    try:
        report = options.run(options)
    except (EvaluationError, WeightsError, DeviceError, ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    if hasattr(options, 'show'):
        options.show(report)
    else:
        _print_table(options.command, report)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0


def _add_keypoints(commands: Any) -> None:
    parser = commands.add_parser('keypoints', help='box and keypoint AP on COCO annotations')
    _add_coco(parser)
    _add_network(parser)
    parser.set_defaults(run=_keypoints)


def _add_fit_pose_nms(commands: Any) -> None:
    parser = commands.add_parser(
        'fit-pose-nms', help='parameters of pose NMS for the best keypoint AP of a network'
    )
    _add_coco(parser)
    _add_network(parser)
    parser.add_argument('--form', choices=tuple(STARTS), default='scaled')
    parser.add_argument(
        '--nms-iou',
        type=float,
        default=0.9,
        help='box NMS of the network; loose, so that pose NMS has something to do',
    )
    parser.add_argument(
        '--min-score', type=float, default=0.1, help='least score of a person (paper: 0.1)'
    )
    parser.set_defaults(run=_fit_pose_nms)


def _add_coco(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--annotations', type=Path, required=True, help='COCO keypoint JSON')
    parser.add_argument('--images', type=Path, required=True, help='folder of the pictures')
    parser.add_argument(
        '--long-side',
        type=int,
        default=NetworkSettings().image_long_side_px,
        help='longer side of the image inside the network, px',
    )


def _add_reid(commands: Any) -> None:
    parser = commands.add_parser('reid', help='rank-1 and mAP on Market-1501-like crops')
    parser.add_argument('--crops', type=Path, required=True, help='zip of person crops')
    parser.add_argument(
        '--split', type=Path, required=True, help='JSON with lists query and gallery'
    )
    parser.add_argument(
        '--scenes',
        action='store_true',
        help='paste the crops into scenes and find the people with the whole network; those who '
        'are not found count as wrong',
    )
    _add_network(parser)
    parser.set_defaults(run=_reid)


def _add_network(parser: argparse.ArgumentParser) -> None:
    add_settings(
        parser, NetworkSettings, 'preset', 'weights', 'device', 'threads', 'engine', 'precision'
    )
    parser.add_argument('--json', type=Path, help='write the figures here, a picture beside it')


def _engine(options: argparse.Namespace, **changes: Any) -> NetworkEngine:
    return load_engine(
        NetworkSettings(
            preset=options.preset,
            weights=options.weights,
            device=options.device,
            threads=options.threads,
            engine=options.engine,
            precision=options.precision,
            **changes,
        ),
        tell=lambda line: print(line, file=sys.stderr),
    )


def _reid(options: argparse.Namespace) -> dict[str, Any]:
    engine = _engine(options)
    scenes = Scenes(engine) if options.scenes else None
    embed = scenes.embed if scenes else engine.embed_crops
    report = asdict(evaluate_crops(options.crops, options.split, embed))
    if scenes:
        report['found'] = scenes.found / max(scenes.pasted, 1)
    if options.json:
        draw_matching_curve(options.json.with_suffix('.png'), engine.model_id, report['cmc'])
    return report | {'model_id': engine.model_id, 'device': engine.device_name}


def _keypoints(options: argparse.Namespace) -> dict[str, Any]:
    truth = load_ground_truth(options.annotations)
    engine = _engine(
        options, image_long_side_px=options.long_side, min_person_score=MIN_PERSON_SCORE
    )
    results = run_engine(engine, truth, options.images)
    report = asdict(score(truth, results, engine.model_id))
    curves = report.pop('curves')
    if options.json:
        draw_precision_curves(options.json.with_suffix('.png'), engine.model_id, curves)
    return report | {'image_long_side_px': options.long_side, 'device': engine.device_name}


def _fit_pose_nms(options: argparse.Namespace) -> dict[str, Any]:
    truth = load_ground_truth(options.annotations)
    engine = _engine(
        options,
        image_long_side_px=options.long_side,
        min_person_score=options.min_score,
        nms_iou=options.nms_iou,
    )
    found = dict(find_people(engine, truth, options.images))
    fit = fit_pose_nms(found, truth, STARTS[options.form])
    if options.json:
        draw_pose_nms_fit(options.json.with_suffix('.png'), engine.model_id, fit)
    report = asdict(fit)
    trials = len(report.pop('tried'))
    return {
        **report.pop('parameters'),
        **report,
        'trials': trials,
        'nms_iou': options.nms_iou,
        'min_person_score': options.min_score,
        'image_long_side_px': options.long_side,
        'model_id': engine.model_id,
    }


def _print_table(title: str, report: dict[str, Any]) -> None:
    table = Table('figure', 'value', title=title)
    for name, value in report.items():
        if isinstance(value, tuple | list):
            continue
        table.add_row(name, f'{value:.4f}' if isinstance(value, float) else str(value))
    Console().print(table)


if __name__ == '__main__':
    sys.exit(main())
