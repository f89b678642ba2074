"""Kinds of accelerators for which XLA compiles where there is none."""

import jax
from jax.experimental import topologies

from nmt.errors import NmtError

# What XLA wants to know of an NVIDIA H200, by its data sheet; compute capability 9.0.
H200 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  threads_per_warp: 32
  threads_per_block_limit: 1024
  threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  l2_cache_size: 52428800
  memory_bandwidth: 4800000000000
  device_memory_size: 151000000000
}
platform_name: "CUDA"
runtime_version { major: 12 minor: 8 }
dnn_version_info { major: 9 minor: 12 }
device_description_str: "NVIDIA H200"
"""
PLUGINS = {"cuda": "pip install -e '.[gpu]'", "tpu": "pip install -e '.[tpu]'"}


def device_of(target: str) -> jax.Device:
    """A device of a kind, to compile for.

    Args:
      target: "h200", "v5e", or "cpu", which is this machine.
    Raises:
      NmtError: XLA's plugin for it is not installed.
    """
    if target == "cpu":
        return jax.devices("cpu")[0]
    if target == "h200":
        return _first("cuda", "1x1x1", topology="1x1x1", target_config=H200)
    return _first("tpu", "v5e:2x2")


def _first(platform: str, name: str, **options: str) -> jax.Device:
    try:
        topology = topologies.get_topology_desc(name, platform, **options)
    except (NotImplementedError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise NmtError(
            f"to compile for it, XLA's plugin for {platform} is wanted: {PLUGINS[platform]}; "
            f"got: {reason}"
        ) from None
    return topology.devices[0]
