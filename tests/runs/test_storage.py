"""Reading arrays without a device; what several processes write is in test_saving.py."""

import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from nmt.errors import RunError
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.flat import snapshot
from nmt.runs.storage import ArrayWriter, one_line, read_arrays

LOADED = """
import shutil, sys
from nmt.runs.checkpoints import Checkpoints
checkpoints = Checkpoints(sys.argv[1])
step, item = checkpoints.resolve("last")
shutil.rmtree(checkpoints.folder / str(step) / "training")
print(checkpoints.load_item(step, item)["encoder"]["W"].sum())
assert "orbax" not in sys.modules
"""


@pytest.mark.slow
def test_weights_load_without_any_device_and_without_the_training_item(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    weights = {"encoder": {"W": jnp.arange(6.0).reshape(2, 3)}}
    checkpoints.save(3, {"params": weights, "training": {"m": jnp.ones(5)}})
    checkpoints.close()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "JAX_PLATFORMS": "none",  # the first question to a device would raise
    }
    command = [sys.executable, "-W", "error", "-c", LOADED, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "15.0\n"), done.stderr


def written(folder, tree):
    """The entries of a tree that is written as the item "params" of a folder."""
    writer, arrays = ArrayWriter(), snapshot(tree)
    writer.start(folder, {"params": arrays})
    writer.finish()
    writer.close()
    return list(arrays)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint8", "bool", "float64"])
def test_every_type_and_shape_comes_back(tmp_path, dtype):
    shapes = [(), (1,), (0, 3), (5, 2, 3)]
    tree = [(np.arange(np.prod(shape)).reshape(shape) % 7).astype(dtype) for shape in shapes]
    values = read_arrays(tmp_path / "c" / "params", written(tmp_path / "c", tree))
    for i, value in enumerate(tree):
        assert values[str(i)].dtype == value.dtype and values[str(i)].shape == value.shape
        assert values[str(i)].tobytes() == value.tobytes()


def test_a_part_can_be_read_alone(tmp_path):
    entries = written(tmp_path / "c", {"a": np.ones(2), "b": np.zeros(2)})
    assert list(read_arrays(tmp_path / "c" / "params", entries[:1])) == ["a"]


def test_files_that_are_not_there_are_one_line(tmp_path):
    entries = written(tmp_path / "c", {"a": np.ones(2)})
    with pytest.raises(RunError, match=r"^its arrays cannot be read: .{20,200}$"):
        read_arrays(tmp_path / "absent", entries)


def test_one_line():
    assert one_line(OSError(28, "No space left on device")) == "No space left on device"
    told = "Error writing: Failed to write 9 bytes: whatever [os_error_code='28']"
    assert one_line(ValueError(told)) == "No space left on device"
    assert one_line(ValueError("a\n  b" + "c" * 999)) == "a b" + "c" * 197
