"""What holds for all tests: they compile cheaply, keep what they compiled, and download nothing."""

import gc
import importlib.metadata
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.ports import free_port

CACHE = Path(__file__).parents[1] / ".pytest_cache" / "compiled"
MOST_MAPS = 20_000
os.environ.setdefault("NMT_CACHE", str(CACHE))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["JAX_NUM_CPU_DEVICES"] = "8"  # virtual ones, for the tests that ask for several
if importlib.metadata.version("jaxlib").startswith("0.10."):  # a flag unknown to XLA ends it
    # The emitters of fused loops that XLA had before compile in a third of the time of those it has
    # now, and most programs here are too small to be worth cutting up for threads to share.
    os.environ["XLA_FLAGS"] = " ".join(
        [
            os.environ.get("XLA_FLAGS", ""),
            "--xla_cpu_use_fusion_emitters=false",
            "--xla_cpu_parallel_codegen_split_count=1",
        ]
    ).strip()
worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if worker and hasattr(os, "sched_setaffinity"):  # those that share a core wait for one another
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker) % len(cores)]})
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a script's shell starts with "&"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests send it
gc.set_threshold(100_000, 20, 50)  # what jax has traced is much to go through, time and again


def pytest_collection_modifyitems(items):
    """Files that take long come first, notebooks before all: short ones even out the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.parent.name != "notebooks", item.path not in slow))


@pytest.fixture(scope="session", autouse=True)
def compilation():
    """Models this small run in no time; compiling them well would take most of it.

    What one test has compiled, the next, and the next run of the tests, need not.
    """
    import jax

    from nmt.devices.compiled_programs import use_compilation_cache

    use_compilation_cache()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module", autouse=True)
def forgotten_programs(compilation):
    """Lets go of compiled programs before a process has more memory maps than Linux allows.

    Each program takes several of some 65,000; without one more XLA ends the process.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        import jax

        jax.clear_caches()


@pytest.fixture(scope="session", autouse=True)
def one_device(compilation):
    """Only the first device is used where a test does not name others; processes see one each."""
    import jax

    from nmt.devices import mesh

    first = jax.devices()[:1]
    mesh.visible_devices = lambda: first
    os.environ["JAX_NUM_CPU_DEVICES"] = "1"


@pytest.fixture
def optimized_compilation():
    """A `jax.jit` that compiles as in real use, to machine code that is polished less."""
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    options = {"xla_cpu_use_fusion_emitters": True, "xla_backend_optimization_level": 1}
    yield partial(jax.jit, compiler_options=options)
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(params=[False, True], ids=["no tiles", "tiles"])
def tiles(request, monkeypatch):
    """Whether the processor is taken for one that multiplies tiles: once not, and once so."""
    monkeypatch.setattr("nmt.models.linear.multiplies_tiles", lambda: request.param)
    return request.param


@pytest.fixture
def two_processes():
    """Runs a program as two processes of two devices each; both must end well.

    It is called with what leads to the program and what the program gets: `python ARGUMENTS... RANK
    ADDRESS FOLDER`, of which the address is where the two meet.
    """
    started = []

    def run(*program_and_folder):
        *program, folder = program_and_folder
        address = f"localhost:{free_port()}"
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": "2",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        }
        for rank in range(2):
            command = [sys.executable, *program, str(rank), address, folder]
            process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
            started.append(process)
        for process in started:
            _, said = process.communicate(timeout=180)
            assert process.returncode == 0, said

    yield run
    for process in started:
        process.kill()
        process.communicate()
