"""The corpus that is measured is made up and always the same; phases are told by what is said."""

import os
import statistics

import pytest


@pytest.fixture
def script(load_script):
    return load_script("measure_large_corpus")


def test_pairs_are_the_same_each_time_and_as_described(script):
    pairs = list(script.make_pairs(3000, 2))
    assert pairs == list(script.make_pairs(3000, 2)) != list(script.make_pairs(3000, 1))
    lengths = [[len(side.split()) for side in pair] for pair in pairs]
    assert all(source == target and 5 <= source <= 40 for source, target in lengths)
    assert 0.01 < 1 - len(set(pairs)) / len(pairs) < 0.05
    words = [word for source, _ in pairs for word in source.split()]
    assert words.count(statistics.mode(words)) > 0.05 * len(words)  # Zipf's law
    assert len(set(words)) > 5000


def test_a_corpus_is_written_once(script, tmp_path):
    script.write_corpus(tmp_path, 50)
    path = tmp_path / "train.fr"
    before = path.stat().st_mtime_ns
    script.write_corpus(tmp_path, 50)
    assert path.stat().st_mtime_ns == before and len(path.read_text().splitlines()) == 50
    script.write_corpus(tmp_path, 20)
    assert len(path.read_text().splitlines()) == 20


def test_a_corpus_that_was_not_written_to_its_end_is_written_anew(script, tmp_path, monkeypatch):
    script.write_corpus(tmp_path, 30)

    make_pairs = script.make_pairs

    def stopped(count, seed):
        if count == 40:
            raise KeyboardInterrupt
        return make_pairs(count, seed)

    with monkeypatch.context() as patched:
        patched.setattr(script, "make_pairs", stopped)
        with pytest.raises(KeyboardInterrupt):
            script.write_corpus(tmp_path, 40)
    script.write_corpus(tmp_path, 30)
    assert len((tmp_path / "train.en").read_text().splitlines()) == 30


def test_a_file_in_place_of_the_folder_is_one_line(script, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert script.main([str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == (
        f"measure_large_corpus: cannot write into {tmp_path / 'file'}: {tmp_path / 'file'} is no "
        "folder\n"
    )


def test_phases_end_where_a_line_says_so(script):
    watch = script.Watch()
    watch.begin()
    for line in (
        "cleaning: 10 pairs so far, 5 pairs/s",
        "cleaning: 20 pairs in 4.0 s, 5 pairs/s",
        "vocabulary: 8000 pieces",
        "encoding: 20 pairs in 4.0 s, 5 pairs/s",
    ):
        watch.look(os.getpid())
        watch.hear(line + "\n")
    assert list(watch.seconds) == ["cleaning", "vocabulary", "encoding"] == list(watch.peaks)
    assert watch.peak(script.PREPARATION) == max(watch.peaks.values()) > 1000
    shown = script.table(watch, 20).splitlines()
    assert [line.split()[0] for line in shown] == ["phase", "cleaning", "vocabulary", "encoding"]
