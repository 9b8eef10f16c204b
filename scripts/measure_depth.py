"""Measure how exact joints in space are, on rendered depth, and draw the picture of docs/depth.md.

The scene `near` (three people between 2.4 and 3.6 m) is played with several seeds. Depth is exact
or as a structured-light camera sees it; joints in the image are the truth's, the truth's with
2 px of noise, or those that the network and the tracker find:

    source scripts/env.sh
    python scripts/measure_depth.py --picture docs/images/depth.png --json depth.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table
from scipy.spatial.transform import Rotation

from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.lifting.body_motion import BodyMotion
from pose_tracking_ros.lifting.body_orientation import torso_rotations
from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.lifting.depth_image import DepthImage
from pose_tracking_ros.lifting.joints import lift_joints
from pose_tracking_ros.lifting.lifter import Lifter
from pose_tracking_ros.people import Track
from pose_tracking_ros.pipeline import Pipeline
from pose_tracking_ros.settings import NetworkSettings, TrackerSettings
from pose_tracking_ros.simulation.depth import as_sensed
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.truth import FrameTruth
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.tracker import Tracker
from pose_tracking_ros.viewing.overlay import draw_tracks

_RATE_HZ = 5.0
_PIXEL_NOISE = 2.0
_MIN_IOU = 0.5

Errors = dict[str, list[np.ndarray]]


def camera_of(scene: Scene) -> CameraModel:
    """Return the scene's camera."""
    fx, fy, cx, cy = scene.camera_intrinsics
    return CameraModel(scene.image_size, (fx, fy), (cx, cy))


def owner_of(track: Track, truth: FrameTruth) -> int | None:
    """Return whose body the track's box holds, None if nobody's."""
    low = np.maximum(truth.boxes[:, :2], track.box[:2])
    high = np.minimum(truth.boxes[:, 2:], track.box[2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    size = np.prod(truth.boxes[:, 2:] - truth.boxes[:, :2], axis=-1)
    iou = common / (size + np.prod(track.box[2:] - track.box[:2]) - common)
    return int(iou.argmax()) if len(iou) and iou.max() >= _MIN_IOU else None


def add_truth(errors: Errors, name: str, scene: Scene, index: int, depth: np.ndarray,
              noise_px: float, rng: np.random.Generator) -> float:  # fmt: skip
    """Lift the truth's joints; return how long it took, s."""
    truth = scene.truth(index)
    keypoints = truth.keypoints + rng.normal(0, noise_px, truth.keypoints.shape)
    started_s = time.perf_counter()
    lifted = lift_joints(
        DepthImage(depth), camera_of(scene), keypoints, truth.keypoint_visible, truth.boxes,
        COCO_17,
    )  # fmt: skip
    spent_s = time.perf_counter() - started_s
    error = np.linalg.norm(lifted.joints_m - truth.joints_m, axis=-1)
    # Infinite: seen, but without depth. NaN: not seen, does not count.
    error[np.isnan(error)] = np.inf
    errors[name].append(np.where(truth.keypoint_visible, error, np.nan))
    return spent_s


def add_tracks(errors: Errors, name: str, truth: FrameTruth, tracks: list[Track]) -> None:
    """Compare tracks in space with the truth, joint by joint that is seen and claimed to be."""
    for track in tracks:
        owner = owner_of(track, truth) if track.is_matched else None
        if owner is None or track.in_space is None:
            continue
        error = np.linalg.norm(track.in_space.joints_m - truth.joints_m[owner], axis=-1)
        claimed = track.keypoint_states == 1
        error[claimed & np.isnan(error)] = np.inf
        counts = claimed & truth.keypoint_visible[owner]
        errors[name].append(np.where(counts, error, np.nan)[None])


def true_facing(scene: Scene, index: int) -> np.ndarray:
    """Return unit vectors in the camera's frame, between pelvis and chest, as `truth` orders."""
    frames = scene.bodies(index).frames[scene.truth(index).person_ids - 1]
    ahead = frames[:, :2, 1].sum(axis=1) @ scene.camera(index).rotation.T
    return np.asarray(ahead / np.linalg.norm(ahead, axis=-1, keepdims=True))


def angles_deg(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return angles between unit vectors; NaN where one is NaN."""
    return np.asarray(np.degrees(np.arccos(np.clip((one * other).sum(axis=-1), -1, 1))))


def add_facing(errors: Errors, scene: Scene, index: int, depth: np.ndarray,
               rng: np.random.Generator) -> None:  # fmt: skip
    """Add by how many degrees people are seen to face elsewhere, by the truth's noisy pixels.

    Pixels of hidden joints are off by three times as much.
    """
    truth, camera = scene.truth(index), camera_of(scene)
    spread = _PIXEL_NOISE * np.where(truth.keypoint_visible, 1.0, 3.0)[..., None]
    keypoints = truth.keypoints + rng.normal(0, 1, truth.keypoints.shape) * spread
    lifted = lift_joints(
        DepthImage(depth), camera, keypoints, truth.keypoint_visible, truth.boxes, COCO_17
    )
    found = torso_rotations(lifted.joints_m, camera.rays_from_pixels(keypoints), COCO_17)
    errors['sensed depth, 2 px'].append(angles_deg(found[:, :, 0], true_facing(scene, index)))


def add_facing_of_tracks(errors: Errors, scene: Scene, index: int, tracks: list[Track]) -> None:
    """Add by how many degrees tracks face elsewhere than the people they follow."""
    truth, facing = scene.truth(index), true_facing(scene, index)
    for track in tracks:
        owner = owner_of(track, truth) if track.is_matched else None
        if owner is None or track.in_space is None:
            continue
        turn = track.in_space.orientation_xyzw
        ahead = np.full(3, np.nan)
        if np.isfinite(turn).all():
            ahead = Rotation.from_quat(turn).apply([1.0, 0.0, 0.0])
        errors['sensed depth, network'].append(angles_deg(ahead, facing[owner])[None])


def measure(seeds: int, duration_s: float) -> tuple[Errors, Errors, list[float]]:
    """Return errors of joints (person x joint, m), errors of facing (degrees), and times (s).

    Errors by column; a time is that of lifting a frame.
    """
    engine = load_engine(NetworkSettings())
    errors: Errors = defaultdict(list)
    facing: Errors = defaultdict(list)
    spent_s = []
    for seed in progress(range(seeds), description='scenes'):
        scene = make_scene('near', seed=seed, duration_s=duration_s, rate_hz=_RATE_HZ)
        rng = np.random.default_rng(seed)
        pipeline, lifter = Pipeline(engine, Tracker(TrackerSettings())), Lifter(COCO_17)
        for index in range(scene.frame_count):
            exact = scene.render_depth(index)
            sensed = as_sensed(exact, scene.camera_intrinsics[0], rng)
            spent_s.append(add_truth(errors, 'exact depth', scene, index, exact, 0.0, rng))
            add_truth(errors, 'sensed depth, 2 px', scene, index, sensed, _PIXEL_NOISE, rng)
            result = pipeline.process(scene.render(index), scene.stamp_s(index))
            lifter.lift(
                result.tracks, DepthImage(sensed), camera_of(scene),
                stamp_s=scene.stamp_s(index), session_id=result.session_id,
            )  # fmt: skip
            add_tracks(errors, 'sensed depth, network', scene.truth(index), result.tracks)
            # A noise of its own, so that figures of joints stay what they were.
            add_facing(facing, scene, index, sensed, np.random.default_rng((seed, index)))
            add_facing_of_tracks(facing, scene, index, result.tracks)
    return errors, facing, spent_s


def facing_figures(errors: Errors) -> dict[str, dict[str, float]]:
    """Return median and 90 % quantile (degrees), and shares unknown and over 90 degrees."""
    found = {}
    for column, parts in errors.items():
        values = np.concatenate(parts)
        known = values[np.isfinite(values)]
        found[column] = {
            'median_deg': float(np.median(known)),
            'p90_deg': float(np.quantile(known, 0.9)),
            'unknown': float(1 - len(known) / len(values)),
            'reversed': float((known > 90).mean()),
        }
    return found


def velocity_errors(seeds: int, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return errors of velocities (m/s), of the filter's and of plain differences of positions.

    Against the mean velocity of the hips' middle over a second; sensed depth, 2 px of noise,
    15 Hz.
    """
    hips = [COCO_17.index('left_hip'), COCO_17.index('right_hip')]
    rate_hz, half = 15.0, 7
    filtered, plain = [], []
    for seed in progress(range(seeds), description='velocities'):
        scene = make_scene('near', seed=seed, duration_s=duration_s, rate_hz=rate_hz)
        camera, rng, motion = camera_of(scene), np.random.default_rng(seed), BodyMotion(COCO_17)
        truths = [scene.truth(index) for index in range(scene.frame_count)]
        middles = np.array([truth.joints_m[:, hips].mean(axis=1) for truth in truths])
        before: dict[int, np.ndarray] = {}
        for index, truth in enumerate(truths):
            sensed = as_sensed(scene.render_depth(index), camera.focal_px[0], rng)
            keypoints = truth.keypoints + rng.normal(0, _PIXEL_NOISE, truth.keypoints.shape)
            lifted = lift_joints(
                DepthImage(sensed), camera, keypoints, truth.keypoint_visible, truth.boxes,
                COCO_17,
            )  # fmt: skip
            for person in range(len(truth)):
                position, velocity = motion.update(
                    person, index / rate_hz, lifted.joints_m[person],
                    lifted.covariances_m2[person],
                )  # fmt: skip
                if half <= index < scene.frame_count - half:
                    way = middles[index + half, person] - middles[index - half, person]
                    true = way / (2 * half / rate_hz)
                    filtered.append(np.linalg.norm(velocity - true))
                    plain.append(np.linalg.norm((position - before[person]) * rate_hz - true))
                before[person] = position
    return np.array(filtered), np.array(plain)


def figures_of(errors: Errors) -> dict[str, dict[str, dict[str, float]]]:
    """Return count, median, 90 % quantile (m) and the share without depth, by column and joint."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for column, parts in errors.items():
        table = np.concatenate(parts)
        rows = {name: table[:, joint] for joint, name in enumerate(COCO_17.joints)}
        for name, values in {**rows, 'all': table.reshape(-1)}.items():
            seen = values[~np.isnan(values)]
            known = seen[np.isfinite(seen)]
            found.setdefault(column, {})[name] = {
                'count': len(seen),
                'median_m': float(np.median(known)),
                'p90_m': float(np.quantile(known, 0.9)),
                'without_depth': float(1 - len(known) / len(seen)),
            }
    return found


def print_table(console: Console, figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print medians and 90 % quantiles in centimetres."""
    table = Table('joint', *figures, title='Error in cm: median (90 %), seen joints without depth')
    for name in (*COCO_17.joints, 'all'):
        cells = [
            f'{100 * column[name]["median_m"]:.1f} ({100 * column[name]["p90_m"]:.1f}), '
            f'{100 * column[name]["without_depth"]:.1f} %'
            for column in figures.values()
        ]
        table.add_row(name, *cells)
    console.print(table)


def draw(path: Path, seconds: float) -> None:
    """Draw picture, depth and skeletons in space of one moment, as the network finds them."""
    scene = make_scene('near', duration_s=seconds + 0.2, rate_hz=10.0)
    rng = np.random.default_rng(0)
    pipeline = Pipeline(load_engine(NetworkSettings()), Tracker(TrackerSettings()))
    lifter = Lifter(COCO_17)
    for index in range(round(seconds * 10)):
        image = scene.render(index)
        depth = as_sensed(scene.render_depth(index), scene.camera_intrinsics[0], rng)
        result = pipeline.process(image, scene.stamp_s(index))
        lifter.lift(
            result.tracks, DepthImage(depth), camera_of(scene), stamp_s=scene.stamp_s(index),
            session_id=result.session_id,
        )  # fmt: skip
    truth = scene.truth(index)
    figure = Figure(figsize=(13, 4.2), layout='constrained')
    left, middle = (figure.add_subplot(1, 3, number) for number in (1, 2))
    left.imshow(draw_tracks(image, result.tracks, None))
    left.set_title('image, with what the network finds')
    shown = middle.imshow(depth, cmap='viridis_r', vmin=2, vmax=6)
    middle.set_facecolor('black')
    middle.set_title('depth as sensed; black: unknown')
    figure.colorbar(shown, ax=middle, label='depth (m)', shrink=0.8)
    for axes in (left, middle):
        axes.set_xticks([])
        axes.set_yticks([])
    right = figure.add_subplot(1, 3, 3, projection='3d')
    for joints in truth.joints_m:
        for limb in COCO_17.limb_indices:
            x, y, z = joints[limb].T
            right.plot(x, z, -y, color='0.55', linewidth=1.0)
    for number, track in enumerate(result.tracks):
        if track.in_space is None or not np.isfinite(track.in_space.position_m).all():
            continue
        joints, place = track.in_space.joints_m, track.in_space.position_m
        colour = f'C{number}'
        for limb in COCO_17.limb_indices:
            if np.isfinite(joints[limb]).all():
                x, y, z = joints[limb].T
                right.plot(x, z, -y, color=colour, linewidth=2.0)
        x, y, z = joints.T
        right.scatter(x, z, -y, color=colour, s=10)
        vx, vy, vz = np.nan_to_num(track.in_space.velocity_m_s)
        right.quiver(place[0], place[2], -place[1], vx, vz, -vy, color='black', linewidth=1.5)
    right.set(
        xlabel='x (m)', ylabel='z (m)', zlabel='-y (m)', title='joints in space; grey: truth'
    )
    right.set(xlim=(-1.5, 1.5), ylim=(2, 4), zlim=(-1.2, 0.8))
    right.set(xticks=[-1, 0, 1], yticks=[2, 3, 4], zticks=[-1, 0])
    right.set_box_aspect((3, 2, 2), zoom=1.15)
    right.view_init(elev=22, azim=-70)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Measure, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('--seeds', type=int, default=4, help='scenes to play (default 4)')
    parser.add_argument('--duration', type=float, default=10.0, help='of each, s (default 10)')
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    parser.add_argument('--picture', type=Path, help='draw one moment into this PNG')
    parser.add_argument(
        '--moment', type=float, default=0.8, help='of the scene for the picture, s (default 0.8)'
    )
    options = parser.parse_args()
    console = Console()
    if options.picture:
        draw(options.picture, options.moment)
    errors, facing, spent_s = measure(options.seeds, options.duration)
    figures = figures_of(errors)
    print_table(console, figures)
    milliseconds = 1e3 * float(np.median(spent_s))
    console.print(f'lifting three people takes {milliseconds:.1f} ms (median)')
    turned = facing_figures(facing)
    for name, each in turned.items():
        console.print(
            f'facing, {name}: error {each["median_deg"]:.1f} degrees median, '
            f'{each["p90_deg"]:.1f} 90 %, {100 * each["reversed"]:.1f} % reversed, '
            f'{100 * each["unknown"]:.1f} % unknown'
        )
    velocities = {
        name: np.nanquantile(values, [0.5, 0.9]).tolist()
        for name, values in zip(
            ('filter', 'differences'),
            velocity_errors(options.seeds, options.duration),
            strict=True,
        )
    }
    for name, (median, most) in velocities.items():
        console.print(f'velocity by {name}: error {median:.2f} m/s median, {most:.2f} m/s 90 %')
    if options.json:
        content = {
            'figures': figures, 'facing': turned, 'lifting_ms': milliseconds,
            'velocity_errors_m_s': velocities,
        }  # fmt: skip
        options.json.write_text(json.dumps(content, indent=2) + '\n')


if __name__ == '__main__':
    main()
