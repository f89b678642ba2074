"""BLEU, chrF and TER of whole corpora, each with the signature that says how it was counted.

Every number comes from sacreBLEU, on the scale 0-100. Two BLEUs stand side by side because the
literature prints both: sacreBLEU's own (its tokenisation, cased) and that of tokenised lowercased
text, in which published Multi30k results are given.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nmt.config.language_codes import base_language, has_spaces, is_unspaced
from nmt.errors import DataError

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of one list of translations, 0-100; TER counts errors, so less is better.

    Attributes:
      bleu: sacreBLEU, cased, tokenised by the tokenizer that its signature names.
      chrf: chrF2.
      ter: translation edit rate; above 100 where more words are wrong than the references have.
      bleu_tokenized_lowercase: BLEU of tokenised lowercased text; see `tokenized_bleu`.
      sentences: how many were scored.
    """

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    ter: float
    ter_signature: str
    bleu_tokenized_lowercase: float
    bleu_tokenized_lowercase_signature: str
    sentences: int

    def to_dict(self) -> dict[str, float | int | str]:
        """The fields by name, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Measure:
    """One of the scores: what is done to the lines of both sides first, and what counts then.

    Attributes:
      name: of the field of `Scores`.
      metric: of sacreBLEU; it remembers what it counted last, so each use has its own.
      prepare: rewrites a line; None leaves all as they are.
      note: what `prepare` does, to be added to sacreBLEU's signature.
    """

    name: str
    metric: "Metric"
    prepare: Callable[[str], str] | None = None
    note: str = ""

    def prepared(self, lines: Sequence[str]) -> list[str]:
        """Lines as the metric wants them."""
        return list(lines) if self.prepare is None else list(map(self.prepare, lines))

    def of_prepared(self, hypotheses: list[str], references: list[str]) -> float:
        """The score of lines that are prepared; `hypotheses` and `references` are as many."""
        return float(self.metric.corpus_score(hypotheses, [references]).score)

    def of(self, hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
        """The score, and the signature.

        Raises:
          DataError: no sentences, or not as many hypotheses as references.
        """
        check_pairs(hypotheses, references)
        value = self.of_prepared(self.prepared(hypotheses), self.prepared(references))
        return value, f"{self.metric.get_signature()}{self.note}"


def measures(target_language: str, *, tokenized: bool) -> tuple[Measure, ...]:
    """The four scores of `Scores`, in its order; for the arguments see `score`."""
    from sacrebleu.metrics import CHRF

    return (
        _bleu(target_language),
        Measure("chrf", CHRF()),
        _ter(target_language),
        _tokenized_bleu(target_language, tokenized=tokenized),
    )


def score(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    target_language: str,
    tokenized: bool,
) -> Scores:
    """Scores translations against one reference each.

    Args:
      hypotheses: translations, as the system wrote them.
      references: what they should have been, untouched, in the same order.
      target_language: its code, such as "de"; chooses the tokenisation.
      tokenized: the text is tokenised already (see `tokenized_bleu`). The other scores are
        counted in the same way whatever it says, so that they stay comparable.
    Returns:
      All scores with their signatures.
    Raises:
      DataError: no sentences, or not as many hypotheses as references.
    """
    fields = {}
    for measure in measures(target_language, tokenized=tokenized):
        value, signature = measure.of(hypotheses, references)
        fields |= {measure.name: value, f"{measure.name}_signature": signature}
    return Scores(**fields, sentences=len(hypotheses))


def corpus_bleu(
    hypotheses: Sequence[str], references: Sequence[str], *, target_language: str
) -> float:
    """sacreBLEU alone, as in `Scores.bleu`: what validation asks for again and again.

    Raises:
      DataError: no sentences, or not as many hypotheses as references.
    """
    return _bleu(target_language).of(hypotheses, references)[0]


def tokenized_bleu(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    target_language: str,
    tokenized: bool,
) -> float:
    """BLEU of tokenised lowercased text, as in `Scores.bleu_tokenized_lowercase`.

    With `tokenized` both sides are only lowercased and counted in the words they have. Otherwise
    Moses' punctuation normalisation and tokenisation in the target language come first; but in a
    language without spaces, of which Moses would make one token a sentence, the tokens are those
    of `Scores.bleu`.

    Raises:
      DataError: no sentences, or not as many hypotheses as references.
    """
    measure = _tokenized_bleu(target_language, tokenized=tokenized)
    return measure.of(hypotheses, references)[0]


def check_pairs(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """sacreBLEU takes lists of different lengths without a word, and scores the shorter.

    Raises:
      DataError: no sentences, or not as many hypotheses as references.
    """
    if len(hypotheses) != len(references):
        raise DataError(
            f"one reference for each hypothesis is wanted; got {len(hypotheses)} hypotheses and "
            f"{len(references)} references"
        )
    if not hypotheses:
        raise DataError("nothing to score: there are no hypotheses and no references")


def _bleu(target_language: str) -> Measure:
    """sacreBLEU's main BLEU."""
    from sacrebleu.metrics import BLEU

    # force: no advice on stderr about text that looks tokenised; `data.tokenized` is how we know.
    return Measure("bleu", BLEU(tokenize=_tokenizer(target_language), force=True))


def _ter(target_language: str) -> Measure:
    """TER; without word boundaries an edit would be a whole clause, so characters are counted.

    TERCOM itself parts Chinese alone: of Japanese it leaves kana together.
    """
    from sacrebleu.metrics import TER

    if base_language(target_language) == "zh":
        return Measure("ter", TER(normalized=True, asian_support=True))
    if is_unspaced(target_language):
        return Measure("ter", TER(), " ".join, "|characters:yes")
    return Measure("ter", TER())


def _tokenizer(target_language: str) -> str:
    """sacreBLEU's name of the one for a language.

    It is what sacreBLEU recommends where words have no spaces between them, too. Its own choice for
    Japanese needs MeCab and a dictionary; characters need nothing, and the signature tells.
    """
    if base_language(target_language) == "zh":
        return "zh"
    return "char" if is_unspaced(target_language) else "13a"


def _tokenized_bleu(target_language: str, *, tokenized: bool) -> Measure:
    """BLEU of tokenised lowercased text."""
    from sacrebleu.metrics import BLEU

    name = "bleu_tokenized_lowercase"
    if not has_spaces(target_language, tokenized=tokenized):
        tokenizer = _tokenizer(target_language)
        return Measure(name, BLEU(lowercase=True, tokenize=tokenizer, force=True))
    metric = BLEU(lowercase=True, tokenize="none", force=True)
    if tokenized:
        return Measure(name, metric)
    import sacremoses

    language = base_language(target_language)
    normalizer, tokenizer = _moses(language)
    version = getattr(sacremoses, "__version__", "unknown")
    return Measure(
        name,
        metric,
        lambda line: tokenizer.tokenize(normalizer.normalize(line), escape=False, return_str=True),
        f"|moses:{language}|sacremoses:{version}",
    )


@lru_cache(maxsize=8)  # reading the character tables takes longer than tokenising a test set
def _moses(language: str):
    """Moses' punctuation normaliser and tokenizer for a language; English where it has none."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    return MosesPunctNormalizer(lang=language), MosesTokenizer(lang=language)
