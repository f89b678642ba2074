"""Where compiled programs are kept."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from nmt.devices import compiled_programs
from nmt.devices.compiled_programs import (
    cache_folder,
    use_compilation_cache,
    use_deterministic_programs,
    use_enough_threads,
)


@pytest.fixture(autouse=True)
def as_before():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize(
    "cache, xdg, expected",
    [
        (None, None, Path.home() / ".cache/nmt/compiled"),
        (None, "/xdg", Path("/xdg/nmt/compiled")),
        (None, "relative", Path.home() / ".cache/nmt/compiled"),
        ("/mine", "/xdg", Path("/mine")),
        ("", "/xdg", None),
    ],
)
def test_the_folder_is_the_users_own(monkeypatch, cache, xdg, expected):
    for name, value in (("NMT_CACHE", cache), ("XDG_CACHE_HOME", xdg)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert cache_folder() == expected


def test_it_is_used_where_it_can_be_made_and_given_up_where_not(monkeypatch, tmp_path):
    jax.config.update("jax_compilation_cache_dir", None)
    (tmp_path / "file").touch()
    for useless in ("", str(tmp_path / "file"), str(tmp_path / "file/cache")):
        monkeypatch.setenv("NMT_CACHE", useless)
        use_compilation_cache()
        assert jax.config.jax_compilation_cache_dir is None
    monkeypatch.setenv("NMT_CACHE", str(tmp_path / "new/cache"))
    use_compilation_cache()
    chosen = Path(jax.config.jax_compilation_cache_dir)
    assert chosen.parent == tmp_path / "new/cache" and chosen.is_dir()
    monkeypatch.setenv("NMT_CACHE", str(tmp_path / "other"))
    use_compilation_cache()  # what is chosen stays
    assert jax.config.jax_compilation_cache_dir == str(chosen)


@pytest.mark.parametrize(
    "cores, limit, threads", [(1, "", 1), (2, "", 2), (2, "1", 1), (2, "16", 2), (2, "some", 2)]
)
def test_each_number_of_threads_has_its_folder(monkeypatch, tmp_path, cores, limit, threads):
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setattr(compiled_programs, "num_cores", lambda: cores)
    monkeypatch.setenv("NMT_CACHE", str(tmp_path))
    monkeypatch.setenv("NPROC", limit)
    use_compilation_cache()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / f"{threads}_threads")


PRINTS_A_PROGRAM = """
import os
os.sched_setaffinity(0, {cores})
from nmt.devices.compiled_programs import use_compilation_cache
use_compilation_cache()
import jax, jax.numpy as jnp
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
print(jax.jit(lambda x: jnp.sin(x) * jnp.exp(-x)).lower(jnp.ones(2**22)).compile().as_text())
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no cores can be chosen here")
def test_programs_of_one_core_are_not_given_to_more(monkeypatch, tmp_path):
    """What is kept for all cores is what they would compile, whatever one core has kept."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # as a user's programs are compiled

    def program(cores, cache):
        code = PRINTS_A_PROGRAM.format(cores=cores)
        environment = os.environ | {"NMT_CACHE": str(cache)}
        return subprocess.check_output([sys.executable, "-c", code], env=environment)

    every = set(range(os.cpu_count()))
    program({min(os.sched_getaffinity(0))}, tmp_path)
    assert program(every, tmp_path) == program(every, cache="")
    assert list(tmp_path.glob("*/jit__lambda*-cache"))


@pytest.mark.parametrize(
    "before, after",
    [
        (None, "--xla_gpu_deterministic_ops=true"),
        ("--xla_a=1", "--xla_a=1 --xla_gpu_deterministic_ops=true"),
        (
            "--xla_gpu_deterministic_ops=false --xla_a=1",
            "--xla_a=1 --xla_gpu_deterministic_ops=true",
        ),
    ],
)
def test_deterministic_programs_are_asked_for_whatever_was_asked_before(monkeypatch, before, after):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if before is not None:
        monkeypatch.setenv("XLA_FLAGS", before)
    use_deterministic_programs()
    assert os.environ["XLA_FLAGS"] == after


def test_the_flag_is_known_to_xla():
    """One that it does not know ends the process."""
    flags = {**os.environ, "XLA_FLAGS": "--xla_gpu_deterministic_ops=true"}
    code = "import jax; print(jax.device_count())"
    subprocess.run([sys.executable, "-c", code], env=flags, check=True, capture_output=True)


@pytest.mark.parametrize(
    "devices, asked, expected", [("4", None, "32"), ("4", "3", "3"), ("1", None, None)]
)
def test_virtual_devices_have_threads_enough(monkeypatch, devices, asked, expected):
    monkeypatch.delenv("NPROC", raising=False)
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", devices)
    if asked is not None:
        monkeypatch.setenv("NPROC", asked)
    use_enough_threads()
    assert os.environ.get("NPROC") == expected
    monkeypatch.delenv("NPROC", raising=False)
