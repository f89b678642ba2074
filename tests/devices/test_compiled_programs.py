"""Where compiled programs are kept."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

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
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "new/cache")
    assert (tmp_path / "new/cache").is_dir()
    monkeypatch.setenv("NMT_CACHE", str(tmp_path / "other"))
    use_compilation_cache()  # what is chosen stays
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "new/cache")


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
