"""The benchmark: what it feeds, counts and computes. The times themselves are no test."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from pose_tracking_ros.benchmark.command import main
from pose_tracking_ros.benchmark.comparisons import decoding, in_turns, naive_input
from pose_tracking_ros.benchmark.contestants import (
    AfterNetwork,
    BenchmarkError,
    Facts,
    Stopwatch,
)
from pose_tracking_ros.benchmark.energy import Meter, joules_per_run, nvidia_watts, tegra_watts
from pose_tracking_ros.benchmark.growth import fit_growth
from pose_tracking_ros.benchmark.ours import OurNetwork, weights_for
from pose_tracking_ros.benchmark.rounds import Case, Percentiles, Ratio, ratio_of, take_turns
from pose_tracking_ros.benchmark.scenes import clip_pictures, group_scene, people_in_view
from pose_tracking_ros.inference.letterbox import Letterbox
from pose_tracking_ros.inference.processor import Processor
from pose_tracking_ros.network import detection
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings

BLACK = np.zeros((72, 128, 3), np.uint8)


def people_at(boxes):
    count = len(boxes)
    return People(
        boxes=np.array(boxes, np.float32).reshape(count, 4),
        scores=np.full(count, 0.9),
        keypoints=np.zeros((count, 17, 2)),
        keypoint_scores=np.zeros((count, 17)),
        embeddings=np.zeros((count, 0)),
        image_size=(128, 72),
    )


class Fake:
    """A contestant whose every stage is a step of a clock that the test turns."""

    def __init__(self, found=None):
        self.facts = Facts('fake', 'none', 'cpu', 1)
        self.pixels, self.proposals = 0, 0
        self.calls = 0
        self.found = found

    def prepare(self, people, long_side_px):
        self.people, self.size = people, long_side_px

    def find(self, image, clock):
        self.calls += 1
        self.pixels, self.proposals = self.size**2, 7
        clock.lap('preprocess')
        clock.lap('heads')
        clock.lap('decode')
        count = self.people if self.found is None else self.found
        return people_at([[10 * i, 0, 10 * i + 8, 20] for i in range(count)])


def case_of(fake, people=2, size=64):
    return Case(fake, people, size, [BLACK], AfterNetwork(None))


class TestGrowthLaw:
    def points(self):
        grid = np.array(
            [(x, n, k) for x in (5e4, 1e5, 2e5) for n in (25, 50, 100) for k in (1, 5, 20)]
        )
        return grid[:, 0], grid[:, 1], grid[:, 2]

    def test_the_law_that_made_the_times_is_found(self):
        pixels, proposals, people = self.points()
        times = 1.25e-6 * pixels + 0.4e-3 * proposals + 2.5e-3 * people
        law = fit_growth(pixels, proposals, people, times)
        assert law.us_per_pixel == pytest.approx(1.25)
        assert law.ms_per_proposal == pytest.approx(0.4)
        assert law.ms_per_person == pytest.approx(2.5)
        assert (law.r2, law.points) == (pytest.approx(1), 27)
        assert law.constant_ms == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(law.predict_s(pixels, proposals, people), times)

    def test_r2_tells_what_the_law_leaves_unexplained(self):
        pixels, proposals, people = self.points()
        noise = np.random.default_rng(0).normal(0, 0.02, len(pixels))
        times = 1e-6 * pixels + 1e-3 * people + noise
        law = fit_growth(pixels, proposals, people, times)
        rest = np.square(times - law.predict_s(pixels, proposals, people)).sum()
        assert law.r2 == pytest.approx(1 - rest / np.square(times - times.mean()).sum())
        assert 0.5 < law.r2 < 0.99

    def test_what_every_image_costs_is_told_beside_the_law(self):
        pixels, proposals, people = self.points()
        times = 1e-6 * pixels + 0.02e-3 * proposals + 1e-3 * people + 7e-3
        law = fit_growth(pixels, proposals, people, times)
        assert law.r2 < 0.999
        assert law.constant_ms == pytest.approx(7)
        assert law.r2_with_constant == pytest.approx(1)

    def test_points_must_tell_the_causes_apart(self):
        pixels, _, people = self.points()
        with pytest.raises(ValueError, match='differ in pixels, proposals and people'):
            fit_growth(pixels, 20 * people, people, pixels)


def test_a_ratio_compares_within_rounds():
    """A round in which the whole machine was slow says the same as any other."""
    slow = np.array([1, 1, 10, 1, 3.0])
    ratio = Ratio.of(0.2 * slow, 0.1 * slow)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))
    spread = Ratio.of(np.array([1, 2, 3, 4, 5.0]), np.ones(5))
    assert (spread.low, spread.value, spread.high) == (2, 3, 4)
    with pytest.raises(ValueError, match='same rounds twice, got 2 and 3'):
        Ratio.of(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match='above zero'):
        Ratio.of(np.ones(2), np.zeros(2))


def test_percentiles_are_in_milliseconds():
    found = Percentiles.of(np.arange(1, 101) / 1000)
    assert (found.p50, found.p95, found.p99) == pytest.approx((50.5, 95.05, 99.01))
    assert found.runs == 100
    with pytest.raises(ValueError, match='at least one'):
        Percentiles.of(np.zeros(0))


class TestTurns:
    def test_every_case_runs_in_every_round_and_warm_up_does_not_count(self):
        fakes = [Fake(), Fake(), Fake()]
        cases = [case_of(fake, size=64 * (1 + i)) for i, fake in enumerate(fakes)]
        for case in cases:
            case.prepare()
        before = [fake.calls for fake in fakes]
        take_turns(cases, range(3))
        for case, fake, warm_up in zip(cases, fakes, before, strict=True):
            assert len(case.turns) == 3
            assert len(case.round_medians_s) == 3
            # One run per turn is not counted.
            assert len(case.totals_s) == fake.calls - warm_up - 3
            assert case.stages == ('preprocess', 'heads', 'decode', 'track')
            assert case.proposals == 7
        assert [case.pixels for case in cases] == [64**2, 128**2, 192**2]
        assert ratio_of(cases[0], cases[0]).value == 1

    def test_the_order_changes_from_round_to_round(self):
        order = []
        cases = [case_of(Fake()) for _ in range(4)]
        for number, case in enumerate(cases):
            case.take_turn = lambda number=number: order.append(number)
        take_turns(cases, range(6))
        rounds = [tuple(order[i : i + 4]) for i in range(0, 24, 4)]
        assert all(sorted(one) == [0, 1, 2, 3] for one in rounds)
        assert len(set(rounds)) > 2

    def test_another_number_of_people_ends_the_run(self):
        case = case_of(Fake(found=1), people=2)
        with pytest.raises(BenchmarkError, match='expected 2 people, got 1'):
            case.prepare()

    def test_stages_add_up(self):
        clock = Stopwatch()
        for stage in ('trunk', 'heads', 'trunk'):
            clock.lap(stage)
        assert list(clock.stages_s) == ['trunk', 'heads']
        waited = []
        Stopwatch(lambda: waited.append(1)).lap('trunk')
        assert waited == [1]


def test_functions_take_turns():
    calls = []
    first, second = in_turns([lambda: calls.append('a'), lambda: calls.append('b')], 2, repeats=1)
    assert ''.join(calls) == 'aabb' * 2
    assert (len(first), len(second)) == (2, 2)


@pytest.fixture(scope='module')
def lite():
    return OurNetwork(NetworkSettings(engine='torch', device='cpu', threads=1))


class TestFixedNumberOfPeople:
    @pytest.mark.parametrize('count', [1, 3, 20])
    def test_the_heads_get_so_many_even_from_an_empty_picture(self, lite, count):
        lite.prepare(count, 128)
        clock = Stopwatch()
        assert len(lite.find(BLACK, clock)) == count
        assert set(clock.stages_s) == {
            'preprocess', 'trunk', 'proposals', 'box head', 'selection', 'heads', 'decode',
        }  # fmt: skip
        assert (lite.pixels, lite.proposals) == (128 * 96, 100)

    def test_the_number_of_proposals_can_be_set_and_is_forgotten(self, lite):
        lite.prepare(30, 128, proposals=30)
        # NMS drops none of them.
        assert len(lite.find(BLACK, Stopwatch())) == 30
        assert lite.proposals == 30
        lite.prepare(2, 128)
        lite.find(BLACK, Stopwatch())
        assert lite.proposals == 100

    def test_proposals_are_counted_over_all_batches(self, lite, monkeypatch):
        monkeypatch.setattr(detection, '_BOXES_AT_ONCE', 40)
        lite.prepare(2, 128)
        for _ in range(2):
            lite.find(BLACK, Stopwatch())
            assert lite.proposals == 100

    @pytest.mark.parametrize('count', [1, 5, 20])
    def test_the_picture_shows_so_many(self, count):
        scene = group_scene(count, (1280, 720))
        assert people_in_view(scene) == count
        # Nobody is hidden altogether.
        assert (scene.truth(0).visible_fraction > 0.05).all()

    def test_a_picture_without_people_is_refused(self):
        with pytest.raises(ValueError, match='at least 1 person, got 0'):
            group_scene(0, (640, 480))


def test_shipped_weights_are_preferred_to_random_ones(tmp_path):
    assert weights_for('lite', tmp_path) == 'default'
    assert list(tmp_path.iterdir()) == []


def test_the_naive_input_is_what_the_trunk_makes_of_ours():
    """Otherwise the two preprocessing times would be of different work."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    image = coarse.repeat(40, axis=0).repeat(40, axis=1)
    letterbox = Letterbox.fit((640, 360), 320, 64)
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    ours = ((letterbox.apply(image) - mean) / std).transpose(2, 0, 1)[None]
    # Bytes are rounded.
    np.testing.assert_allclose(naive_input(image, letterbox), ours, atol=0.6 / 57)


def test_decoding_is_timed_per_round():
    theirs, ours = decoding(1, 2)
    assert theirs.shape == ours.shape == (2,)


def test_energy_is_power_times_time():
    assert nvidia_watts('12.50, 7.5') == 20
    assert nvidia_watts('[N/A]') is None
    assert tegra_watts('RAM 2/7 CPU [1%] VDD_IN 5200mW/5100mW VDD_CPU 900mW/800mW') == 5.2
    assert tegra_watts('RAM 2/7') is None
    runs = []
    loud = Meter('yes', ('yes', '20.0'), nvidia_watts)
    began_s = time.perf_counter()
    joules = joules_per_run(loud, lambda: runs.append(1), duration_s=0.2)
    spent_s = time.perf_counter() - began_s
    # 20 W over the time the runs took, shared by them; more than 0.2 s on a loaded machine.
    assert 20 * 0.2 <= joules * len(runs) <= 20 * spent_s
    assert joules_per_run(Meter('true', ('true',), nvidia_watts), list, 0.05) is None


def test_the_processor_says_whether_bfloat16_is_its_own(tmp_path):
    info = tmp_path / 'cpuinfo'
    info.write_text('model name\t: Some CPU\nflags\t\t: fpu avx2 avx512_bf16\n')
    there = Processor.here(info)
    assert (there.model, there.flags, there.gap('bf16')) == (
        'Some CPU', ('avx2', 'avx512_bf16'), '',
    )  # fmt: skip
    info.write_text('model name\t: Old CPU\nflags\t\t: fpu avx2\n')
    assert 'Old CPU has neither AVX512-BF16 nor AMX' in Processor.here(info).gap('bf16')
    assert Processor.here(info).gap('f32') == ''


class TestCommand:
    @pytest.mark.parametrize(
        ('arguments', 'expected'),
        [
            (['--peers', 'two-network'], 'name it with --teachers DIR'),
            (['--people', '0'], 'expected at least one number of people'),
            (['--rounds', '0'], 'at least 1 round'),
            (['--growth-sizes', '32'], 'of growth [32]'),
            (['--coco', 'nowhere', '--engines', 'torch'], '--coco: nowhere/annotations.json'),
            (['--clip', 'nowhere.mp4', '--engines', 'torch'], 'nowhere.mp4: expected a video'),
            (['--device', 'abacus'], 'expected auto, cpu'),
        ],
    )
    def test_bad_input_is_told_in_one_line(self, capsys, arguments, expected):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert expected in said
        assert said.count('\n') == 1

    def test_missing_models_of_a_peer_are_named(self, capsys, tmp_path):
        (tmp_path / 'picodet_320.xml').touch()
        arguments = ['--engines', 'torch', '--sizes', '128', '--people', '1']
        peer = ['--peers', 'two-network', '--teachers', str(tmp_path)]
        assert main([*arguments, *peer]) == 2
        said = capsys.readouterr().err
        assert 'tinypose_256_192.bin' in said
        assert 'picodet_320.xml' not in said
        assert '--teachers' in said

    def test_everything_is_written(self, tmp_path, capsys):
        out = tmp_path / 'device.json'
        arguments = [
            '--engines', 'torch', '--people', '1', '20', '--sizes', '128', '192', '--rounds',
            '1', '--threads', '1', '--device', 'cpu', '--no-steps', '--json', str(out),
            '--growth-sizes', '128', '192', '--precisions', 'f32',
        ]  # fmt: skip
        assert main(arguments) == 0
        content = json.loads(out.read_text())
        assert content['schema'] == 'pose_tracking_ros/benchmark/1'
        assert len(content['measurements']) == 4
        for one in content['measurements']:
            assert (one['name'], one['engine'], one['device']) == ('lite', 'torch', 'cpu')
            assert (one['threads'], one['precision']) == (1, 'f32')
            assert 0 < one['ms']['p50'] <= one['ms']['p95'] <= one['ms']['p99']
            medians = [stage['p50'] for stage in one['stages_ms'].values()]
            assert min(medians) > 0
            assert {'trunk', 'heads', 'track'} <= set(one['stages_ms'])
        assert content['ratios']['lite_20_over_1'] > 0
        low, high = content['ratio_quartiles']['lite_20_over_1']
        assert low <= content['ratios']['lite_20_over_1'] <= high
        assert set(content['growth']['lite (torch)']) == {
            'us_per_pixel', 'ms_per_proposal', 'ms_per_person', 'r2', 'points', 'constant_ms',
            'r2_with_constant',
        }  # fmt: skip
        page = out.with_suffix('.md').read_text()
        assert content['command'] in page
        assert 'lite_20_over_1' in page
        for what in ('people', 'pixels', 'stages'):
            name = f'device-{what}.png'
            assert (tmp_path / name).stat().st_size > 5000
            assert f']({name})' in page
        assert 'R²' in capsys.readouterr().out


def test_pictures_of_a_clip_are_spread_over_it(tmp_path):
    import cv2

    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    for level in range(0, 250, 10):
        writer.write(np.full((48, 64, 3), (0, 0, level), np.uint8))
    writer.release()
    pictures = clip_pictures(path, 3)
    # The red channel comes first.
    assert [round(float(one[..., 0].mean()), -1) for one in pictures] == [0, 120, 240]
