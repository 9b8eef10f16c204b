"""One network for several cameras: fair turns, batches, errors where they belong, memory freed."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.inference.batching import SharedEngine, SharedEngines
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.inference.out_of_memory import SparingEngine
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.simulation.scenes import make_scene

SETTINGS = NetworkSettings(device='cpu', engine='torch', threads=1, image_long_side_px=256)
TIMEOUT_S = 30.0


class Engine:
    """Notes which images run, named by their first pixel; `gate` holds it up."""

    model_id, device_name, fallback_reason, embedding_dim = 'paper@01', 'paper', '', 4

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.is_busy = threading.Event()
        self.runs: list[list[int]] = []
        self.settings: list[NetworkSettings] = []
        self.threads: set[int] = set()
        self.errors: dict[int, Exception] = {}
        self.warm_ups = 0

    def apply_settings(self, settings: NetworkSettings) -> None:
        self.settings.append(settings)

    def warm_up(self) -> None:
        self.warm_ups += 1

    def infer(self, image: np.ndarray) -> People:
        return self._run([image])[0]

    def _run(self, images: list[np.ndarray]) -> list[People]:
        self.threads.add(threading.get_ident())
        self.is_busy.set()
        assert self.gate.wait(TIMEOUT_S)
        names = [int(image[0, 0, 0]) for image in images]
        self.runs.append(names)
        for name in names:
            if name in self.errors:
                raise self.errors[name]
        return [People.none((image.shape[1], image.shape[0]), dim=4) for image in images]


class Batches(Engine):
    """Runs several images at once."""

    gains_from_batches = True

    def infer_batch(self, images: list[np.ndarray]) -> list[People]:
        return self._run(images)


def named(number: int, width: int = 8) -> np.ndarray:
    return np.full((6, width, 3), number, np.uint8)


class Held:
    """A shared engine that is busy with image 0; what is asked of it waits until `release`.

    Each call of `ask` is a camera's thread of its own.
    """

    def __init__(self, engine: Engine, **options) -> None:
        self.engine = engine
        self.shared = SharedEngine(engine, **options)
        self.first = self.shared.handle(SETTINGS)
        self.pool = ThreadPoolExecutor(max_workers=8)
        engine.gate.clear()
        self.turns = [self.pool.submit(self.first.infer, named(0))]
        assert engine.is_busy.wait(TIMEOUT_S)

    def ask(self, number: int, handle=None, width: int = 8) -> None:
        handle = handle or self.shared.handle(SETTINGS)
        before = len(self.shared._waiting)
        self.turns.append(self.pool.submit(handle.infer, named(number, width)))
        with self.shared._arrived:
            assert self.shared._arrived.wait_for(
                lambda: len(self.shared._waiting) > before, TIMEOUT_S
            )

    def release(self) -> list[People | BaseException]:
        """Let everything run; return what each call gave, or raised."""
        self.engine.gate.set()
        outcomes = [turn.exception(TIMEOUT_S) or turn.result() for turn in self.turns]
        self.pool.shutdown()
        return outcomes


def test_images_of_several_cameras_take_turns_in_the_order_of_arrival():
    held = Held(Engine(), max_batch=4)
    for number in (1, 2, 3):
        held.ask(number)
    assert all(isinstance(found, People) for found in held.release())
    assert held.engine.runs == [[0], [1], [2], [3]]
    assert len(held.engine.threads) == 1


def test_what_waits_runs_together_up_to_the_largest_batch_and_each_gets_its_own():
    held = Held(Batches(), max_batch=3)
    for number in (1, 2, 3, 4):
        held.ask(number, width=8 + number)
    found = held.release()
    assert held.engine.runs == [[0], [1, 2, 3], [4]]
    assert [people.image_size[0] for people in found] == [8, 9, 10, 11, 12]


def test_an_engine_that_does_not_gain_runs_one_image_at_a_time():
    engine = Batches()
    engine.gains_from_batches = False
    held = Held(engine, max_batch=4)
    held.ask(1)
    held.ask(2)
    held.release()
    assert engine.runs == [[0], [1], [2]]


def test_only_images_of_equal_settings_run_together_and_each_has_its_own():
    held = Held(Batches(), max_batch=4)
    strict = held.shared.handle(SETTINGS)
    strict.apply_settings(replace(SETTINGS, min_person_score=0.9))
    held.ask(1)
    held.ask(2, strict)
    held.ask(3)
    held.release()
    assert held.engine.runs == [[0], [1, 3], [2]]
    assert [one.min_person_score for one in held.engine.settings] == [0.3, 0.9]


@pytest.mark.parametrize('error', [torch.OutOfMemoryError('CUDA out of memory'), ValueError('no')])
def test_an_image_that_fails_does_not_fail_those_beside_it(error):
    held = Held(Batches(), max_batch=3)
    held.engine.errors[2] = error
    for number in (1, 2, 3, 4, 5):
        held.ask(number)
    found = held.release()
    assert found[2] is error
    assert all(isinstance(found[other], People) for other in (0, 1, 3, 4, 5))
    # Together in vain, then each by itself, still in order; whoever comes after is not drawn in.
    assert held.engine.runs == [[0], [1, 2, 3], [1], [2], [3], [4, 5]]


def test_full_memory_of_one_camera_halves_its_images_only():
    class Small(Engine):
        def infer(self, image):
            if self.settings[-1].image_long_side_px > 200 and image[0, 0, 0] == 9:
                raise RuntimeError('CUDA out of memory')
            return super().infer(image)

    engine = Small()
    shared, told = SharedEngine(engine), []
    large = SparingEngine(shared.handle(SETTINGS), SETTINGS, told.append)
    other = SparingEngine(shared.handle(SETTINGS), SETTINGS, told.append)
    large.infer(named(9))
    other.infer(named(1))
    large.infer(named(9))
    assert [s.image_long_side_px for s in engine.settings] == [256, 128, 256, 128]
    assert len(told) == 1


def test_an_image_waits_for_others_no_longer_than_stated():
    shared = SharedEngine(Batches(), max_batch=2, max_wait_s=0.05)
    handles = [shared.handle(SETTINGS) for _ in range(2)]
    # Alone: it runs in the end. Together: the second, which comes later, joins.
    handles[0].infer(named(1))
    shared._max_wait_s = TIMEOUT_S
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(lambda pair: pair[0].infer(named(pair[1])), zip(handles, (2, 3), strict=True))
        )
    assert [sorted(run) for run in shared.engine.runs] == [[1], [2, 3]]


def test_a_network_is_loaded_once_for_equal_settings_and_freed_with_the_last_camera():
    loaded = []

    def load(settings: NetworkSettings) -> Engine:
        engine = Engine()
        loaded.append(weakref.ref(engine))
        return engine

    engines = SharedEngines(load)
    front, rear = engines.open(SETTINGS), engines.open(replace(SETTINGS, max_people=3))
    other = engines.open(replace(SETTINGS, threads=2))
    assert len(loaded) == 2
    threads = front._shared._threads._threads
    front.infer(named(1))
    rear.infer(named(2))
    (network_thread,) = threads
    assert loaded[0]().runs == [[1], [2]]
    del front
    gc.collect()
    assert loaded[0]() is not None
    rear.warm_up()
    del rear
    gc.collect()
    assert loaded[0]() is None
    assert loaded[1]() is not None
    network_thread.join(TIMEOUT_S)
    assert not network_thread.is_alive()
    assert other.model_id == 'paper@01'
    engines.open(SETTINGS)
    assert len(loaded) == 3


def test_copies_run_at_the_same_time_each_in_its_thread_and_with_the_settings_of_its_image():
    engines = [Engine(), Engine()]
    for engine in engines:
        engine.gate.clear()
    shared = SharedEngine(*engines)
    strict = replace(SETTINGS, min_person_score=0.9)
    with ThreadPoolExecutor(2) as pool:
        turns = [
            pool.submit(shared.handle(settings).infer, named(1)) for settings in (SETTINGS, strict)
        ]
        assert all(engine.is_busy.wait(TIMEOUT_S) for engine in engines)
        for engine in engines:
            engine.gate.set()
        assert all(isinstance(turn.result(TIMEOUT_S), People) for turn in turns)
    assert {engine.settings[0].min_person_score for engine in engines} == {0.3, 0.9}
    assert len(engines[0].threads | engines[1].threads) == 2


def test_copies_take_one_image_at_a_time():
    """An image in the batch of one copy would be waiting for its turn in the other."""
    engines = [Batches(), Batches()]
    shared = SharedEngine(*engines, max_batch=4)
    handles = [shared.handle(SETTINGS) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(20):
            list(pool.map(lambda handle: handle.infer(named(1)), handles))
    assert [len(run) for engine in engines for run in engine.runs] == [1] * 120


@pytest.mark.parametrize(
    ('device_name', 'threads', 'cores', 'copies'),
    [
        ('cpu (1 threads), torch', 1, 2, 2),
        ('cpu (1 threads), torch', 1, 16, 3),
        ('cpu (2 threads), torch', 2, 4, 2),
        ('cpu (2 threads), torch', 2, 2, 1),
        ('cpu (2 threads), torch', 4, 2, 1),
        ('cpu (2 threads), torch', 0, 2, 1),
        ('cuda:0 (paper)', 1, 16, 1),
    ],
)
def test_there_are_as_many_copies_as_the_cores_of_a_cpu_allow(
    monkeypatch, device_name, threads, cores, copies
):
    loaded = []

    def load(settings: NetworkSettings) -> Engine:
        engine = Engine()
        engine.device_name = device_name
        loaded.append(engine)
        return engine

    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(cores)), raising=False)
    engines = SharedEngines(load, max_copies=3)
    handle = engines.open(replace(SETTINGS, threads=threads))
    assert len(loaded) == copies
    # The first is warmed up by its camera, further ones at once.
    assert [engine.warm_ups for engine in loaded] == [0] + [1] * (copies - 1)
    handle.warm_up()
    handle.infer(named(1))


def test_a_network_that_cannot_be_loaded_is_tried_again():
    errors = [OSError('no checkpoint')]

    def load(settings: NetworkSettings) -> Engine:
        if errors:
            raise errors.pop()
        return Engine()

    engines = SharedEngines(load)
    with pytest.raises(OSError, match='no checkpoint'):
        engines.open(SETTINGS)
    engines.open(SETTINGS).infer(named(1))


@pytest.fixture(scope='module')
def network() -> NetworkEngine:
    return load_engine(SETTINGS)


@pytest.fixture(scope='module')
def pictures() -> list[np.ndarray]:
    """Pictures of two sizes inside the network, one with nobody."""
    wide = make_scene('crowd', seed=3)
    tall = make_scene('street', seed=3, image_size=(480, 640))
    return [
        wide.render(0),
        tall.render(0),
        np.full((300, 400, 3), 90, np.uint8),
        wide.render(10),
        np.ascontiguousarray(wide.render(0)[::2, ::2]),
    ]


def assert_same(found: list[People], expected: list[People]) -> None:
    for people, wanted in zip(found, expected, strict=True):
        assert len(people) == len(wanted)
        assert people.image_size == wanted.image_size
        for name, tolerance in {'boxes': 0.01, 'keypoints': 0.05, 'embeddings': 1e-4}.items():
            assert np.allclose(
                getattr(people, name), getattr(wanted, name), rtol=0, atol=tolerance
            ), name


def test_the_real_network_finds_in_a_batch_what_it_finds_in_single_images(network, pictures):
    expected = [network.infer(picture) for picture in pictures]
    assert len(expected[0]) > 3
    assert len(expected[2]) == 0
    assert_same(network.infer_batch(pictures), expected)
    with pytest.raises(ValueError, match='0 x 4 x 3'):
        network.infer_batch([pictures[0], np.zeros((0, 4, 3), np.uint8)])


def test_cameras_that_share_the_real_network_find_what_each_would_alone(network, pictures):
    expected = [network.infer(picture) for picture in pictures]
    shared = SharedEngine(network, max_batch=4)
    handles = [shared.handle(SETTINGS) for _ in pictures]
    with ThreadPoolExecutor(len(pictures)) as pool:
        turns = [
            pool.submit(handle.infer, picture)
            for handle, picture in zip(handles, pictures, strict=True)
        ]
        assert_same([turn.result(TIMEOUT_S) for turn in turns], expected)
