"""Three labelled pictures, and a configuration that trains on them for four steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pose_tracking_ros.simulation.scenes import make_scene

LITE = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
STEPS = 4


def write_data(folder: Path) -> None:
    """Write frames of a rendered scene and `labels.json`, in the COCO layout."""
    scene = make_scene('crossing', seed=1, image_size=(320, 240))
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for number, index in enumerate((20, 60, 100)):
        truth = scene.truth(index)
        name = f'{number}.png'
        cv2.imwrite(str(folder / name), scene.render(index)[..., ::-1])
        images.append({'id': number, 'file_name': name, 'width': 320, 'height': 240})
        for box, points, seen in zip(
            truth.boxes, truth.keypoints, truth.keypoint_visible, strict=True
        ):
            width, height = map(float, box[2:] - box[:2])
            people.append(
                {
                    'id': len(people) + 1,
                    'image_id': number,
                    'category_id': 1,
                    'bbox': [*map(float, box[:2]), width, height],
                    'area': width * height,
                    'iscrowd': 0,
                    'num_keypoints': int(seen.sum()),
                    'keypoints': np.column_stack([points, 2 * seen]).reshape(-1).tolist(),
                }
            )
    categories = [{'id': 1, 'name': 'person'}]
    content = {'images': images, 'annotations': people, 'categories': categories}
    (folder / 'labels.json').write_text(json.dumps(content))


def write_config(folder: Path, name: str, **changes: Any) -> Path:
    """Write the configuration of a run of four steps; `changes` replace or add sections."""
    content = yaml.safe_load(LITE.read_text())
    content |= {
        'name': name,
        'precision': '32-true',
        'start': '',
        'workers': 0,
        'save_every_steps': 100,
    }
    content['data'] = {
        'annotations': 'labels.json',
        'images': '.',
        'backbone': '',
        'reid_crops': '',
        'reid_split': '',
    }
    content['canvas']['size_px'] = 128
    content['objective']['box_offsets'] = ''
    content['optimiser'] |= {'steps': STEPS, 'detection_canvases': 2, 'warmup_steps': 2}
    path = folder / f'{name}.yaml'
    path.write_text(yaml.safe_dump(content | changes))
    return path
