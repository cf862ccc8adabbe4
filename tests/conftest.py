"""Settings that every test shares: one thread, and hypothesis without clock, chance or files."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch starts, and for the processes that tests start

import torch
from hypothesis import settings

torch.set_num_threads(1)
# A shell that starts the tests in the background lets them ignore Ctrl-C, which some tests send to themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("edgewise", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("edgewise")
