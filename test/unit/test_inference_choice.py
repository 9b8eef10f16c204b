"""`auto` takes the engine that measures best, remembers it, and gets along with what fails."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pose_tracking_ros.inference import choice, load_engine
from pose_tracking_ros.inference.choice import choose, seconds_per_image
from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.network_engine import Runtime
from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.inference.runtimes import Job, build, candidates, network_of
from pose_tracking_ros.settings import NetworkSettings

NAMES = ['openvino', 'onnxruntime', 'torch']


class Bench:
    """Runtimes that are never run, with given times."""

    def __init__(self, job: Job, times_s: dict[str, float | Exception]) -> None:
        self.job = job
        self.times_s = times_s
        self.measured: list[str] = []
        self.lines: list[str] = []

    def build(self, name: str, job: Job) -> Runtime:
        outcome = self.times_s[name]
        if isinstance(outcome, Exception):
            raise outcome
        return Runtime(job.network.parts(), job.device, name)

    def measure(self, runtime: Runtime, job: Job) -> float:
        self.measured.append(runtime.name)
        time_s = self.times_s[runtime.name]
        assert isinstance(time_s, float)
        return time_s

    def choose(self, **changes: Any) -> str:
        settings = dataclasses.replace(self.job.settings, **changes)
        job = dataclasses.replace(self.job, settings=settings, tell=self.lines.append)
        return choose(job, self.measure).name


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    settings = NetworkSettings(device='cpu', engine_cache=str(tmp_path / 'cache'))
    network, provenance = network_of(settings)
    job = Job(network, provenance, settings, torch.device('cpu'), print)

    def make(**times_s: float | Exception) -> Bench:
        made = Bench(job, {'openvino': 0.02, 'onnxruntime': 0.03, 'torch': 0.05} | times_s)
        monkeypatch.setattr(choice, 'build', made.build)
        monkeypatch.setattr(choice, 'candidates', lambda device, precision: NAMES)
        monkeypatch.setattr(choice, '_facts', lambda job, names: {'long': str(job.settings)})
        return made

    return make


def test_the_fastest_is_taken_and_the_times_are_told(bench: Callable[..., Bench]) -> None:
    made = bench(onnxruntime=0.01)
    assert made.choose() == 'onnxruntime'
    assert made.measured == NAMES * choice._ROUNDS
    assert made.lines == [
        'engine: onnxruntime is the fastest here '
        '(onnxruntime 10.0 ms, openvino 20.0 ms, torch 50.0 ms)'
    ]


def test_a_busy_moment_does_not_decide(bench: Callable[..., Bench]) -> None:
    made = bench()
    measure = made.measure

    def disturbed(runtime: Runtime, job: Job) -> float:
        return measure(runtime, job) + (1.0 if len(made.measured) <= 2 else 0.0)

    made.measure = disturbed  # type: ignore[method-assign]
    assert made.choose() == 'openvino'


def test_the_choice_is_remembered_for_the_same_facts_only(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.choose()
    made.measured.clear()
    assert made.choose() == 'openvino'
    assert made.measured == []
    assert made.lines[-1].startswith('engine: openvino, as measured earlier (openvino 20.0 ms')
    made.choose(image_long_side_px=256)
    assert made.measured == NAMES * choice._ROUNDS


@pytest.mark.parametrize('content', ['', '{"openvi', '[]', '{"openvino": "x"}', '{"gone": 1.0}'])
def test_a_damaged_memory_is_measured_anew(
    bench: Callable[..., Bench], content: str, tmp_path: Path
) -> None:
    made = bench()
    made.choose()
    (path,) = (tmp_path / 'cache').glob('choice-*.json')
    path.write_text(content)
    made.measured.clear()
    assert made.choose() == 'openvino'
    assert made.measured == NAMES * choice._ROUNDS
    assert 'torch' in path.read_text()


def test_what_does_not_start_is_left_out_with_the_reason(bench: Callable[..., Bench]) -> None:
    made = bench(openvino=EngineError('no such instruction\nmore'))
    assert made.choose() == 'onnxruntime'
    assert made.lines[0] == 'engine: openvino is left out: no such instruction'
    # Also when it was the choice once, and has broken since.
    made.times_s |= {'onnxruntime': RuntimeError('gone'), 'openvino': 0.1}
    assert made.choose() == 'torch'
    assert 'engine: onnxruntime is left out: gone' in made.lines


def test_torch_serves_when_nothing_else_starts(bench: Callable[..., Bench]) -> None:
    broken = RuntimeError('broken')
    assert bench(openvino=broken, onnxruntime=broken).choose() == 'torch'


def test_measuring_stops_when_it_takes_long(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 1.5)
    monkeypatch.setattr('time.perf_counter', lambda: next(clock))
    made = bench(torch=0.001)
    assert made.choose() == 'openvino'
    assert set(made.measured) == {'openvino', 'onnxruntime'}
    assert made.lines[0].startswith('engine: torch is not tried')


def test_a_folder_that_cannot_be_written_costs_the_memory_only(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    made = bench()
    blocked = tmp_path / 'file'
    blocked.write_text('')
    assert made.choose(engine_cache=str(blocked)) == 'openvino'
    assert made.lines[-1].startswith('engine: cannot remember the choice')


def test_only_engines_that_have_a_precision_are_tried_for_it(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(onnxruntime=0.001)
    monkeypatch.setattr(choice, 'candidates', candidates)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: True)
    monkeypatch.setattr(
        Processor, 'here', lambda: Processor('New CPU', 2, ('amx_bf16', 'amx_int8'))
    )
    assert made.choose() == 'onnxruntime'
    made.lines.clear()
    assert made.choose(precision='bf16') == 'openvino'
    assert made.lines == ['engine: openvino is the fastest here (openvino 20.0 ms, torch 50.0 ms)']
    made.lines.clear()
    assert made.choose(precision='int8') == 'openvino'
    assert made.lines == ['engine: openvino is the only one to choose from on cpu']


@pytest.mark.parametrize('engine', ['auto', 'openvino', 'onnxruntime'])
def test_a_processor_without_bfloat16_is_told_once(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processor, 'here', lambda: Processor('Old CPU', 2, ('avx2',)))
    settings = NetworkSettings(
        device='cpu', engine=engine, precision='bf16', engine_cache=str(tmp_path)
    )
    lines: list[str] = []
    with pytest.raises(EngineError, match=r'^precision: Old CPU has neither .*; choose f32$'):
        load_engine(settings, lines.append)
    assert lines == []


def test_the_times_are_of_the_parts_at_the_configured_size(tmp_path: Path) -> None:
    settings = NetworkSettings(device='cpu', image_long_side_px=128)
    network, provenance = network_of(settings)
    job = Job(network, provenance, settings, torch.device('cpu'), print)
    runtime = build('torch', job)
    shapes: list[tuple[int, ...]] = []

    def recording(part: Any) -> Any:
        def run(*given: torch.Tensor) -> Any:
            shapes.append(tuple(given[0].shape))
            return part(*given)

        return run

    watched = dataclasses.replace(
        runtime, parts=type(runtime.parts)(*map(recording, runtime.parts))
    )
    assert 0 < seconds_per_image(watched, job) < 60
    # 4:3 in a letterbox, as many proposals as the preset has, a few people.
    assert shapes[:3] == [(1, 96, 128, 3), (100, 7, 7, 64), (5, 24, 18, 64)]


def test_without_other_runtimes_torch_starts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    lines: list[str] = []
    settings = NetworkSettings(device='cpu', engine_cache=str(tmp_path))
    engine = load_engine(settings, lines.append)
    assert 'torch' in engine.device_name
    assert lines == ['engine: torch is the only one to choose from on cpu']
    assert list(tmp_path.iterdir()) == []


def test_auto_really_measures_and_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy this machine is.
    monkeypatch.setattr(choice, '_BUDGET_S', 1000.0)
    pytest.importorskip('openvino', reason='requirements/engines.txt is not installed')
    settings = NetworkSettings(
        device='cpu', image_long_side_px=64, threads=1, engine_cache=str(tmp_path)
    )
    lines: list[str] = []
    first = load_engine(settings, lines.append).device_name
    assert 'is the fastest here' in lines[-1]
    assert all(f'{name} ' in lines[-1] for name in NAMES)
    assert load_engine(settings, lines.append).device_name == first
    assert 'as measured earlier' in lines[-1]
