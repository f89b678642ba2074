"""The end of a message that names what would have been legal."""

import pytest

from nmt.errors import MOST_NAMED, nearest


@pytest.mark.parametrize(
    ("name", "legal", "said"),
    [
        ("beamsize", ["seed", "beam_size"], '; did you mean "beam_size"? (legal: seed, beam_size)'),
        ("zzz", ["seed"], " (legal: seed)"),
        ("LSTM", ["gru", "lstm"], '; did you mean "lstm"? (legal: gru, lstm)'),
        ("lstm", ["gru", "LSTM"], '; did you mean "LSTM"? (legal: gru, LSTM)'),
        (
            "gru",
            ["lstm", "gru_reset_after"],
            '; did you mean "gru_reset_after"? (legal: lstm, gru_reset_after)',
        ),
        ("--beam-size", ["--n-best"], " (legal: --n-best)"),
        ("--nbest", ["--n-best"], '; did you mean "--n-best"? (legal: --n-best)'),
        ("", ["seed"], " (legal: seed)"),
        ("x", [], ""),
        (8, [7, 9], " (legal: 7, 9)"),
    ],
)
def test_nearest(name, legal, said):
    assert nearest(name, legal) == said


def test_a_message_stays_short_where_much_is_legal():
    names = [f"run{i}" for i in range(MOST_NAMED + 3)]
    said = nearest("rum42", names)
    assert 'did you mean "run42"?' in said and said.endswith(f"{names[MOST_NAMED - 1]} and 3 more)")
    assert nearest("x", names[:MOST_NAMED]).count("run") == MOST_NAMED
