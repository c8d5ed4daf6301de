"""Backbones, heads, losses, metrics and the commands that train, evaluate and predict."""

import os

# Before torch loads OpenMP: threads that wait shall sleep. Spinning, its default, costs a process that shares its cores
# with any other a factor of 3 to 20.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
