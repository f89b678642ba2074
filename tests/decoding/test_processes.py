"""Two processes of two devices each translate together, and both have all that is found."""

import json
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("one_of_two_processes.py")


@pytest.mark.slow
def test_two_processes_find_what_one_device_finds(
    vocabularies, made_up, two_processes, tmp_path, monkeypatch
):
    vocabularies.source.save(tmp_path / "joint.model")
    (tmp_path / "lines.txt").write_text("\n".join(made_up(9, seed=1, max_words=2)) + "\n")
    two_processes(PROGRAM, tmp_path)

    monkeypatch.syspath_prepend(PROGRAM.parent)
    from one_of_two_processes import results

    expected = results(tmp_path)  # here: on one device
    assert len({line[0] for line in expected["texts"][0]}) > 3
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert first["texts"] == expected["texts"]
    for name in ("scores", "log_probs", "alignment", "heads", "saliency"):
        np.testing.assert_allclose(first[name], expected[name], rtol=1e-5, atol=1e-6)
