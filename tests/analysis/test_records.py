import pytest

from nmt.analysis.records import read_records
from nmt.errors import DataError


def test_records_are_read_and_a_line_cut_off_in_writing_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "bleu": null}\n{"step": 3, "lo')
    assert read_records(path) == [{"step": 1, "loss": 2.5}, {"step": 2, "bleu": None}]


def test_a_line_that_is_no_record_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for bad in ("[1]", '{"step": 1', '{"loss": 1.0}', '{"step": "1"}'):
        path.write_text(f'{{"step": 1}}\n{bad}\n')
        with pytest.raises(DataError, match="line 2: a JSON object with a step is wanted"):
            read_records(path)
    with pytest.raises(DataError, match="cannot read the metrics file"):
        read_records(tmp_path / "absent.jsonl")
