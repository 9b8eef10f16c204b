"""For all tests: array shapes and dtypes as annotated are checked, here and never in use."""

import os
import signal
from pathlib import Path

# Before torch loads OpenMP: idle threads that spin slow a busy machine down several times.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# Processes that share the tests (pytest-xdist) share the cores, too. None among them: 'alone'.
_WORKER = os.environ.get('PYTEST_XDIST_WORKER', 'alone')
if _WORKER != 'alone':
    os.environ['OMP_NUM_THREADS'] = '1'

# Converted networks of tests, and what was measured beside other tests, are not for the user.
os.environ['XDG_CACHE_HOME'] = str(
    Path(__file__).resolve().parents[1] / '.cache' / 'test' / _WORKER
)

from jaxtyping import install_import_hook  # noqa: E402 - after what it loads is told

# Parts that compute. `people` takes lists, too, and checks for itself; protocols elsewhere cannot
# be checked while running.
_CHECKED_PARTS = ('skeleton', 'network', 'tracking')

install_import_hook([f'pose_tracking_ros.{part}' for part in _CHECKED_PARTS], 'beartype.beartype')

# A shell that starts us in the background lets us ignore SIGINT, and the programs that the tests
# start and interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
