"""`python -m pose_tracking_ros.benchmark`, see `command`."""

import os
import sys

# Before torch loads OpenMP: idle threads that spin slow a busy machine down several times.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from pose_tracking_ros.benchmark.command import main

if __name__ == '__main__':
    sys.exit(main())
