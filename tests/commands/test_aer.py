"""nmt aer: word links of a file against gold ones."""

import gzip
import json

import pytest

LINKS = "0-0 1-2\n\n3-1 0-0\n"
GOLD = "1-1 2p3\n1p1\n4-2 2-1\n"

pytest_plugins = ["tests.command_calls"]


@pytest.fixture
def files(tmp_path):
    """A file of links counted from 0, its gold links counted from 1, and their scores by hand."""
    (tmp_path / "links").write_text(LINKS)
    (tmp_path / "gold").write_text(GOLD)
    return tmp_path


def aer(files, links="links", gold="gold", *more, links_base=0, gold_base=1):
    bases = ["--links-base", links_base, "--gold-base", gold_base]
    return ["aer", files / links, "--gold", files / gold, *bases, *more]


BY_HAND = {
    # A = 0-0 1-2 | - | 3-1 0-0; S = 0-0 | - | 3-1 1-0; P has 1-2 and 0-0 of the second pair too
    **{"aer": 1 - (2 + 3) / (4 + 3), "precision": 3 / 4, "recall": 2 / 3},
    **{"num_links": 4, "num_sure": 3, "num_possible": 5, "sentences": 3},
}


def test_scores_as_an_object_and_as_a_line(call, files):
    scores = json.loads(call(*aer(files, "links", "gold", "--json")))
    assert scores == pytest.approx(BY_HAND)
    line = call(*aer(files))
    assert line.startswith("AER 28.57%, precision 75.00%, recall 66.67%") and line.count("\n") == 1


def test_files_may_be_packed_turned_and_counted_otherwise(call, files, typed):
    (files / "turned").write_text("1-1 3-2\n\n2-4 1-1\n")
    turned = call(*aer(files, "turned", "gold", "--json", "--reverse", links_base=1))
    for name in ("links", "gold"):
        (files / f"{name}.gz").write_bytes(gzip.compress((files / name).read_bytes()))
    packed = call(*aer(files, "links.gz", "gold.gz", "--json"))
    typed(LINKS.encode())
    bases = ["--links-base", 0, "--gold-base", 1]
    piped = call("aer", "-", "--gold", files / "gold", *bases, "--json")
    assert json.loads(turned) == json.loads(packed) == json.loads(piped) == pytest.approx(BY_HAND)


def test_standard_input_is_named_as_such(mistake, files, typed):
    bases = ["--links-base", 0, "--gold-base", 1]
    typed(b"0-0\n1\n\n")
    message = mistake("aer", "-", "--gold", files / "gold", *bases)
    assert "standard input, line 2: wanted a link" in message
    assert "LINKS and --gold are both standard input; one of them must be" in mistake(
        "aer", "-", "--gold", "-", *bases
    )
    typed(b"0-0\n")
    message = mistake("aer", "-", "--gold", files / "gold", *bases)
    assert "standard input has 1 line and" in message
