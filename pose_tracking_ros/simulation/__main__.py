"""Command line: render a contact sheet of the scenes, or one scene as a video.

python -m pose_tracking_ros.simulation --output docs/images/simulation.jpg
python -m pose_tracking_ros.simulation --output street.mp4 --scene street
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import SCENE_NAMES, make_scene
from pose_tracking_ros.simulation.truth import FrameTruth
from pose_tracking_ros.viewing.contact_sheet import contact_sheet
from pose_tracking_ros.viewing.overlay import draw_tracks
from pose_tracking_ros.viewing.trails import Trails
from pose_tracking_ros.viewing.video import VideoWriter

# Moments of each scene that show what it is about, as shares of its length.
_MOMENTS = {
    'street': (0.44, 0.62),
    'crossing': (0.115, 0.55),
    'full_occlusion': (0.105, 0.80),
    'leave_and_return': (0.72,),
    'crowd': (0.5,),
    'look_alikes': (0.61,),
    'queue': (0.40,),
    'group_turn': (0.43,),
}


def tracks_from_truth(truth: FrameTruth) -> list[Track]:
    """Return the truth in the form of tracks, to be drawn like them."""
    tracks = []
    for i, person in enumerate(truth.person_ids):
        is_seen = bool(truth.visible_fraction[i] > 0.05)
        seen = truth.keypoint_visible[i]
        tracks.append(
            Track(
                track_id=int(person),
                state=TrackState.CONFIRMED if is_seen else TrackState.OCCLUDED,
                is_matched=is_seen,
                box=truth.boxes[i],
                score=1.0,
                visibility=float(seen.mean()),
                velocity=np.zeros(2),
                keypoints=truth.keypoints[i],
                keypoint_scores=seen.astype(np.float32),
                keypoint_states=np.where(seen, KeypointState.VISIBLE, KeypointState.OCCLUDED),
                embedding=truth.appearance[i],
                age_s=truth.stamp_s,
                time_since_update_s=0.0,
            )
        )
    return tracks


def _sheet(names: list[str], seed: int, image_size: tuple[int, int]) -> np.ndarray:
    images, captions = [], []
    for name in names:
        scene = make_scene(name, seed=seed, image_size=image_size)
        for share in _MOMENTS[name]:
            index = int(share * (scene.frame_count - 1))
            image = scene.render(index)
            # A scene's first picture is plain, its second shows the truth.
            if share != _MOMENTS[name][0] or len(_MOMENTS[name]) == 1:
                image = draw_tracks(image, tracks_from_truth(scene.truth(index)))
            images.append(image)
            captions.append(f'{name}, {scene.stamp_s(index):.1f} s')
    return contact_sheet(images, captions, columns=min(len(images), 3), width_px=1500)


def _write_video(scene: Scene, path: Path, with_truth: bool) -> None:
    trails = Trails()
    with VideoWriter(path, scene.rate_hz) as video:
        for index in range(scene.frame_count):
            image = scene.render(index)
            if with_truth:
                tracks = tracks_from_truth(scene.truth(index))
                trails.update(tracks, scene.stamp_s(index))
                image = draw_tracks(image, tracks, trails)
            video.write(image)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.simulation', description=(__doc__ or '').split('\n')[0]
    )
    parser.add_argument(
        '--output', type=Path, required=True, help='.jpg or .png for a sheet, .mp4 for a video'
    )
    parser.add_argument(
        '--scene', choices=SCENE_NAMES, help='only this scene (default: all; street for a video)'
    )
    parser.add_argument('--seed', type=int, default=0, help='draws people and scenery')
    parser.add_argument('--width', type=int, default=640, help='of the images, px')
    parser.add_argument('--height', type=int, default=480, help='of the images, px')
    parser.add_argument('--duration', type=float, help='of a video, s (default: the whole scene)')
    parser.add_argument('--truth', action='store_true', help='draw the truth over the video')
    options = parser.parse_args(arguments)
    size = (options.width, options.height)
    suffix = options.output.suffix.lower()
    if suffix not in ('.jpg', '.jpeg', '.png', '.mp4'):
        parser.error(f'--output: expected .jpg, .png or .mp4, got {options.output}')
    if not options.output.parent.is_dir():
        parser.error(f'--output: the folder {options.output.parent} does not exist')
    if suffix == '.mp4':
        scene = make_scene(
            options.scene or 'street',
            seed=options.seed,
            image_size=size,
            duration_s=options.duration,
        )
        _write_video(scene, options.output, options.truth)
    else:
        names = [options.scene] if options.scene else list(SCENE_NAMES)
        sheet = _sheet(names, options.seed, size)
        bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
        quality = [cv2.IMWRITE_JPEG_QUALITY, 72, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        if not cv2.imwrite(str(options.output), bgr, quality if suffix != '.png' else []):
            parser.error(f'--output: OpenCV cannot write {options.output}')
    print(f'wrote {options.output}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
