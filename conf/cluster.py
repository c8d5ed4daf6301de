"""Where work is spread: this machine's cores, or a cluster that Ray runs on."""

import logging
import os
import socket

import ray

from conf.command import UserError


def connect(address: str | None) -> bool:
    """Returns whether Ray runs on this machine only, for us only. Raises UserError when no cluster answers."""
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ.update({name: value for name, value in quiet.items() if name not in os.environ})
    if address is None:
        # Also where another cluster runs; nothing of size goes through the object store, and /dev/shm may be small.
        ray.init("local", include_dashboard=False, object_store_memory=10**8, logging_level=logging.ERROR)
        return True
    try:
        host, _, port = address.rpartition(":")
        if host and "/" not in address:  # Ray itself would try for two minutes, and then end this process
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, logging_level=logging.ERROR)
    except (OSError, ValueError) as error:
        raise UserError(f"ray_address={address}: no Ray cluster answers ({str(error).splitlines()[0]}); see docs/scale.md") from error
    return False


def cpus(local: bool) -> int:
    """CPUs that Ray has: it heeds a container's limits, but not what Slurm leaves us of a machine."""
    have = max(1, int(ray.cluster_resources().get("CPU", 1)))
    return min(have, len(os.sched_getaffinity(0))) if local and hasattr(os, "sched_getaffinity") else have
