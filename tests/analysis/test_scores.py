import gzip
import json
import math
from pathlib import Path

import pytest
import sacrebleu
import sacremoses

from nmt.analysis.scores import Scores, corpus_bleu, measures, score, tokenized_bleu
from nmt.errors import DataError

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"
HYPOTHESES = ["The cat's on the mat.", "Two dogs run, fast!", "“Hello”, she said to them both."]
REFERENCES = ["The cat is on the mat.", "Two dogs run fast!", "“Hello,” said she to both of them."]


def score_of(hypotheses, references, target_language="en", tokenized=False) -> Scores:
    return score(hypotheses, references, target_language=target_language, tokenized=tokenized)


def test_bleu_of_a_tiny_case_equals_the_one_counted_by_hand():
    # Matches of order 1 to 4: 5 of 6, 3 of 5, 2 of 4, 1 of 3; both sides have 6 words.
    hypothesis, reference = "a b c d x e", "a b c d e f"
    by_hand = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** (1 / 4)
    assert corpus_bleu([hypothesis], [reference], target_language="de") == pytest.approx(by_hand)
    # One word less costs the brevity penalty: all orders match in 5, 4, 3, 2 of as many.
    shorter = 100 * math.exp(1 - 6 / 5)
    got = tokenized_bleu(["A b C d e"], ["a B c d e f"], target_language="de", tokenized=True)
    assert got == pytest.approx(shorter)


def test_scores_are_those_of_sacrebleu_with_its_defaults():
    scores = score_of(HYPOTHESES, REFERENCES)
    references = [REFERENCES]
    assert scores.bleu == sacrebleu.corpus_bleu(HYPOTHESES, references).score
    assert scores.chrf == sacrebleu.corpus_chrf(HYPOTHESES, references).score
    assert scores.ter == sacrebleu.corpus_ter(HYPOTHESES, references).score
    assert scores.sentences == 3
    assert corpus_bleu(HYPOTHESES, REFERENCES, target_language="en") == scores.bleu


def test_signatures_say_how_each_score_was_counted():
    scores = score_of(HYPOTHESES, REFERENCES)
    assert "case:mixed" in scores.bleu_signature and "tok:13a" in scores.bleu_signature
    assert "nc:6|nw:0" in scores.chrf_signature  # chrF2 of characters, no words
    assert "tok:tercom" in scores.ter_signature
    assert "case:lc" in scores.bleu_tokenized_lowercase_signature
    assert "moses:en" in scores.bleu_tokenized_lowercase_signature
    already = score_of(HYPOTHESES, REFERENCES, tokenized=True)
    assert "moses" not in already.bleu_tokenized_lowercase_signature


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [
        ("de", "13a"),
        ("deu_Latn", "13a"),
        *[(code, "zh") for code in ("zh", "zh-CN", "zho_Hans", "cmn", "yue")],
        *[(code, "char") for code in ("ja", "JA_jp", "jpn_Jpan", "th", "tha", "lo", "km", "khm")],
        *[(code, "char") for code in ("my", "mya_Mymr", "bo", "bod")],
    ],
)
def test_the_target_language_chooses_the_tokenizer(language, tokenizer):
    hypotheses, references = ["今日は雨です。"], ["今日は晴れです。"]
    scores = score_of(hypotheses, references, language)
    assert f"tok:{tokenizer}|" in scores.bleu_signature
    assert scores.bleu == sacrebleu.corpus_bleu(hypotheses, [references], tokenize=tokenizer).score
    assert ("asian:yes" in scores.ter_signature) == (tokenizer == "zh")


def test_ter_of_text_without_spaces_counts_characters():
    # 2 of 6 characters differ; counted in words the only one would be wrong.
    assert score_of(["今日中国大雨"], ["今日中国晴天"], "zh").ter == pytest.approx(100 * 2 / 6)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("これはほんです", "それはほんです", 1 / 7),
        ("これは本です", "それは本です", 1 / 6),
        ("ラーメン", "ラーメソ", 1 / 4),
    ],
)
def test_ter_of_japanese_counts_kana_too(hypothesis, reference, expected):
    scores = score_of([hypothesis], [reference], "ja")
    assert scores.ter == pytest.approx(100 * expected)
    assert scores.ter_signature.endswith("|characters:yes")


@pytest.mark.parametrize("language", ["th", "lao", "khm_Khmr", "my", "bo"])
def test_ter_counts_characters_where_tercom_parts_none(language):
    scores = score_of(["กขค งจ"], ["กขค งฉ"], language)  # 1 of 5 differs, of words 1 of 2
    assert scores.ter == pytest.approx(100 / 5)
    assert scores.ter_signature.endswith("|characters:yes")
    assert "characters" not in score_of(["a"], ["a"], "de").ter_signature


def test_tokenized_text_is_only_lowercased():
    hypotheses, references = (
        ["Ein Hund l&apos; x .", "2 , 3 %"],
        ["ein hund l&apos; x !", "2 , 3 %"],
    )
    lowered = [[line.lower() for line in side] for side in (hypotheses, references)]
    expected = sacrebleu.corpus_bleu(lowered[0], [lowered[1]], tokenize="none", force=True).score
    got = tokenized_bleu(hypotheses, references, target_language="de", tokenized=True)
    assert got == pytest.approx(expected)


def test_raw_text_is_normalised_and_tokenised_by_moses_in_the_target_language():
    hypotheses = ["L'homme dit « oui »…", "C'est l’été & l'eau."]
    references = ["L'homme a dit “oui”...", "C'est l'été & l'air."]
    normalizer, tokenizer = sacremoses.MosesPunctNormalizer("fr"), sacremoses.MosesTokenizer("fr")
    words = [
        [" ".join(tokenizer.tokenize(normalizer.normalize(x), escape=False)).lower() for x in side]
        for side in (hypotheses, references)
    ]
    assert words[1][1] == "c' est l' été & l' air ."  # French elision, no XML escapes
    expected = sacrebleu.corpus_bleu(words[0], [words[1]], tokenize="none", force=True).score
    got = tokenized_bleu(hypotheses, references, target_language="fr", tokenized=False)
    assert got == pytest.approx(expected)
    assert score_of(hypotheses, references, "fr").bleu_tokenized_lowercase == got


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_raw_and_published_tokenised_multi30k_score_alike(language):
    name = f"test_2016_flickr.{language}.gz"
    raw, tokenized = CORPORA / "multi30k" / name, CORPORA / "multi30k-tok" / name
    if not raw.exists() or not tokenized.exists():
        pytest.skip("the Multi30k corpora are not here")
    raw, tokenized = (
        gzip.decompress(p.read_bytes()).decode().splitlines() for p in (raw, tokenized)
    )
    # The published text is that of the Perl scripts, with XML escapes; the two differ in a line.
    tokenized = [line.replace("&apos;", "'").replace("&quot;", '"') for line in tokenized]
    from_raw = tokenized_bleu(raw[1:], raw[:-1], target_language=language, tokenized=False)
    as_is = tokenized_bleu(tokenized[1:], tokenized[:-1], target_language=language, tokenized=True)
    assert from_raw == pytest.approx(as_is, abs=0.02)
    same = tokenized_bleu(raw, raw, target_language=language, tokenized=False)
    assert same == pytest.approx(100)


@pytest.mark.parametrize("language, tokenizer", [("ja", "char"), ("zh", "zh"), ("tha", "char")])
def test_text_without_spaces_is_scored_lowercased_by_its_characters(language, tokenizer):
    hypotheses, references = ["私はXを見た。", "猫がいる"], ["私はxを見る。", "猫もいる"]
    found = tokenized_bleu(hypotheses, references, target_language=language, tokenized=False)
    lower = [text.lower() for text in hypotheses]
    metric = sacrebleu.BLEU(tokenize=tokenizer)
    assert found == metric.corpus_score(lower, [references]).score > 0
    if tokenizer == "char":  # that of Chinese parts nothing but Chinese characters
        spaced = [[" ".join(text) for text in texts] for texts in (hypotheses, references)]
        assert found == tokenized_bleu(*spaced, target_language=language, tokenized=True)


def test_perfect_translations_have_perfect_scores():
    scores = score_of(REFERENCES, REFERENCES)
    assert (scores.bleu, scores.chrf, scores.ter) == pytest.approx((100, 100, 0))
    assert scores.bleu_tokenized_lowercase == pytest.approx(100)


def test_empty_translations_are_scored_not_refused():
    scores = score_of(["", "", ""], REFERENCES)
    assert (scores.bleu, scores.chrf, scores.ter) == (0, 0, 100)
    assert scores.bleu_tokenized_lowercase == 0


def test_cased_bleu_sees_case_and_the_other_does_not():
    scores = score_of([x.upper() for x in REFERENCES], REFERENCES)
    assert scores.bleu < 50
    assert scores.bleu_tokenized_lowercase == pytest.approx(100)


def test_no_warning_about_text_that_looks_tokenised(caplog, capfd):
    score_of(["a dog ."] * 200, ["a dog ."] * 200, tokenized=True)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_to_dict_goes_through_json():
    scores = score_of(HYPOTHESES, REFERENCES)
    assert Scores(**json.loads(json.dumps(scores.to_dict()))) == scores


@pytest.mark.parametrize("function", [corpus_bleu, score, tokenized_bleu])
def test_lists_of_different_length_or_none_are_refused(function):
    options = {"target_language": "en"}
    if function is not corpus_bleu:
        options["tokenized"] = False
    with pytest.raises(DataError, match="got 3 hypotheses and 2 references"):
        function(HYPOTHESES, REFERENCES[:2], **options)
    with pytest.raises(DataError, match="nothing to score"):
        function([], [], **options)


@pytest.mark.parametrize("tokenized", [False, True])
def test_a_score_of_prepared_lines_is_that_of_the_lines(tokenized):
    """What is scored in parts is prepared once: lines do not depend on one another."""
    scores = score_of(HYPOTHESES, REFERENCES, tokenized=tokenized)
    names = []
    for measure in measures("en", tokenized=tokenized):
        prepared = [measure.prepared(side) for side in (HYPOTHESES, REFERENCES)]
        assert measure.of_prepared(*prepared) == getattr(scores, measure.name)
        alone = [measure.prepared([line])[0] for line in HYPOTHESES]
        assert alone == prepared[0]
        names.append(measure.name)
    fields = ["bleu", "chrf", "ter", "bleu_tokenized_lowercase"]
    assert names == fields == [name for name in scores.to_dict() if name in fields]
