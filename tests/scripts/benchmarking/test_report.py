import json

from benchmarking.report import report, say, table

HEAD = {"matmul_gflops": 100.0, "machine": {"cores": 2, "device": {"kind": "cpu"}}}
SIZES = {"by_size": {1024: 99.0}}
RESULTS = [
    {"model": "A", "target_tokens_per_second": 1234.5, "by_shape": [1.0]},
    {"model": "transformer", "target_tokens_per_second": 9.876, "seeds": 8},
]


def test_json_is_one_object_and_nothing_else(capsys):
    say("on the way")
    report(HEAD, RESULTS, as_json=True)
    out, errors = capsys.readouterr()
    assert json.loads(out) == {**HEAD, "results": RESULTS}
    assert errors == "on the way\n"


def test_the_table_has_a_row_for_each_result_in_columns():
    heads, rows = table(RESULTS).splitlines()[:4], table(RESULTS).splitlines()[4:]
    assert [row.split() for row in rows] == [["A", "1234", "-"], ["transformer", "9.88", "8"]]
    assert heads[0].split() == ["model", "target", "seeds"]
    assert [head.split() for head in heads[1:]] == [["tokens"], ["per"], ["second"]]
    assert rows[0].index("1234") + 4 == rows[1].index("9.88") + 4  # both end there


def test_the_head_is_told_by_dotted_names(capsys):
    report(HEAD | SIZES, RESULTS, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "machine.device.kind: cpu" in lines and "by_size.1024: 99" in lines
