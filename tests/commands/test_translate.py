"""nmt translate: a filter from lines to translations."""

import gzip
import io
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

import nmt
from nmt.analysis.pharaoh import check_links, parse_links
from tests.tiny_runs import LINES

pytest_plugins = ["tests.command_calls"]


def test_translate_is_a_filter(call, mistake, tmp_path, run, texts, typed):
    assert texts[1] == texts[3] == "" and all(texts[i] for i in (0, 2, 4))
    typed("\n".join(LINES).encode())  # without a last line end
    assert call("translate", run) == "".join(f"{text}\n" for text in texts)
    typed(b"\xef\xbb\xbf" + "\r\n".join(LINES).encode() + b"\r\n")
    assert call("translate", run, "-").splitlines() == texts
    typed(b"")
    assert call("translate", run) == ""
    typed(b"one\ntw\xff\n")
    assert "standard input, line 2: wanted UTF-8; got byte 0xFF" in mistake("translate", run)


def test_a_line_ends_at_a_line_feed_only(call, run, typed):
    typed("the cat\u2028sleeps .\x0c\na\x85dog\v.\n".encode())
    assert call("translate", run).count("\n") == 2


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_files_are_packed_as_their_names_say(call, tmp_path, run, texts, suffix):
    import zstandard

    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.compress}
    unpack = {
        "": bytes,
        ".gz": gzip.decompress,
        ".xz": lzma.decompress,
        ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
    }
    source, output = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    source.write_bytes(pack[suffix]("".join(f"{line}\n" for line in LINES).encode()))
    output.write_bytes(b"old")
    assert call("translate", run, "--output", output, source) == ""
    written = output.read_bytes()
    assert unpack[suffix](written).decode() == "".join(f"{text}\n" for text in texts)
    call("translate", run, "--output", output, source)
    assert output.read_bytes() == written
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, output.name])


def test_a_link_and_a_device_stay_what_they_are(call, tmp_path, run, texts, typed):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for output in (tmp_path / "link", Path("/dev/null")):
        typed(LINES[0].encode())
        call("translate", run, "--output", output)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == f"{texts[0]}\n"
    assert Path("/dev/null").is_char_device()


def test_an_output_is_left_alone_when_translating_fails(mistake, tmp_path, run, typed):
    (tmp_path / "out").write_text("old")
    typed(LINES[0].encode())
    mistake("translate", run, "--output", tmp_path / "out", "--checkpoint", "8")
    assert (tmp_path / "out").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_n_best_lists(call, run, texts, typed, monkeypatch):
    from nmt.commands import translate

    monkeypatch.setattr(translate, "CHUNK", 2)
    typed("\n".join(LINES).encode())
    rows = [line.split(" ||| ") for line in call("translate", run, "--n-best", 2).splitlines()]
    expected = nmt.load(run).translate(LINES, num_hypotheses=2)
    assert [int(index) for index, _, _ in rows] == [0, 0, 1, 2, 2, 3, 4, 4]
    flat = [hypothesis for translation in expected for hypothesis in translation.hypotheses]
    assert [text for _, text, _ in rows] == [hypothesis.text for hypothesis in flat]
    scores = [float(score) for _, _, score in rows]
    np.testing.assert_allclose(scores, [hypothesis.score for hypothesis in flat], atol=1e-5)
    typed(LINES[0].encode())
    one = call("translate", run, "--n-best", 1)
    assert one.startswith(f"0 ||| {texts[0]} ||| -") and one.count("\n") == 1


def links_of(translations):
    """A line for each line of the output: of each translation, or of each hypothesis of n."""
    hypotheses = [hypothesis for one in translations for hypothesis in one.hypotheses]
    return [one.alignment.to_pharaoh() if one.alignment else "" for one in hypotheses]


@pytest.mark.parametrize(
    ("search", "method"),
    [({}, None), ({"beam_size": 1}, "attention+1"), ({"method": "sample", "seed": 3}, None)],
    ids=["beam", "greedy", "sampling"],
)
def test_links_of_what_is_translated(call, monkeypatch, tmp_path, run, typed, search, method):
    from nmt.commands import translate
    from nmt.config.schema import SearchConfig
    from nmt.decoding.methods import AlignmentMethod

    monkeypatch.setattr(translate, "CHUNK", 4)
    lines = [*LINES, " ".join(LINES) * 10]  # the last is translated in parts
    typed("\n".join(lines).encode())
    asked = [] if method is None else ["--method", method, "--layer", 0]
    overrides = [f"search.{key}={value}" for key, value in search.items()]
    out = call("translate", run, "--alignments", tmp_path / "links.gz", *asked, *overrides)

    config = SearchConfig(
        **{"beam_size": 2, "max_length_factor": 0.5, "max_length_extra": 5, **search}
    )
    asked = None if method is None else AlignmentMethod(method, 0)
    translator = nmt.load(run)
    expected = [  # batched alike: an untrained model's attention is full of near ties
        translation
        for first in (0, 4)
        for translation in translator.translate(
            lines[first : first + 4], align=True, method=asked, search=config, first_line=first
        )
    ]
    assert out.splitlines() == [translation.text for translation in expected]
    links = gzip.decompress((tmp_path / "links.gz").read_bytes()).decode()
    assert links.splitlines() == links_of(expected) and links.count("\n") == len(lines)
    assert links.splitlines()[1] == links.splitlines()[3] == "" and any(links.split())


def test_links_of_n_best_lists(call, tmp_path, run, typed):
    typed("\n".join(LINES).encode())
    out = call("translate", run, "--n-best", 2, "--alignments", tmp_path / "links")
    links = (tmp_path / "links").read_text().splitlines()
    assert len(links) == len(out.splitlines())
    assert links == links_of(nmt.load(run).translate(LINES, num_hypotheses=2, align=True))


def test_links_may_be_of_other_units_than_words(call, tmp_path, run, typed):
    typed("\n".join(LINES).encode())
    asked = ["--source-unit", "character", "--target-unit", "piece"]
    call("translate", run, "--alignments", tmp_path / "links", *asked)
    links = (tmp_path / "links").read_text().splitlines()
    translator = nmt.load(run).with_units("character", "piece")
    assert links == links_of(translator.translate(LINES, align=True))
    assert max(source for source, _ in parse_links(links[0], "links")) >= len(LINES[0].split())


def test_links_fit_the_words_of_their_lines(call, tmp_path, run, texts, typed):
    typed("\n".join(LINES).encode())
    call("translate", run, "--alignments", tmp_path / "links")
    for line, text, links in zip(
        LINES, texts, (tmp_path / "links").read_text().splitlines(), strict=True
    ):
        check_links(parse_links(links, "links"), len(line.split()), len(text.split()), "links")


def test_links_are_left_alone_when_translating_fails(mistake, tmp_path, run, typed):
    (tmp_path / "links").write_text("old")
    typed(b"one\ntw\xff\n")
    mistake("translate", run, "--alignments", tmp_path / "links", "--output", tmp_path / "out")
    assert (tmp_path / "links").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_no_links_without_attention(mistake, tmp_path, trained_without_attention, typed):
    typed(LINES[0].encode())
    out = tmp_path / "links"
    message = mistake("translate", trained_without_attention, "--alignments", out)
    assert "has no attention" in message and not out.exists()


def test_overrides_and_options_come_in_any_order(call, mistake, tmp_path, run, typed):
    from nmt.config.schema import SearchConfig

    search = SearchConfig(beam_size=3, max_length_factor=0.5, max_length_extra=2)
    expected = nmt.load(run, "9").translate(LINES, search=search)
    file = tmp_path / "a=b.txt"  # no override: there is such a file
    file.write_text("\n".join(LINES))
    overrides = ["search.beam_size=3", "search.max_length_extra=2"]
    for arguments in (
        [run, file, *overrides, "--checkpoint", "last"],
        ["--checkpoint=9", overrides[1], run, overrides[0], file],
        [overrides[0], "--checkpoint", "9", overrides[1], "--", run, file],
    ):
        out = call("translate", *arguments)
        assert out.splitlines() == [translation.text for translation in expected]
    (tmp_path / "search.beam_size=3").write_text("the cat .\n")
    assert "no such file" in mistake("translate", run, "--", "search.beam_size=4")


def test_sampling_depends_on_the_seed_alone(call, run, typed):
    def sample(*overrides):
        typed("\n".join(LINES).encode())
        return call("translate", run, "search.method=sample", *overrides)

    assert sample() == sample("search.seed=1") != sample("search.seed=2")


def test_a_sampled_line_depends_on_its_number_and_no_other_line(call, monkeypatch, run, typed):
    from nmt.commands import translate

    def sample(lines):
        typed("\n".join(lines).encode())
        return call("translate", run, "search.method=sample").splitlines()

    whole = sample(LINES)
    assert sample(LINES[2:])[0] != whole[2] != ""
    for other in ("", " ".join(LINES) * 10):  # the second is translated in parts
        assert sample([other, *LINES[1:]])[1:] == whole[1:]
    monkeypatch.setattr(translate, "CHUNK", 2)
    assert sample(LINES) == whole
    monkeypatch.setattr(translate, "is_terminal", lambda file: True)
    assert sample(LINES) == whole


def test_a_typed_line_is_answered_before_the_next(capfd, call, monkeypatch, run, texts):
    shown = []

    class Terminal(io.BytesIO):
        def isatty(self):
            return True

        def readline(self, size=-1):
            shown.append(capfd.readouterr().out)
            return super().readline(size)

        __next__ = None

        def __iter__(self):
            return iter(self.readline, b"")

    keyboard = Terminal("\n".join(LINES[:3]).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(keyboard))
    call("translate", run)
    assert shown == ["", *(f"{text}\n" for text in texts[:3])]
