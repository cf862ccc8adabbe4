"""Runs `python -m edgewise_experiments`."""

import sys

from edgewise_experiments.pages.command import main

sys.exit(main())
