"""Other people's trackers on stored detections; run as a script, in an environment of its own.

`python peer_trackers.py DETECTIONS.npz RESULTS.npz [alike]`. Nothing of this project is imported,
because its packages and those of `trackers` ask for different builds of OpenCV.

DETECTIONS.npz: `names`, and for each name `NAME/frames`, `NAME/boxes` (corners, px),
`NAME/scores`, `NAME/length` (images) and `NAME/rate_hz`. RESULTS.npz: `trackers`, and for each
tracker `TRACKER/NAME/frames`, `/ids`, `/boxes`, `/scores`, and `TRACKER/NAME/update_s`, the time
of each image's update in seconds, the fastest of three runs. With `alike` the trackers do not run
with their own defaults as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import supervision
import trackers

# As many as ours gets.
_REPEATS = 3

# As ours does: a detection of at least 0.5 that nobody has starts a track, and tracks are reported
# as early as the library can, from their second detection. Its own defaults run too, as
# NAME_defaults.
_EARLY: dict[str, Any] = {'minimum_consecutive_frames': 1}
_FROM_HALF: dict[str, Any] = {'track_activation_threshold': 0.5}

# For each tracker: its class, what it needs at any rate, and what makes it start tracks as ours.
_PEERS: dict[str, tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]] = {
    'sort': (trackers.SORTTracker, {}, {**_EARLY, **_FROM_HALF}),
    'bytetrack': (trackers.ByteTrackTracker, {}, {**_EARLY, **_FROM_HALF}),
    # Its tracks start from every detection that counts as a good one.
    'ocsort': (trackers.OCSORTTracker, {}, {**_EARLY, 'high_conf_det_threshold': 0.5}),
    # Without images the camera's motion cannot be estimated.
    'botsort': (trackers.BoTSORTTracker, {'enable_cmc': False}, {**_EARLY, **_FROM_HALF}),
    'cbiou': (trackers.CBIoUTracker, {}, {**_EARLY, **_FROM_HALF}),
}


def main(source: str, target: str, *modes: str) -> None:
    """Run every tracker on every sequence."""
    with np.load(source) as archive:
        given = dict(archive)
    names = given['names'].tolist()
    detections = {name: _detections(given, name) for name in names}
    results: dict[str, Any] = {}
    labels = []
    for peer, (tracker, needed, early) in _PEERS.items():
        variants = {peer: needed | early}
        if 'alike' not in modes:
            variants[f'{peer}_defaults'] = needed
        for label, options in variants.items():
            labels.append(label)
            for name in names:
                make = partial(tracker, frame_rate=float(given[f'{name}/rate_hz']), **options)
                tracked = _run_repeatedly(make, detections[name])
                results |= {f'{label}/{name}/{key}': rows for key, rows in tracked.items()}
    np.savez(target, trackers=np.array(labels), **results)


def _detections(given: dict[str, Any], name: str) -> list[Any]:
    """Return the detections of each image, made beforehand: only tracking is timed."""
    frames = given[f'{name}/frames']
    bounds = np.searchsorted(frames, np.arange(1, int(given[f'{name}/length']) + 2))
    return [
        supervision.Detections(
            xyxy=given[f'{name}/boxes'][low:high],
            confidence=given[f'{name}/scores'][low:high],
            class_id=np.zeros(high - low, int),
        )
        for low, high in pairwise(bounds)
    ]


def _run_repeatedly(make: Callable[[], Any], images: list[Any]) -> dict[str, Any]:
    # Other programs can only make a run slower, so the fastest counts. Results never differ.
    runs = [_run(make(), images) for _ in range(_REPEATS)]
    return runs[0] | {'update_s': np.min([run['update_s'] for run in runs], axis=0)}


def _run(tracker: Any, images: list[Any]) -> dict[str, Any]:
    update_s = np.zeros(len(images))
    found = []
    for index, detections in enumerate(images):
        started = time.perf_counter()
        tracked = tracker.update(detections)
        update_s[index] = time.perf_counter() - started
        # -1 marks detections that belong to no track that is reported.
        for row in np.flatnonzero(np.asarray(tracked.tracker_id, int) >= 0):
            identity, score = tracked.tracker_id[row], tracked.confidence[row]
            found.append((index + 1, identity, *tracked.xyxy[row], score))
    rows = np.array(found, float).reshape(-1, 7)
    return {
        'frames': rows[:, 0].astype(int),
        'ids': rows[:, 1].astype(int),
        'boxes': rows[:, 2:6],
        'scores': rows[:, 6],
        'update_s': update_s,
    }


if __name__ == '__main__':
    main(*sys.argv[1:])
