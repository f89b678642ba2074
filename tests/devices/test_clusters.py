import sys
import warnings

import pytest
from jax._src import clusters as jax_clusters
from jax._src.clusters import cloud_tpu_cluster

from nmt.devices.clusters import Place, ProcessFlags, find_place
from nmt.errors import ConfigError, RunError

NO_FLAGS = ProcessFlags()
SLURM = {  # of the second of four tasks on two nodes
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_NODELIST": "node[007-008],other",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1314521088.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMIX_", "TPU_", "MEGASCALE_", "JAX_COORD")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("JAX_LOCAL_DEVICE_IDS", raising=False)


@pytest.fixture
def environment(monkeypatch):
    def set_all(*groups, **single):
        for name, value in {k: v for g in (*groups, single) for k, v in g.items()}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return set_all


@pytest.fixture
def tpu_host(monkeypatch):
    """As jax sees a TPU host; the name of any host is known."""
    monkeypatch.setattr(cloud_tpu_cluster, "running_in_cloud_tpu_vm", True)
    monkeypatch.setattr(cloud_tpu_cluster.socket, "gethostbyname", lambda host: "10.0.0.1")


# ---- flags


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("node1:5000", None, None), "missing: --num-processes, --process-id"),
        ((None, 2, 0), "missing: --coordinator"),
        (("node1:5000", 0, 0), "--num-processes must be 1 or more; got 0"),
        (("node1:5000", 2, 2), "--process-id must be from 0 to 1, .* is 2; got 2"),
        (("node1:5000", 2, -1), "--process-id must be from 0 to 1, .*; got -1"),
        *(
            ((address, 2, 0), "--coordinator must be HOST:PORT, such as node1:5000; got ")
            for address in (
                *("node1", ":5000", "node1:", "node1:port", "node1:0", "node1:65536"),
                *("http://node1:5000", "a b:5000", "::1:5000", "[::1]", "", "node1:５000"),
            )
        ),
    ],
)
def test_flags_that_cannot_be_meant(flags, message):
    with pytest.raises(ConfigError, match=message):
        ProcessFlags(*flags)


@pytest.mark.parametrize(
    "host", ["node1", "node1.example.org", "10.0.0.1", "[::1]", "[fe80::1%e0]"]
)
def test_flags_say_the_place(host):
    assert find_place(ProcessFlags(f"{host}:5000", 3, 2), 1) == Place(host, 5000, 3, 2)


def test_flags_win_over_a_cluster(environment):
    environment(SLURM)
    assert find_place(ProcessFlags("node1:5000", 3, 2), 1) == Place("node1", 5000, 3, 2)
    assert find_place(ProcessFlags("node1:5000", 1, 0), 1) is None


def test_no_cluster():
    assert find_place(NO_FLAGS, 1) is None


# ---- Slurm


def test_slurm(environment):
    environment(SLURM)
    port = 65536 - 4096 + 1234 % 4096
    assert find_place(NO_FLAGS, 1) == Place("node007", port, 4, 1, (1,))


def test_slurm_with_one_task_on_a_node_has_all_its_devices(environment):
    environment(SLURM, SLURM_STEP_NUM_NODES="4")
    assert find_place(NO_FLAGS, 1).local_devices is None


def test_devices_that_the_user_chooses_are_left_to_jax(environment):
    environment(SLURM, JAX_LOCAL_DEVICE_IDS="0,1")
    assert find_place(NO_FLAGS, 1).local_devices is None


def test_the_port_can_be_chosen(environment):
    environment(SLURM, JAX_COORDINATOR_PORT="5001")
    assert find_place(NO_FLAGS, 1).port == 5001


@pytest.mark.parametrize(
    "alone",
    [
        {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"},
        {"SLURM_STEP_NUM_TASKS": "1"},  # a shell within an allocation of four tasks
        {"SLURM_STEP_NODELIST": None, "SLURM_STEP_NUM_TASKS": None},  # the batch script itself
        {name: None for name in SLURM if name != "SLURM_JOB_ID"},
    ],
)
def test_a_lone_process_in_slurm_waits_for_none(environment, alone):
    environment(SLURM, alone)
    assert find_place(NO_FLAGS, 1) is None


def test_a_cluster_that_makes_no_sense_is_told_in_one_line(environment):
    environment(SLURM, SLURM_PROCID="first")
    with pytest.raises(RunError, match="started by slurm, which does not tell how .* give --coord"):
        find_place(NO_FLAGS, 1)


# ---- Open MPI


def test_open_mpi_4(environment):
    environment(OPEN_MPI)
    place = find_place(NO_FLAGS, 1)
    assert place == Place("10.96.0.1", place.port, 4, 3, (1,))
    assert 65536 - 4096 <= place.port <= 65535


def test_open_mpi_alone(environment):
    environment(OPEN_MPI, OMPI_COMM_WORLD_SIZE="1")
    assert find_place(NO_FLAGS, 1) is None


def test_open_mpi_inside_slurm(environment):
    environment(SLURM, OPEN_MPI, OMPI_COMM_WORLD_LOCAL_SIZE="1")
    place = find_place(NO_FLAGS, 1)
    assert (place.host, place.index, place.local_devices) == ("10.96.0.1", 3, None)


@pytest.mark.parametrize("around", [{}, SLURM])
def test_open_mpi_5_needs_mpi4py_or_flags(environment, around, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setattr(jax_clusters.Mpi4pyCluster, "is_env_present", lambda: False)
    environment(around, OPEN_MPI, OMPI_MCA_orte_hnp_uri=None)
    with pytest.raises(RunError, match="install mpi4py, or give --coordinator HOST:PORT"):
        find_place(NO_FLAGS, 1)
    assert find_place(ProcessFlags("node1:5000", 4, 3), 1) == Place("node1", 5000, 4, 3)


# ---- TPU


def test_gke_tpu_pod(environment, tpu_host):
    environment(
        TPU_WORKER_HOSTNAMES="tpu-0.svc,tpu-1.svc", TPU_WORKER_ID="1", MEGASCALE_NUM_SLICES=""
    )
    environment(MEGASCALE_COORDINATOR_ADDRESS="", MEGASCALE_SLICE_ID="")
    assert find_place(NO_FLAGS, 1) == Place("tpu-0.svc", 8482, 2, 1)


def test_gke_tpu_of_one_host(environment, tpu_host):
    environment(TPU_WORKER_HOSTNAMES="localhost", TPU_WORKER_ID="0", MEGASCALE_NUM_SLICES="")
    assert find_place(NO_FLAGS, 1) is None


@pytest.mark.filterwarnings("ignore:'maxsplit':DeprecationWarning")  # of jax, with Python 3.13
@pytest.mark.parametrize("endpoints", ["10.0.0.5,10.0.0.6", "a:1:10.0.0.5,b:2:10.0.0.6"])
def test_cloud_tpu_pod(environment, tpu_host, monkeypatch, endpoints):
    metadata = {
        "agent-worker-number": "1",
        "worker-network-endpoints": endpoints,
        "tpu-env": "ZONE: 'here'",
    }
    monkeypatch.setattr(cloud_tpu_cluster, "get_metadata", lambda key: (metadata[key], 200))
    assert find_place(NO_FLAGS, 1) == Place("10.0.0.5", 8482, 2, 1)


def test_a_tpu_machine_without_metadata_is_alone(tpu_host, monkeypatch):
    def fail(key):
        raise OSError("no route to host")

    monkeypatch.setattr(cloud_tpu_cluster, "get_metadata", fail)
    assert find_place(NO_FLAGS, 1) is None


def test_a_pod_of_kubernetes_without_tpu_is_alone_and_quiet(environment):
    environment(KUBERNETES_SERVICE_HOST="10.0.0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_place(NO_FLAGS, 1) is None
