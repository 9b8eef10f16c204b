"""Every engine finds the same people as torch; those that cannot run say why."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch

from pose_tracking_ros.benchmark.scenes import group_scene
from pose_tracking_ros.inference import load_engine, runtimes
from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.inference.onnx_files import onnx_folder, write_onnx
from pose_tracking_ros.inference.onnxruntime_parts import onnxruntime_parts
from pose_tracking_ros.inference.openvino_parts import openvino_models, openvino_parts
from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.inference.runtimes import Job, build, network_of
from pose_tracking_ros.inference.verification import differences
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import save_weights
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.tracking.similarity import pairwise_iou

Image = np.ndarray
ENGINES = ('openvino', 'onnxruntime', 'compiled')
# Largest differences to torch: px, px, and on scales of 0 to 1.
TOLERANCES = {
    'boxes': 0.05,
    'keypoints': 0.05,
    'scores': 1e-3,
    'keypoint_scores': 1e-3,
    'embeddings': 1e-3,
}


def _somebody_alone() -> Image:
    """Return a picture of a person before nothing that could be taken for another."""
    scene = group_scene(1, (480, 640))
    rendered = scene.render(0)
    left, top, right, bottom = scene.truth(0).boxes[0].astype(int)
    image = np.full_like(rendered, 90)
    around = np.s_[top - 8 : bottom + 8, left - 8 : right + 8]
    image[around] = rendered[around]
    return image


@pytest.fixture(scope='module')
def images() -> dict[str, Image]:
    return {
        'nobody': np.full((300, 400, 3), 90, np.uint8),
        'one, portrait': _somebody_alone(),
        'many, landscape': make_scene('crowd', seed=3).render(0),
        'many, portrait': make_scene('crowd', seed=3, image_size=(480, 640)).render(0),
    }


@pytest.fixture(scope='module')
def expected(images: dict[str, Image]) -> dict[str, People]:
    engine = load_engine(NetworkSettings(device='cpu', engine='torch'))
    return {name: engine.infer(image) for name, image in images.items()}


@pytest.fixture(scope='module')
def engines() -> dict[str, NetworkEngine]:
    """Return the engines made so far in this module."""
    return {}


def engine_of(name: str, engines: dict[str, NetworkEngine]) -> NetworkEngine:
    if name in ('openvino', 'onnxruntime'):
        pytest.importorskip(name, reason=f'{name} is not installed (requirements/engines.txt)')
    elif not shutil.which('g++'):
        pytest.skip('compiled needs g++')
    if name not in engines:
        engines[name] = load_engine(NetworkSettings(device='cpu', engine=name))
    return engines[name]


@pytest.fixture(autouse=True)
def _quick_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Capture graphs as in use, but run them as they are: to compile them takes minutes.

    The compiler cannot look through the checks of array shapes, which are for tests only.
    """
    quick = functools.partial(torch.compile, fullgraph=True)
    monkeypatch.setattr(jaxtyping.config, 'jaxtyping_disable', True)

    def compile_quickly(module: Any, mode: str, dynamic: bool) -> Any:
        return quick(module, backend='eager', dynamic=dynamic)

    monkeypatch.setattr(torch, 'compile', compile_quickly)


def assert_same(people: People, expected: People) -> None:
    assert len(people) == len(expected)
    for name, tolerance in TOLERANCES.items():
        actual, wanted = getattr(people, name), getattr(expected, name)
        assert actual.shape == wanted.shape, name
        assert np.allclose(actual, wanted, rtol=0, atol=tolerance), name


def test_the_images_show_nobody_one_and_many(expected: dict[str, People]) -> None:
    counts = [len(people) for people in expected.values()]
    assert counts[:2] == [0, 1]
    assert min(counts[2:]) >= 8


@pytest.mark.parametrize('name', ENGINES)
def test_each_engine_finds_the_same_people(
    name: str,
    images: dict[str, Image],
    expected: dict[str, People],
    engines: dict[str, NetworkEngine],
) -> None:
    engine = engine_of(name, engines)
    found = {which: engine.infer(image) for which, image in images.items()}
    # All are compared after all were found: no result may change with the next image.
    for which, people in found.items():
        assert_same(people, expected[which])
    assert engine.device_name.startswith('cpu (')


def test_openvino_finds_the_same_in_images_of_many_sizes(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Image], expected: dict[str, People]
) -> None:
    pytest.importorskip('openvino', reason='openvino is not installed')
    # The second size and the third share the graph for all sizes.
    monkeypatch.setattr('pose_tracking_ros.inference.openvino_parts._IMAGE_SIZES', 1)
    engine = load_engine(NetworkSettings(device='cpu', engine='openvino'))
    for _ in range(2):
        for which, image in images.items():
            assert_same(engine.infer(image), expected[which])


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_each_engine_follows_a_changed_image_size(
    name: str, images: dict[str, Image], engines: dict[str, NetworkEngine]
) -> None:
    engine = engine_of(name, engines)
    small = NetworkSettings(device='cpu', engine='torch', image_long_side_px=256)
    reference = load_engine(small)
    engine.apply_settings(small)
    try:
        image = images['many, landscape']
        assert_same(engine.infer(image), reference.infer(image))
    finally:
        engine.apply_settings(NetworkSettings(device='cpu', engine=name))


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_each_engine_gives_crops_the_same_embeddings(
    name: str, images: dict[str, Image], engines: dict[str, NetworkEngine]
) -> None:
    image = images['many, landscape']
    crops = [image[100:300, 200:280], image[50:350, 300:420], image[:, :640]]
    reference = load_engine(NetworkSettings(device='cpu', engine='torch')).embed_crops(crops)
    found = engine_of(name, engines).embed_crops(crops)
    assert found.shape == (3, 128)
    assert np.allclose(found, reference, atol=TOLERANCES['embeddings'])
    # Of different pictures.
    assert np.abs(reference[0] - reference[1]).max() > 0.05


def test_paper_presets_with_two_pooled_grids_convert(tmp_path: Path) -> None:
    pytest.importorskip('onnxruntime', reason='requirements/engines.txt is not installed')
    pytest.importorskip('openvino', reason='requirements/engines.txt is not installed')
    torch.manual_seed(0)
    network = build_network('fastpose-18').eval()
    assert not network.layout.is_pooled_once
    write_onnx(network, tmp_path)
    for parts, _ in (
        openvino_parts(openvino_models(tmp_path), 1),
        onnxruntime_parts(network, tmp_path, torch.device('cpu'), 1),
    ):
        for output, (_, relative) in differences(network, parts, 2, (64, 128)).items():
            assert relative < 1e-4, output


@pytest.mark.parametrize('name', ['openvino', 'torch'])
def test_bfloat16_finds_the_same_people_less_exactly(
    name: str, images: dict[str, Image], expected: dict[str, People]
) -> None:
    if name == 'openvino':
        pytest.importorskip('openvino', reason='requirements/engines.txt is not installed')
    if gap := Processor.here().gap('bf16'):
        pytest.skip(gap)
    engine = load_engine(NetworkSettings(device='cpu', engine=name, precision='bf16'))
    assert engine.device_name.endswith(', bf16')
    found = engine.infer(images['one, portrait'])
    wanted = expected['one, portrait']
    assert len(found) == len(wanted) == 1
    # Not full precision under another name, and no other box either.
    assert TOLERANCES['boxes'] < np.abs(found.boxes - wanted.boxes).max() < 4
    # Rounding may prefer another of the proposals about the person, with nearly the same score.
    assert pairwise_iou(found.boxes, wanted.boxes)[0, 0] > 0.7
    assert np.abs(found.keypoints - wanted.keypoints).max() < 8
    assert (found.embeddings * wanted.embeddings).sum() > 0.99
    assert np.linalg.norm(found.embeddings) == pytest.approx(1, abs=1e-2)


def test_bfloat16_is_refused_where_it_gains_nothing(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    able = Processor('Some CPU', 2, ('avx512_bf16',))
    monkeypatch.setattr(Processor, 'here', lambda: able)
    low = dataclasses.replace(job, settings=dataclasses.replace(job.settings, precision='bf16'))
    with pytest.raises(EngineError, match='openvino, torch for bf16, got onnxruntime'):
        build('onnxruntime', low)
    with pytest.raises(EngineError, match='bf16 is for CPUs, and device is cuda'):
        build('torch', dataclasses.replace(low, device=torch.device('cuda')))
    unable = Processor('Old CPU', 2, ('avx2',))
    monkeypatch.setattr(Processor, 'here', lambda: unable)
    for name in ('torch', 'onnxruntime'):
        with pytest.raises(EngineError, match='Old CPU has neither .* choose f32'):
            build(name, low)


def test_verification_notices_other_weights(tmp_path: Path) -> None:
    pytest.importorskip('onnxruntime', reason='requirements/engines.txt is not installed')
    network, _ = network_of(NetworkSettings())
    write_onnx(network, tmp_path)
    parts, _ = onnxruntime_parts(network, tmp_path, torch.device('cpu'), 1)
    other, _ = network_of(NetworkSettings())
    with torch.no_grad():
        other.reid_head.convs[0][1].weight[3, 5] += 1.0  # type: ignore[index,union-attr]
    found = differences(other, parts, 2, (64, 64))
    wrong = {output for output, (_, relative) in found.items() if relative > 1e-4}
    assert wrong == {'person embeddings'}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    settings = NetworkSettings(device='cpu', engine_cache=str(tmp_path / 'cache'))
    network, provenance = network_of(settings)
    return Job(network, provenance, settings, torch.device('cpu'), lambda line: None)


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_a_missing_package_is_named(name: str, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(module: str, *rest: Any) -> Any:
        if module == name:
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(runtimes, 'onnx_folder', lambda *_: Path())
    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(EngineError, match=f'{name} needs .* package {name}.*pip install'):
        build(name, job)


def test_a_missing_converter_is_named(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == 'onnx' else real(name)
    )
    with pytest.raises(EngineError, match='openvino needs the Python package onnx.*pip install'):
        build('openvino', job)
    assert runtimes.candidates(job.device) == ['torch']


def test_engines_say_which_device_they_want(job: Job) -> None:
    with pytest.raises(EngineError, match='tensorrt needs an NVIDIA GPU, and device is cpu'):
        build('tensorrt', job)
    on_gpu = dataclasses.replace(job, device=torch.device('cuda'))
    with pytest.raises(EngineError, match='openvino runs on the CPU, and device is cuda'):
        build('openvino', on_gpu)


def test_an_onnxruntime_without_cuda_says_what_to_install(job: Job) -> None:
    onnxruntime = pytest.importorskip('onnxruntime', reason='is not installed')
    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('this ONNX Runtime has CUDA')
    on_gpu = dataclasses.replace(job, device=torch.device('cuda'))
    with pytest.raises(EngineError, match='with CUDAExecutionProvider, .*onnxruntime-gpu'):
        build('onnxruntime', on_gpu)


def test_tensorrt_keeps_what_it_builds_by_weights_and_gpu(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip('onnxruntime', reason='is not installed')
    sessions: list[list[Any]] = []

    class Session:
        def __init__(self, path: str, options: Any, providers: list[Any]) -> None:
            sessions.append(providers)
            self._names = [name for name, _ in providers]

        def get_providers(self) -> list[str]:
            return self._names

        def io_binding(self) -> None:
            return None

    monkeypatch.setattr(onnxruntime, 'InferenceSession', Session)
    monkeypatch.setattr(
        onnxruntime, 'get_available_providers', lambda: ['TensorrtExecutionProvider']
    )
    folders = []
    for gpu in ('Orin', 'Orin', 'Xavier'):
        monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device, gpu=gpu: gpu)
        built = build('tensorrt', dataclasses.replace(job, device=torch.device('cuda:0')))
        assert built.name.startswith('TensorRT')
        options = dict(sessions[-1])['TensorrtExecutionProvider']
        folders.append(options['trt_engine_cache_path'])
        assert Path(folders[-1]).is_dir()
    assert folders[0] == folders[1] != folders[2]
    # What TensorRT cannot do falls to CUDA, and only then to the CPU.
    assert [name for name, _ in sessions[-1]] == [
        'TensorrtExecutionProvider',
        'CUDAExecutionProvider',
        'CPUExecutionProvider',
    ]


def test_compiling_on_a_cpu_needs_a_compiler(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, 'which', lambda program: None)
    with pytest.raises(EngineError, match=r'needs a C\+\+ compiler.*apt-get install g\+\+'):
        build('compiled', job)


def test_converted_networks_follow_the_weights(job: Job, tmp_path: Path) -> None:
    pytest.importorskip('onnx', reason='requirements/engines.txt is not installed')
    lines: list[str] = []
    first = onnx_folder(job.network, job.provenance, tmp_path, lines.append)
    assert onnx_folder(job.network, job.provenance, tmp_path, lines.append) == first
    assert lines == []
    path = tmp_path / 'other.safetensors'
    save_weights(build_network('lite'), path, 'lite', {})
    network, provenance = network_of(NetworkSettings(weights=str(path)))
    assert onnx_folder(network, provenance, tmp_path, lines.append) != first
    (first / 'trunk.onnx').write_bytes(b'cut off')
    onnx_folder(job.network, job.provenance, tmp_path, lines.append)
    assert len(lines) == 1
    assert 'trunk.onnx is damaged; making it anew' in lines[0]
    assert (first / 'trunk.onnx').stat().st_size > 1e6
