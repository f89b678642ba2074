"""Two processes of two devices each translate together, and both have all that is found."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("one_of_two_processes.py")


def free_address():
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return f"localhost:{server.getsockname()[1]}"


@pytest.mark.slow
def test_two_processes_find_what_one_device_finds(vocabularies, made_up, tmp_path, monkeypatch):
    vocabularies.source.save(tmp_path / "joint.model")
    (tmp_path / "lines.txt").write_text("\n".join(made_up(9, seed=1, max_words=2)) + "\n")
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    address = free_address()
    processes = [
        subprocess.Popen(
            [sys.executable, PROGRAM, str(rank), address, tmp_path],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=180)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.wait()

    monkeypatch.syspath_prepend(PROGRAM.parent)
    from one_of_two_processes import results

    expected = results(tmp_path)  # here: on one device
    assert len({line[0] for line in expected["texts"][0]}) > 3
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert first["texts"] == expected["texts"]
    for name in ("scores", "log_probs", "alignment"):
        np.testing.assert_allclose(first[name], expected[name], rtol=1e-5, atol=1e-6)
