"""Work spread over processes of this machine, or over a Ray cluster; results as they come.

Work is done one task at a time in each process, with one thread.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import cv2

from pose_tracking_ros.evaluation.keypoints import EvaluationError

TaskT = TypeVar('TaskT')
DoneT = TypeVar('DoneT')

LOCAL_RAY = 'local'
"""Address that starts Ray on this machine instead of joining a cluster."""


def run_local(
    work: Callable[[TaskT], DoneT], tasks: Sequence[TaskT], workers: int
) -> Iterator[tuple[int, DoneT]]:
    """Yield the place of each task and what became of it, in the order in which they end.

    Processes are started afresh, and load everything themselves. When the iterator is closed, or
    an error or Ctrl-C ends it, they are stopped at once.

    Args:
        work: a function of a module.
        tasks: its arguments; they are pickled.
        workers: processes, at least 1.

    Raises:
        EvaluationError: a process was killed; and whatever `work` raises.
    """
    if workers < 1:
        raise EvaluationError(f'workers: expected at least 1, got {workers}')
    before = {child.pid for child in multiprocessing.active_children()}
    pool = ProcessPoolExecutor(
        min(workers, max(len(tasks), 1)),
        mp_context=multiprocessing.get_context('spawn'),
        initializer=_become_worker,
    )
    try:
        waiting = {pool.submit(work, task): place for place, task in enumerate(tasks)}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BrokenProcessPool as error:
        raise EvaluationError(
            'a worker process was killed, perhaps because the memory was full; try fewer workers. '
            'What was finished is kept'
        ) from error
    except BaseException:
        # What they are busy with might take minutes.
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _become_worker() -> None:
    # Ctrl-C reaches the whole group of processes; a worker just ends, without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The network's threads are a setting; those of OpenCV would fight with the other workers.
    cv2.setNumThreads(1)


def run_on_ray(
    work: Callable[[TaskT], DoneT], tasks: Sequence[TaskT], address: str
) -> Iterator[tuple[int, DoneT]]:
    """Yield the place of each task and what became of it, in the order in which they end.

    Each task takes one processor of the cluster, whose machines must have this package, and what
    the tasks name, under the same paths.

    Args:
        work: a function of a module.
        tasks: its arguments; they are pickled.
        address: of the cluster, as in `ray://host:10001` or `auto`; `local` starts one here.

    Raises:
        EvaluationError: Ray is not installed or the cluster is not there; and whatever `work`
            raises.
    """
    ray = _import_ray()
    try:
        ray.init(
            address=None if address == LOCAL_RAY else address,
            log_to_driver=False,
            include_dashboard=False if address == LOCAL_RAY else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise EvaluationError(
            f'Ray at {address}: {error}; expected the address of a running cluster (ray start '
            f'--head), auto, or {LOCAL_RAY}'
        ) from error
    try:
        remote = ray.remote(num_cpus=1)(_with_one_thread)
        waiting = {remote.remote(work, task): place for place, task in enumerate(tasks)}
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            try:
                outcome = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                # Ray wraps what was raised into an error with the worker's stack in its text.
                raise error.cause from error
            yield waiting.pop(done), outcome
    finally:
        ray.shutdown()


def _with_one_thread(work: Callable[[TaskT], DoneT], task: TaskT) -> DoneT:
    cv2.setNumThreads(1)
    return work(task)


def _import_ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != 'ray':
            raise
        raise EvaluationError(
            'Ray is not installed; pip install -r requirements/ray.txt -c '
            'requirements/constraints.txt, or use --workers'
        ) from error
    return ray
