"""Names in the pipeline: enrolled from a track, kept in a file, given to tracks and events."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.people import EventKind, People
from pose_tracking_ros.pipeline import Pipeline
from pose_tracking_ros.settings import GallerySettings, NetworkSettings, TrackerSettings
from pose_tracking_ros.tracking.gallery import GalleryError
from pose_tracking_ros.tracking.known_people import KnownPeople, SharedGallery
from pose_tracking_ros.tracking.tracker import Tracker

IMAGE = np.zeros((240, 320, 3), np.uint8)
ANNA, BERT = np.array([1.0, 0, 0, 0]), np.array([0, 1.0, 0, 0])


class Engine:
    """Sees who is put before it, each at a place of their own."""

    model_id, device_name, fallback_reason, embedding_dim = 'paper@01', 'paper', '', 4

    def __init__(self, *looks: np.ndarray) -> None:
        self.looks = looks

    def apply_settings(self, settings: NetworkSettings) -> None:
        pass

    def warm_up(self) -> None:
        pass

    def infer(self, image: np.ndarray) -> People:
        if not self.looks:
            return People.none((320, 240), dim=4)
        x = 60.0 + 100.0 * np.arange(len(self.looks))
        boxes = np.stack([x - 20, np.full(len(x), 50.0), x + 20, np.full(len(x), 150.0)], axis=1)
        joints = np.random.default_rng(0).uniform(0.1, 0.9, (17, 2)) * [40, 100]
        return People(
            boxes=boxes,
            scores=np.full(len(x), 0.9),
            keypoints=boxes[:, None, :2] + joints,
            keypoint_scores=np.full((len(x), 17), 0.9),
            embeddings=np.stack(self.looks),
            image_size=(320, 240),
        )


def pipeline(engine: Engine, **settings) -> Pipeline:
    known = KnownPeople(engine.model_id, engine.embedding_dim, GallerySettings(**settings))
    return Pipeline(engine, Tracker(TrackerSettings()), known_people=known)


def run(of: Pipeline, count: int, start_s: float = 0.0):
    """Show `count` images at 10 Hz; return all results."""
    return [of.process(IMAGE, start_s + number / 10) for number in range(count)]


def names(result) -> list[str]:
    return [track.person_id for track in result.tracks]


def test_enrolled_people_are_called_by_name_with_their_similarity():
    running = pipeline(Engine(ANNA, BERT))
    tracks = run(running, 5)[-1].tracks
    assert all(np.isnan(track.person_similarity) for track in tracks)
    assert running.known_people.enroll('Bert', tracks[1].track_id) == 1
    result = run(running, 1, 0.5)[0]
    assert names(result) == ['', 'Bert']
    assert np.isnan(result.tracks[0].person_similarity)
    assert result.tracks[1].person_similarity == pytest.approx(1.0, abs=1e-3)


def test_events_tell_the_name():
    running = pipeline(Engine(ANNA), gallery_name_after_s=0.0)
    running.known_people.enroll('Anna', run(running, 5)[-1].tracks[0].track_id)
    running.engine.looks = ()
    lost = [e for result in run(running, 6, 0.5) for e in result.events]
    assert [(e.kind, e.person_id) for e in lost] == [(EventKind.LOST, 'Anna')]


def test_people_are_known_again_after_a_restart(tmp_path: Path):
    file = str(tmp_path / 'new' / 'people.safetensors')
    before = pipeline(Engine(ANNA), gallery_file=file)
    before.known_people.enroll('Anna', run(before, 5)[-1].tracks[0].track_id)

    after = pipeline(Engine(BERT, ANNA), gallery_file=file)
    assert after.known_people.contents.person_ids == ('Anna',)
    assert names(run(after, 12)[-1]) == ['', 'Anna']

    after.known_people.forget('Anna')
    assert names(run(after, 1, 1.2)[0]) == ['', '']
    assert len(pipeline(Engine(), gallery_file=file).known_people.contents) == 0


def test_a_file_of_another_network_is_refused(tmp_path: Path):
    file = str(tmp_path / 'people.safetensors')
    running = pipeline(Engine(ANNA), gallery_file=file)
    running.known_people.enroll('Anna', run(running, 5)[-1].tracks[0].track_id)
    with pytest.raises(GalleryError, match='made with network paper@01, but other@02'):
        KnownPeople('other@02', 4, GallerySettings(gallery_file=file))


def test_a_file_that_cannot_be_written_is_told_and_the_name_stays(tmp_path: Path):
    (tmp_path / 'file').write_text('in the way of a folder')
    running = pipeline(Engine(ANNA), gallery_file=str(tmp_path / 'file' / 'people.safetensors'))
    track_id = run(running, 5)[-1].tracks[0].track_id
    with pytest.raises(OSError, match='file'):
        running.known_people.enroll('Anna', track_id)
    assert names(run(running, 1, 0.5)[0]) == ['Anna']


def test_settings_that_hold_less_than_is_known_are_refused():
    running = pipeline(Engine(ANNA, BERT))
    tracks = run(running, 5)[-1].tracks
    for name, track in zip(('Anna', 'Bert'), tracks, strict=True):
        running.known_people.enroll(name, track.track_id)
    with pytest.raises(GalleryError, match='at most 1 people, got 2'):
        running.known_people.apply_settings(GallerySettings(gallery_max_people=1))
    assert names(run(running, 1, 0.5)[0]) == ['Anna', 'Bert']


def test_another_distance_counts_at_once():
    running = pipeline(Engine(ANNA))
    running.known_people.enroll('Anna', run(running, 5)[-1].tracks[0].track_id)
    running.engine.looks = (0.9 * ANNA + np.sqrt(1 - 0.81) * BERT,)
    # The running appearance follows slowly; 0.45 is the distance of this look.
    assert names(run(running, 40, 0.5)[-1]) == ['Anna']
    running.known_people.apply_settings(
        GallerySettings(gallery_max_distance=0.1, gallery_keep_margin=0.0)
    )
    assert names(run(running, 40, 4.5)[-1]) == ['']


def test_cameras_that_share_a_gallery_name_whom_either_enrolled_and_keep_their_tracks_apart(
    tmp_path,
):
    gallery, path = SharedGallery(), tmp_path / 'people.safetensors'
    settings = GallerySettings(gallery_file=str(path), gallery_name_after_s=0.0)

    def camera(*looks):
        known = gallery.open('paper@01', 4, settings)
        return Pipeline(Engine(*looks), Tracker(TrackerSettings()), known_people=known)

    front, rear = camera(ANNA), camera(BERT, ANNA)
    track = run(front, 5)[-1].tracks[0]
    run(rear, 5)
    front.known_people.enroll('Anna', track.track_id)
    # Number 1 is Anna's track in front and Bert's at the rear.
    assert names(run(front, 1, 0.5)[0]) == ['Anna']
    assert names(run(rear, 1, 0.5)[0]) == ['', 'Anna']
    rear.known_people.enroll('Bert', 1)
    assert front.known_people.contents.person_ids == ('Anna', 'Bert')
    front.known_people.forget('Anna')
    assert names(run(rear, 1, 0.6)[0]) == ['Bert', '']
    # The file holds what all of them know; it is read again when nobody knows it any more.
    del front, rear
    gc.collect()
    assert gallery.open('paper@01', 4, settings).contents.person_ids == ('Bert',)


def test_a_gallery_is_shared_only_by_equal_networks_and_files(tmp_path):
    gallery = SharedGallery()
    settings = GallerySettings(gallery_file=str(tmp_path / 'a.safetensors'))
    known = gallery.open('paper@01', 4, settings)
    with pytest.raises(GalleryError, match='paper@01.*paper@02.*share_gallery'):
        gallery.open('paper@02', 4, settings)
    with pytest.raises(GalleryError, match=r"gallery_file.*a\.safetensors.*got ''"):
        gallery.open('paper@01', 4, GallerySettings())
    del known
    gallery.open('paper@02', 4, GallerySettings())


def test_cameras_enroll_at_the_same_time_and_the_file_holds_all(tmp_path):
    gallery, path = SharedGallery(), tmp_path / 'people.safetensors'
    settings = GallerySettings(gallery_file=str(path))
    cameras = []
    for _ in range(4):
        known = gallery.open('paper@01', 4, settings)
        camera = Pipeline(Engine(ANNA), Tracker(TrackerSettings()), known_people=known)
        run(camera, 5)
        cameras.append(camera)

    def enroll(number: int) -> None:
        for person in range(10):
            cameras[number].known_people.enroll(f'{number}-{person}', 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enroll, range(4)))
    everybody = {f'{number}-{person}' for number in range(4) for person in range(10)}
    assert set(cameras[0].known_people.contents.person_ids) == everybody
    assert set(KnownPeople('paper@01', 4, settings).contents.person_ids) == everybody


def test_an_engine_without_embeddings_is_tracked_and_nobody_named():
    looks = np.zeros((2, 0))
    engine = Engine(*looks)
    engine.embedding_dim = 0
    results = run(pipeline(engine), 5)
    assert names(results[-1]) == ['', '']
    engine.looks = ()
    engine.infer = lambda image: People.none((320, 240))
    # Where nobody is, neither.
    fresh = pipeline(engine)
    assert [len(result.tracks) for result in run(fresh, 3)] == [0, 0, 0]
