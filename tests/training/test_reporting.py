from nmt.analysis.records import read_records
from nmt.runs.directory import RunDirectory
from nmt.training.reporting import Reporter, duration, seconds_trained


def test_resuming_forgets_what_will_be_measured_again(tmp_path):
    run = RunDirectory(tmp_path)
    reporter = Reporter(run, 0, 10)
    for step in (1, 2, 3):
        reporter.record(step, loss=step / 2, seconds=10.0 * step)
        reporter.advance()
    reporter.close()
    reporter = Reporter(run, 2, 10)
    assert [r["step"] for r in read_records(run.metrics_file)] == [1, 2]
    reporter.record(3, loss=7.0, seconds=25.0)
    reporter.close()
    assert read_records(run.metrics_file)[-1] == {"step": 3, "loss": 7.0, "seconds": 25.0}
    assert seconds_trained(run.metrics_file) == 25.0


def test_a_run_without_metrics_has_trained_no_time(tmp_path):
    assert seconds_trained(tmp_path / "metrics.jsonl") == 0.0


def test_durations_read_as_clocks():
    assert [duration(s) for s in (0, 59.6, 61, 3600, 3723.4)] == [
        "0:00",
        "1:00",
        "1:01",
        "1:00:00",
        "1:02:03",
    ]
