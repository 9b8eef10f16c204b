"""Label the people in pictures that have no labels, by two networks that know how.

python -m pose_tracking_ros.training label PICTURES --teachers DIR --output labels.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from pose_tracking_ros.benchmark.contestants import BenchmarkError
from pose_tracking_ros.benchmark.two_network import TwoNetworks
from pose_tracking_ros.evaluation.keypoints import EvaluationError, load_ground_truth
from pose_tracking_ros.picture_folder import PictureError, pictures_in, read_picture
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.label_quality import compare_labels, table_of
from pose_tracking_ros.training.teacher_labels import LabelRules, label_people


def label_pictures(
    folder: Path, output: Path, teachers: TwoNetworks, rules: LabelRules, source: str
) -> dict[str, Any]:
    """Label all pictures of a folder and write a file in the layout of COCO.

    What is done is kept beside the output until all is, so that an interrupted run goes on.

    Args:
        folder: pictures; `file_name` starts from it.
        output: written when all pictures are labelled.
        teachers: of boxes and joints.
        rules: when a label counts.
        source: `images[].source` of all; by it training weighs pictures.

    Raises:
        PictureError: there are no pictures, or one cannot be decoded.
    """
    partial = output.with_suffix('.partial')
    output.parent.mkdir(parents=True, exist_ok=True)
    done = _done_before(partial)
    with partial.open('a', encoding='utf-8') as file:
        for path in track(pictures_in(folder), description='labelling'):
            name = path.relative_to(folder).as_posix()
            if name in done:
                continue
            image = read_picture(path)
            done[name] = {
                'size': image.shape[1::-1],
                'people': label_people(teachers, image, rules),
            }
            # In one piece, so that at most the last line can be cut off.
            file.write(json.dumps([name, done[name]]) + '\n')
            file.flush()
    content = _as_coco(done, source)
    whole = output.with_suffix('.new')
    whole.write_text(json.dumps(content), encoding='utf-8')
    whole.replace(output)
    partial.unlink()
    return content


def _done_before(partial: Path) -> dict[str, Any]:
    if not partial.exists():
        return {}
    lines = partial.read_text(encoding='utf-8').splitlines(keepends=True)
    whole = [line for line in lines if line.endswith('\n')]
    # What an interruption cut off must not run into the next line.
    partial.write_text(''.join(whole), encoding='utf-8')
    return dict(json.loads(line) for line in whole)


def _as_coco(done: dict[str, Any], source: str) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, labels) in enumerate(sorted(done.items()), start=1):
        width, height = labels['size']
        images.append(
            {'id': number, 'file_name': name, 'width': width, 'height': height, 'source': source}
        )
        for person in labels['people']:
            annotations.append({'id': len(annotations) + 1, 'image_id': number} | person)
    person = {'id': 1, 'name': 'person', 'keypoints': list(COCO_17.joints)}
    return {'images': images, 'annotations': annotations, 'categories': [person]}


def main(arguments: list[str]) -> int:
    """Run the command; exit 0 when done, 2 on bad input, 3 when interrupted."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.training label', description=__doc__
    )
    parser.add_argument('pictures', type=Path, help='folder, searched with all folders in it')
    parser.add_argument(
        '--teachers',
        type=Path,
        required=True,
        help='folder of PicoDet-S and PP-TinyPose as OpenVINO models (see README, benchmark)',
    )
    parser.add_argument('--output', type=Path, required=True, help='COCO keypoint JSON')
    parser.add_argument(
        '--source', help='name of these pictures in the weights of training; default: the folder'
    )
    parser.add_argument(
        '--whole-only',
        action='store_true',
        help='do not look at quarters of the pictures: faster, and small people are missed',
    )
    parser.add_argument(
        '--truth', type=Path, help="COCO keypoint JSON of a human's labels, to compare with"
    )
    parser.add_argument('--threads', type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    try:
        # Before hours of labelling, not after.
        truth = load_ground_truth(options.truth) if options.truth else None
        teachers = TwoNetworks(options.teachers, options.threads)
        content = label_pictures(
            options.pictures,
            options.output,
            teachers,
            LabelRules(has_quarters=not options.whole_only),
            options.source or options.pictures.resolve().name,
        )
    except (BenchmarkError, EvaluationError, PictureError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('interrupted; the same command goes on from here', file=sys.stderr)
        return 3
    people = sum(not person['iscrowd'] for person in content['annotations'])
    print(
        f'{len(content["images"])} pictures, {people} people, '
        f'{len(content["annotations"]) - people} ignored regions: {options.output}'
    )
    if truth is not None:
        Console().print(table_of(compare_labels(content, truth)))
    return 0
