"""Replay results made by hand or from the simulation, for what reads them."""

from pathlib import Path

import numpy as np

from pose_tracking_ros.evaluation.mot_files import NO_CLASS, PEDESTRIAN, MotBoxes
from pose_tracking_ros.evaluation.mot_metrics import score_sequences
from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.evaluation.replay.truth import GroundTruth, TruthFrame, TruthMatch
from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.recordings.recording import FrameRecord, Recording
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.truth import people_from_truth
from pose_tracking_ros.tracking.tracker import Tracker

STEP_NS = 100_000_000
FIRST_NS = 5_000_000_000
JOINTS = 17


def box_at(x):
    """A box of 20 x 40 px whose left edge is at x."""
    return np.array([x, 10.0, x + 20.0, 50.0], np.float32)


def track(track_id, x, state=TrackState.CONFIRMED, is_matched=True, occluder_id=0):
    return Track(
        track_id=track_id,
        state=state,
        is_matched=is_matched,
        box=box_at(x),
        score=0.9,
        visibility=1.0,
        velocity=np.zeros(2, np.float32),
        keypoints=np.full((JOINTS, 2), np.nan, np.float32),
        keypoint_scores=np.zeros(JOINTS, np.float32),
        keypoint_states=np.full(JOINTS, int(KeypointState.NOT_ESTIMATED)),
        embedding=np.zeros(0, np.float32),
        age_s=1.0,
        time_since_update_s=0.0,
        occluder_id=occluder_id,
    )


def frame(number, tracks, latency_s=None, session_id=1, image_size=(320, 240)):
    """The result of image `number`, from 1."""
    return FrameRecord(
        stamp_ns=FIRST_NS + (number - 1) * STEP_NS,
        image_size=image_size,
        tracks=list(tracks),
        frames_dropped=0,
        processing_time_s=0.0,
        latency_s=latency_s,
        session_id=session_id,
        model_id='lite-0000',
    )


def recording(frames, images=None):
    """A recording of these results among so many images, by default one result for each."""
    made = Recording()
    for number in range(1, (images or len(frames)) + 1):
        made.note_source(FIRST_NS + (number - 1) * STEP_NS)
    for one in frames:
        made.add(one)
    return made


def truth_frame(number, people, ignored=()):
    """People of image `number` by identity, each where their box's left edge is."""
    ids = list(people)
    return TruthFrame(
        stamp_ns=FIRST_NS + (number - 1) * STEP_NS,
        person_ids=np.array(ids, np.int64),
        boxes=np.array([box_at(x) for x in people.values()], np.float32).reshape(-1, 4),
        keypoints=np.full((len(ids), JOINTS, 2), np.nan, np.float32),
        keypoint_visible=np.zeros((len(ids), JOINTS), bool),
        is_ignored=np.array([one in ignored for one in ids], bool),
    )


def truth_match(frames):
    """Truth for each image; None where there is none."""
    truth = GroundTruth('truth.txt', [one for one in frames if one is not None], False)
    return TruthMatch(truth, frames, [], [])


def result_of(made, match=None, **changes):
    values = {
        'bag': Path('recorded bag'),
        'topic': '/camera/image_raw',
        'configuration': 'defaults',
        'settings': {},
        'is_realistic': False,
        'recording': made,
        'events': [],
        'dropped_ns': [],
        'problems': [],
        'truth': match,
        'figures': {},
    }
    return ReplayResult(**(values | changes))


def simulated_result(name='crossing', seconds=6.0, rate_hz=8.0, image_size=(320, 240), **changes):
    """A scene tracked from noisy truth, and the scene for its images."""
    scene = make_scene(name, 0, image_size, seconds, rate_hz)
    tracker = Tracker(TrackerSettings(strategy='iou'))
    rng = np.random.default_rng(0)
    made, truths = Recording(), []
    for index in range(scene.frame_count):
        truth = scene.truth(index)
        people = people_from_truth(truth, scene.image_size, rng, box_noise=0.06, miss_rate=0.1)
        stamp_ns = FIRST_NS + round(truth.stamp_s * 1e9)
        made.note_source(stamp_ns)
        tracks = tracker.update(people, stamp_ns * 1e-9)
        made.add(
            FrameRecord(
                stamp_ns=stamp_ns,
                image_size=scene.image_size,
                tracks=tracks,
                frames_dropped=0,
                processing_time_s=0.0,
                latency_s=None,
                session_id=tracker.session_id,
                model_id='lite-0000',
            )
        )
        truths.append(
            TruthFrame(
                stamp_ns=stamp_ns,
                person_ids=truth.person_ids,
                boxes=truth.boxes,
                keypoints=truth.keypoints,
                keypoint_visible=truth.keypoint_visible,
                is_ignored=truth.visible_fraction < 0.3,
            )
        )
    return result_of(made, truth_match(truths), **changes), scene


def trackeval_report(result):
    """What trackeval says of a replay in which no image was dropped."""
    truth_rows, result_rows = [], []
    for number, one in result.recording.numbered():
        truth = result.truth.frames[number - 1]
        for i, box in enumerate(truth.boxes):
            # A distractor counts neither for nor against.
            kind = 8 if truth.is_ignored[i] else PEDESTRIAN
            truth_rows.append((number, truth.person_ids[i], box, kind))
        result_rows += [(number, t.track_id, t.box, NO_CLASS) for t in one.shown]
    return score_sequences({'a': _boxes(truth_rows)}, {'a': _boxes(result_rows)}).combined


def _boxes(rows):
    frames, ids, corners, classes = zip(*rows, strict=True)
    return MotBoxes(
        frames=np.array(frames),
        ids=np.array(ids),
        boxes=np.array(corners, np.float64),
        scores=np.ones(len(frames)),
        classes=np.array(classes),
    )
