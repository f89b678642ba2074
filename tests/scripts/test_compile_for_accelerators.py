"""Programs compiled from forms alone: here for this machine, and for others where XLA can."""

import json

import pytest
from benchmarking import accelerators

from nmt.errors import NmtError

SMALL = [
    "vocabulary.size=300",
    "model.embedding_dim=8",
    "model.encoder_dim=8",
    "model.decoder_dim=8",
    "model.alignment_dim=8",
    "model.readout_dim=8",
]
FLAGS = ["--models", "A", "--shape", "8x5x6", "--beam-size", "2"]


def test_each_program_has_a_row(load_script, capsys):
    script = load_script("compile_for_accelerators")
    assert script.main(["--target", "cpu", *FLAGS, "--json", *SMALL]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["target"] == "cpu"
    gradients, update, search = told["results"]
    assert [row["model"] for row in told["results"]] == ["A"] * 3
    assert gradients["program"] == "gradients, 8 x 5 x 6" and update["program"] == "update"
    assert search["program"] == "beam search, 2 hypotheses, up to 20 pieces"  # 2 x 5 + 10
    for row in told["results"]:
        assert (
            row["compile_seconds"] > 0 and row["memory_in_all_mib"] > row["memory_beside_mib"] > 0
        )
        assert row["launches"] is None  # a CPU launches nothing


def test_several_seeds_have_as_many_states(load_script, capsys):
    script = load_script("compile_for_accelerators")

    def memory(seeds):
        flags = ["--target", "cpu", "--models", "A", "--shape", "8x5x6", "--seeds", seeds]
        assert script.main([*flags, "--json", *SMALL]) == 0
        _, update = json.loads(capsys.readouterr().out)["results"]
        return update["memory_in_all_mib"] - update["memory_beside_mib"]

    assert memory("3") == pytest.approx(3 * memory("1"), rel=0.01)


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--target", "h300"], "'h300'"),
        (["--target", "cpu", "--shape", "8x5"], "such as 80x32x32; got '8x5'"),
        (["--target", "cpu", "--models", "multi30k_gro"], 'did you mean "multi30k_gru'),
    ],
)
def test_mistakes_are_told_in_a_line(load_script, capsys, flags, message):
    script = load_script("compile_for_accelerators")
    assert script.main(flags) == 2
    out, errors = capsys.readouterr()
    assert not out and errors.count("\n") == 1 and message in errors


@pytest.mark.parametrize("target, install", [("h200", r"\[gpu\]"), ("v5e", r"\[tpu\]")])
def test_where_xla_cannot_compile_for_it_what_to_install_is_said(monkeypatch, target, install):
    def missing(name, platform, **_):
        raise NotImplementedError(f"topology not implemented for {platform}\nand more")

    monkeypatch.setattr(accelerators.topologies, "get_topology_desc", missing)
    with pytest.raises(NmtError, match=f"{install}.*; got: topology not implemented for [a-z]*$"):
        accelerators.device_of(target)
