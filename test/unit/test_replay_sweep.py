"""Sweeps: the same results whoever does the work, nothing done twice, sure comparisons."""

import argparse
import json
import multiprocessing
import os
import sys

import cv2
import numpy as np
import pytest
from bar_people import bar_engine, die, fail_on_odd, sleep, write_bar_bag
from rich.console import Console

from pose_tracking_ros.evaluation.__main__ import main
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay import sweep_command
from pose_tracking_ros.evaluation.replay.bootstrap import Estimate
from pose_tracking_ros.evaluation.replay.configuration import make_configuration
from pose_tracking_ros.evaluation.replay.pareto import (
    Point,
    front_of,
    pareto_front,
    write_pareto_plot,
)
from pose_tracking_ros.evaluation.replay.replay import Realism
from pose_tracking_ros.evaluation.replay.sweep import (
    SweptBag,
    Task,
    comparable,
    fingerprint,
    named_bags,
    sweep,
)
from pose_tracking_ros.evaluation.replay.sweep_command import add_sweep, sweep_all
from pose_tracking_ros.evaluation.replay.sweep_table import sweep_table
from pose_tracking_ros.evaluation.workers import run_local, run_on_ray
from pose_tracking_ros.settings import NetworkSettings

HASTY = 'tracker_node: {ros__parameters: {strategy: iou, max_lost_s: 0.2}}\n'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two bags with their truth, and a configuration that loses people."""
    made = tmp_path_factory.mktemp('sweep')
    write_bar_bag(made / 'a')
    write_bar_bag(made / 'b', first=40)
    (made / 'hasty.yaml').write_text(HASTY)
    return made


def options_of(folder, output, *more):
    parser = argparse.ArgumentParser()
    add_sweep(parser.add_subparsers())
    bags = [str(folder / name) for name in ('a', 'b')]
    truths = [f'{bag}.txt' for bag in bags]
    given = ['--bags', *bags, '--ground-truth', *truths, '--configs', str(folder / 'hasty.yaml')]
    return parser.parse_args(
        ['sweep', *given, '--baseline', 'default', '--output', str(output), *more]
    )


def in_this_process(work, tasks, **unused):
    """Do what workers do, here."""
    for place, task in enumerate(tasks):
        yield place, work(task)


@pytest.fixture
def no_workers(monkeypatch):
    monkeypatch.setattr(sweep_command, 'run_local', in_this_process)


def lasting(report):
    """What of a report does not depend on the speed of the machine."""
    return {key: value for key, value in report.items() if key not in ('timing', 'pareto')}


def test_results_are_the_same_whoever_does_the_work(folder, tmp_path, monkeypatch):
    two = sweep_all(options_of(folder, tmp_path / 'two', '--workers', '2'), bar_engine)
    monkeypatch.setattr(sweep_command, 'run_local', in_this_process)
    here = sweep_all(options_of(folder, tmp_path / 'here'), bar_engine)
    assert json.dumps(lasting(two)) == json.dumps(lasting(here))
    # There is something to compare.
    difference = two['configurations']['hasty']['figures']['hota']['difference']
    assert difference['value'] < -1.0
    assert difference['low'] < difference['value'] < difference['high']


def test_results_are_the_same_on_ray(folder, tmp_path, monkeypatch):
    pytest.importorskip('ray', reason='pip install -r requirements/ray.txt')
    support = os.path.dirname(sys.modules[bar_engine.__module__].__file__)
    monkeypatch.setenv('PYTHONPATH', support, prepend=os.pathsep)
    on_ray = sweep_all(options_of(folder, tmp_path / 'ray', '--ray', 'local'), bar_engine)
    monkeypatch.setattr(sweep_command, 'run_local', in_this_process)
    here = sweep_all(options_of(folder, tmp_path / 'here'), bar_engine)
    assert json.dumps(lasting(on_ray)) == json.dumps(lasting(here))


@pytest.mark.usefixtures('no_workers')
def test_sweep_leaves_figures_and_picture(folder, tmp_path):
    report = sweep_all(options_of(folder, tmp_path), bar_engine)
    assert json.loads((tmp_path / 'sweep.json').read_text()) == report
    assert cv2.imread(str(tmp_path / 'pareto.png')).shape[1] > 400
    assert report['baseline'] == 'default'
    assert report['configurations']['hasty']['settings']['strategy'] == 'iou'
    assert report['intervals']['people'] == 6
    for name in ('default', 'hasty'):
        one = report['configurations'][name]
        # The people of both bags together, as trackeval counts each of them.
        switches = sum(figures['mot']['idsw'] for figures in one['bags'].values())
        assert one['figures']['switches']['value'] == switches
        assert report['timing'][name]['ms_per_image'] > 0
    assert report['configurations']['hasty']['figures']['switches']['value'] > 0
    assert set(report['configurations']['default']['figures']['mota']['difference'].values()) == {
        0
    }


@pytest.mark.usefixtures('no_workers')
def test_table_marks_what_is_sure(folder, tmp_path):
    report = sweep_all(options_of(folder, tmp_path), bar_engine)
    figures = report['configurations']['hasty']['figures']
    figures['hota'] = {
        **figures['hota'],
        'difference': {'value': -3.25, 'low': -5.0, 'high': -1.0},
    }
    figures['mota'] = {**figures['mota'], 'difference': {'value': 2.0, 'low': -1.0, 'high': 4.0}}
    console = Console(width=200, force_terminal=True, color_system=None, record=True)
    console.print(sweep_table(report))
    text = console.export_text(styles=True)
    assert '\x1b[1m-3.2' in text.replace(' ', '')
    assert '[-5.0, -1.0]' in text
    assert '[-1.0, +4.0]' in text
    assert '\x1b[1m+2.0' not in text.replace(' ', '')


@pytest.mark.usefixtures('no_workers')
def test_without_truth_there_are_no_figures_of_accuracy(folder, tmp_path):
    options = options_of(folder, tmp_path)
    options.ground_truth = []
    report = sweep_all(options, bar_engine)
    assert report['configurations']['default']['figures'] == {}
    assert report['pareto'] == []
    assert not (tmp_path / 'pareto.png').exists()
    console = Console(width=120, record=True, quiet=True)
    console.print(sweep_table(report))


def tasks_of(folder, **changes):
    bags = named_bags(
        [folder / 'a', folder / 'b'], None, [f'{folder / name}.txt' for name in ('a', 'b')]
    )
    values = {'strategy': 'iou'} | changes
    configuration = comparable(make_configuration('tried', values))
    return [Task(bag, configuration, bar_engine, max_images=4) for bag in bags]


def counted(tasks, output):
    """Sweep here and return outcomes and the names of the bags that were replayed."""
    replayed = []

    def spread(work, left):
        replayed.extend(task.bag.name for task in left)
        return in_this_process(work, left)

    return sweep(tasks, output, spread), replayed


def test_what_is_done_is_not_done_again(folder, tmp_path):
    first, replayed = counted(tasks_of(folder), tmp_path)
    assert replayed == ['a', 'b']
    again, replayed = counted(tasks_of(folder), tmp_path)
    assert replayed == []
    assert [one.as_json() for one in again] == [one.as_json() for one in first]
    _, replayed = counted(tasks_of(folder, max_lost_s=1.0), tmp_path)
    assert replayed == ['a', 'b']


def test_only_what_has_changed_is_done_again(tmp_path):
    write_bar_bag(tmp_path / 'a', images=3)
    write_bar_bag(tmp_path / 'b', images=3)
    counted(tasks_of(tmp_path), tmp_path / 'out')
    bag = next((tmp_path / 'b').glob('*.mcap'))
    os.utime(bag, ns=(1, bag.stat().st_mtime_ns + 10**9))
    assert counted(tasks_of(tmp_path), tmp_path / 'out')[1] == ['b']
    truth = tmp_path / 'a.txt'
    truth.write_text(truth.read_text() + '3,9,1,1,5,5,1,1,1\n')
    assert counted(tasks_of(tmp_path), tmp_path / 'out')[1] == ['a']


def test_fingerprint_changes_with_all_that_decides(folder, tmp_path):
    (tmp_path / 'weights').write_bytes(b'1')
    values = {'weights': str(tmp_path / 'weights')}
    bag = SweptBag('a', folder / 'a')

    def printed(bag=bag, realism=None, max_images=None, **changes):
        configuration = make_configuration('x', values | changes)
        return fingerprint(Task(bag, configuration, bar_engine, realism, max_images))

    before = printed()
    assert printed() == before
    prints = {
        before,
        printed(SweptBag('a', folder / 'b')),
        printed(SweptBag('a', folder / 'a', '/other')),
        printed(SweptBag('a', folder / 'a', None, '/truth')),
        printed(realism=Realism(5.0)),
        printed(max_images=3),
        printed(min_person_score=0.41),
    }
    (tmp_path / 'weights').write_bytes(b'12')
    assert len(prints | {printed()}) == 8


def test_damaged_outcome_is_refused_by_name(folder, tmp_path):
    tasks = tasks_of(folder)[:1]
    counted(tasks, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text('{"figures": {}}')
    with pytest.raises(EvaluationError, match=r'tried-a-.*\.json: not the outcome .* delete it'):
        counted(tasks, tmp_path)


def test_interruption_keeps_what_is_finished(folder, tmp_path, monkeypatch, capsys):
    def interrupted(work, tasks, **unused):
        yield 1, work(tasks[1])
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_command, 'run_local', interrupted)
    with pytest.raises(SystemExit) as ended:
        sweep_all(options_of(folder, tmp_path), bar_engine)
    assert ended.value.code == 130
    assert 'interrupted; 1 of 4 replays are kept' in capsys.readouterr().err
    left = []

    def rest(work, tasks, **unused):
        left.extend(tasks)
        return in_this_process(work, tasks)

    monkeypatch.setattr(sweep_command, 'run_local', rest)
    sweep_all(options_of(folder, tmp_path), bar_engine)
    assert [(task.configuration.name, task.bag.name) for task in left] == [
        ('default', 'a'),
        ('hasty', 'a'),
        ('hasty', 'b'),
    ]


def test_errors_of_workers_come_through():
    with pytest.raises(EvaluationError, match='1 is odd'):
        list(run_local(fail_on_odd, [0, 2, 1], 1))


def test_killed_worker_is_told():
    with pytest.raises(EvaluationError, match='a worker process was killed'):
        list(run_local(die, [0], 1))


def test_workers_end_with_whoever_waits_for_them():
    before = set(multiprocessing.active_children())
    outcomes = run_local(sleep, [0, 3600], 1)
    assert next(outcomes) == (0, 0)
    outcomes.close()
    assert set(multiprocessing.active_children()) == before


def test_missing_ray_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(EvaluationError, match=r'Ray is not installed; pip install -r require'):
        list(run_on_ray(fail_on_odd, [0], 'local'))


def test_every_worker_computes_alike():
    steady = comparable(make_configuration('x', {'threads': 4})).get(NetworkSettings)
    assert (steady.threads, steady.engine) == (1, 'torch')
    kept = comparable(make_configuration('x', {'engine': 'openvino'})).get(NetworkSettings)
    assert kept.engine == 'openvino'


def test_bags_of_one_name_are_told_apart_by_their_paths(tmp_path):
    paths = [tmp_path / 'x' / 'bag', tmp_path / 'y' / 'bag', tmp_path / 'other']
    names = [bag.name for bag in named_bags(paths, None, ['/truth'])]
    assert names == [str(paths[0]), str(paths[1]), 'other']
    assert {bag.ground_truth for bag in named_bags(paths, None, ['/truth'])} == {'/truth'}
    with pytest.raises(EvaluationError, match='one more than once'):
        named_bags([tmp_path / 'x', tmp_path / 'y' / '..' / 'x'], None, [])
    with pytest.raises(EvaluationError, match='one for each of the 3, got 2'):
        named_bags(paths, None, ['a', 'b'])


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (['--baseline', 'none'], '--baseline: expected one of default, or default; got none'),
        (['--workers', '0'], '--workers: expected at least 1, got 0'),
        (['--resamples', '0'], '--resamples: expected at least 1, got 0'),
        (['--processing-ms', '5'], '--processing-ms: expected together with --realistic'),
        (['--set', 'no_such=1'], "there is no setting 'no_such'"),
    ],
)
def test_wrong_options_are_told(given, message, folder, tmp_path, capsys):
    arguments = ['sweep', '--bags', str(folder / 'a'), '--output', str(tmp_path / 'out'), *given]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_front_is_what_no_other_beats():
    costs = np.array([5.0, 1.0, 3.0, 3.0, 4.0, 1.0])
    worths = np.array([9.0, 4.0, 7.0, 6.0, 7.0, 4.0])
    assert pareto_front(costs, worths).tolist() == [1, 5, 2, 0]
    assert pareto_front(np.zeros(0), np.zeros(0)).tolist() == []


def test_front_leaves_out_whose_accuracy_is_unknown(tmp_path):
    unknown = Point('unknown', 1.0, Estimate(None, None, None))
    known = Point('known', 2.0, Estimate(50.0, None, None))
    assert front_of([unknown, known]) == [known]
    write_pareto_plot(tmp_path / 'made' / 'p.png', [unknown, known], 'time', 'HOTA')
    assert cv2.imread(str(tmp_path / 'made' / 'p.png')) is not None
    with pytest.raises(ValueError, match='at least one with a known accuracy'):
        write_pareto_plot(tmp_path / 'q.png', [unknown], 'time', 'HOTA')
