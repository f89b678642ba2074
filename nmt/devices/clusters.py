"""Where a process stands among several: by flags, or as Slurm, a TPU pod or Open MPI has put it.

jax knows how to read these clusters; what is decided here is whether there is anything to join. A
lone process is never made to wait for others: not on a login node, not inside an allocation of many
nodes, not on a TPU of one host.
"""

import os
import re
from dataclasses import dataclass
from typing import Any

from nmt.errors import ConfigError, NmtError, RunError

ALL_OR_NONE = "--coordinator, --num-processes and --process-id are wanted together"


@dataclass(frozen=True)
class ProcessFlags:
    """The flags of one process: all three, or none.

    Attributes:
      coordinator: "host:port" of the first process, where the others can reach it.
      num_processes: how many there are.
      process_id: which of them this is, from 0.
    """

    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None

    def __post_init__(self):
        named = {
            "--coordinator": self.coordinator,
            "--num-processes": self.num_processes,
            "--process-id": self.process_id,
        }
        missing = [name for name, value in named.items() if value is None]
        if len(missing) == len(named):
            return
        if missing:
            raise ConfigError(f"{ALL_OR_NONE}; missing: {', '.join(missing)}")
        parse_address(self.coordinator)
        if self.num_processes < 1:
            raise ConfigError(f"--num-processes must be 1 or more; got {self.num_processes}")
        if not 0 <= self.process_id < self.num_processes:
            raise ConfigError(
                f"--process-id must be from 0 to {self.num_processes - 1}, because "
                f"--num-processes is {self.num_processes}; got {self.process_id}"
            )


@dataclass(frozen=True)
class Place:
    """A process among several.

    Attributes:
      host, port: of the coordinator, at the first process.
      count: of processes.
      index: of this one, from 0.
      local_devices: numbers of the devices of its machine that are its own; None for all.
    """

    host: str
    port: int
    count: int
    index: int
    local_devices: tuple[int, ...] | None = None


def parse_address(address: str) -> tuple[str, int]:
    """Reads "host:port", with an IPv6 address in brackets.

    Raises:
      ConfigError: it is something else.
    """
    host, colon, port = address.rpartition(":")
    legal = colon and re.fullmatch(r"\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:/\s]+", host)
    if not legal or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ConfigError(f"--coordinator must be HOST:PORT, such as node1:5000; got {address!r}")
    return host, int(port)


def find_place(flags: ProcessFlags, timeout: float) -> Place | None:
    """Where this process stands; None where it is alone.

    Args:
      flags: they win over any cluster.
      timeout: seconds to wait for the name of the first machine to become known.
    Raises:
      NmtError: the cluster does not tell enough.
    """
    if flags.coordinator is not None:
        if flags.num_processes == 1:
            return None
        return Place(*parse_address(flags.coordinator), flags.num_processes, flags.process_id)
    cluster = _present_cluster()
    if cluster is None:
        return None
    try:
        return _place_in(cluster, timeout)
    except NmtError:
        raise
    except Exception as error:  # whatever a cluster leaves out, jax's readers trip over
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunError(
            f"several processes seem to be started by {cluster.name}, which does not tell how "
            f"({reason}); give --coordinator, --num-processes and --process-id"
        ) from error


def _present_cluster() -> Any:
    """The class of jax for the cluster that has started this process, or None."""
    from jax._src import clusters

    if _is_open_mpi_5():  # first, as its processes may also be within Slurm
        if clusters.Mpi4pyCluster.is_env_present():
            return clusters.Mpi4pyCluster
        raise RunError(
            "Open MPI 5 does not tell where the first process is; install mpi4py, or give "
            "--coordinator HOST:PORT --num-processes $OMPI_COMM_WORLD_SIZE "
            "--process-id $OMPI_COMM_WORLD_RANK"
        )
    tpus = clusters.GkeTpuCluster, clusters.GceTpuCluster
    for cluster in (clusters.OmpiCluster, clusters.SlurmCluster, *tpus):
        if _is_present(cluster):
            return cluster
    return None


def _place_in(cluster: Any, timeout: float) -> Place | None:
    if _is_lone_step(cluster):
        return None
    count = cluster.get_process_count()
    if count <= 1:
        return None
    address = cluster.get_coordinator_address(
        timeout_secs=int(timeout),
        override_coordinator_port=os.environ.get("JAX_COORDINATOR_PORT"),
    )
    host, _, port = address.rpartition(":")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return Place(host, int(port), count, cluster.get_process_id(), _local_devices(cluster))


def _is_lone_step(cluster: Any) -> bool:
    """Whether it is the only task of its Slurm step: a shell inside an allocation of many tasks."""
    return cluster.name == "slurm" and os.environ.get("SLURM_STEP_NUM_TASKS") == "1"


def _local_devices(cluster: Any) -> tuple[int, ...] | None:
    """One device for each of several processes of a machine; all of them for a single one."""
    if cluster.name == "slurm":
        nodes = os.environ.get("SLURM_STEP_NUM_NODES") or os.environ.get("SLURM_NNODES")
        alone = nodes == os.environ["SLURM_NTASKS"]
    elif cluster.name in ("ompi", "mpi4py"):
        alone = os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE") == "1"
    else:
        alone = True  # a TPU host is one process
    if alone or os.environ.get("JAX_LOCAL_DEVICE_IDS"):  # which jax reads itself
        return None
    return (cluster.get_local_process_id(),)


def _is_open_mpi_5() -> bool:
    """Whether Open MPI has started several processes without what its older versions tell them."""
    count = os.environ.get("OMPI_COMM_WORLD_SIZE", "")
    return count.isdecimal() and int(count) > 1 and "OMPI_MCA_orte_hnp_uri" not in os.environ


def _is_present(cluster: Any) -> bool:
    """Whether its variables are there; not where asking fails, as for metadata outside a cloud."""
    try:
        return cluster.is_env_present()
    except Exception:
        return False
