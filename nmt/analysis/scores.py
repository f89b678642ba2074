"""BLEU, chrF and TER of whole corpora, each with the signature that says how it was counted.

Every number comes from sacreBLEU, on the scale 0-100. Two BLEUs stand side by side because the
literature prints both: sacreBLEU's own (its tokenisation, cased) and that of tokenised lowercased
text, in which published Multi30k results are given.
"""

import bisect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from nmt.errors import DataError

# sacreBLEU's recommendation where words have no spaces between them. Its own choice for Japanese
# needs MeCab and a dictionary; characters need nothing, and the signature tells which it was.
_BLEU_TOKENIZERS = {"zh": "zh", "ja": "char", "th": "char", "km": "char", "lo": "char"}
_CJK = ("zh", "ja")


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


@dataclass(frozen=True, kw_only=True)
class LengthBucket:
    """The sentences whose source has `lower` to `upper` words, both included.

    Attributes:
      upper: None for the last bucket, which has no end.
      count: sentences in it.
      bleu, bleu_tokenized_lowercase: as in `Scores`; None where the bucket is empty.
    """

    lower: int
    upper: int | None
    count: int
    bleu: float | None
    bleu_tokenized_lowercase: float | None

    @property
    def label(self) -> str:
        """Such as '11-20', or '31+' for the last."""
        return f"{self.lower}+" if self.upper is None else f"{self.lower}-{self.upper}"

    def to_dict(self) -> dict[str, float | int | None]:
        """The fields by name, ready for JSON."""
        return asdict(self)


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
    from sacrebleu.metrics import CHRF, TER

    bleu, bleu_signature = _bleu(hypotheses, references, target_language)
    chrf, chrf_signature = _measure(CHRF(), hypotheses, references)
    # Without word boundaries an edit would be a whole clause: count characters, as TERCOM does.
    cjk = _base(target_language) in _CJK
    ter, ter_signature = _measure(TER(normalized=cjk, asian_support=cjk), hypotheses, references)
    lowercase, lowercase_signature = _tokenized_bleu(
        hypotheses, references, target_language, tokenized
    )
    return Scores(
        bleu=bleu,
        bleu_signature=bleu_signature,
        chrf=chrf,
        chrf_signature=chrf_signature,
        ter=ter,
        ter_signature=ter_signature,
        bleu_tokenized_lowercase=lowercase,
        bleu_tokenized_lowercase_signature=lowercase_signature,
        sentences=len(hypotheses),
    )


def corpus_bleu(
    hypotheses: Sequence[str], references: Sequence[str], *, target_language: str
) -> float:
    """sacreBLEU alone, as in `Scores.bleu`: what validation asks for again and again.

    Raises:
      DataError: no sentences, or not as many hypotheses as references.
    """
    return _bleu(hypotheses, references, target_language)[0]


def tokenized_bleu(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    target_language: str,
    tokenized: bool,
) -> float:
    """BLEU of tokenised lowercased text, as in `Scores.bleu_tokenized_lowercase`.

    With `tokenized` both sides are only lowercased and counted in the words they have. Otherwise
    Moses' punctuation normalisation and tokenisation in the target language come first.

    Raises:
      DataError: no sentences, or not as many hypotheses as references.
    """
    return _tokenized_bleu(hypotheses, references, target_language, tokenized)[0]


def bleu_by_length(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    edges: Sequence[int] = (10, 20, 30, 40, 50),
    *,
    target_language: str,
    tokenized: bool,
) -> list[LengthBucket]:
    """BLEU of short and of long sentences apart: figure 2 of Bahdanau et al. (2015).

    Args:
      sources: the sentences translated; their whitespace-separated words are counted.
      hypotheses: translations of the sources, in their order.
      references: what they should have been, in their order.
      edges: rising; edge e ends a bucket, so that (20,) makes 0-20 and 21+.
      target_language: as in `score`.
      tokenized: as in `score`.
    Returns:
      len(edges) + 1 buckets, shortest first, the empty ones included.
    Raises:
      DataError: the lists differ in length or are empty, or the edges do not rise.
    """
    _check_pairs(hypotheses, references)
    if len(sources) != len(hypotheses):
        raise DataError(
            f"one source for each hypothesis is wanted; got {len(sources)} sources and "
            f"{len(hypotheses)} hypotheses"
        )
    if any(low >= high for low, high in zip([-1, *edges], edges, strict=False)):
        raise DataError(f"edges of length buckets must rise from 0 or more; got {list(edges)}")
    members: list[list[int]] = [[] for _ in range(len(edges) + 1)]
    for row, source in enumerate(sources):
        members[bisect.bisect_left(edges, len(source.split()))].append(row)

    buckets = []
    for rows, lower, upper in zip(
        members, [0, *(edge + 1 for edge in edges)], [*edges, None], strict=True
    ):
        sides = [hypotheses[row] for row in rows], [references[row] for row in rows]
        buckets.append(
            LengthBucket(
                lower=lower,
                upper=upper,
                count=len(rows),
                bleu=_bleu(*sides, target_language)[0] if rows else None,
                bleu_tokenized_lowercase=(
                    _tokenized_bleu(*sides, target_language, tokenized)[0] if rows else None
                ),
            )
        )
    return buckets


def _bleu(hypotheses, references, target_language) -> tuple[float, str]:
    """sacreBLEU's main BLEU and its signature."""
    from sacrebleu.metrics import BLEU

    tokenizer = _BLEU_TOKENIZERS.get(_base(target_language), "13a")
    # force: no advice on stderr about text that looks tokenised; `data.tokenized` is how we know.
    return _measure(BLEU(tokenize=tokenizer, force=True), hypotheses, references)


def _tokenized_bleu(hypotheses, references, target_language, tokenized) -> tuple[float, str]:
    """BLEU of tokenised lowercased text, and sacreBLEU's signature with what we did before it."""
    from sacrebleu.metrics import BLEU

    _check_pairs(hypotheses, references)
    if not tokenized:
        import sacremoses

        normalizer, tokenizer = _moses(_base(target_language))
        hypotheses, references = (
            [
                tokenizer.tokenize(normalizer.normalize(line), escape=False, return_str=True)
                for line in side
            ]
            for side in (hypotheses, references)
        )
    metric = BLEU(lowercase=True, tokenize="none", force=True)
    bleu, signature = _measure(metric, hypotheses, references)
    if not tokenized:
        version = getattr(sacremoses, "__version__", "unknown")
        signature += f"|moses:{_base(target_language)}|sacremoses:{version}"
    return bleu, signature


def _measure(metric, hypotheses, references) -> tuple[float, str]:
    """Any of sacreBLEU's metrics over the corpus: its score and its signature."""
    _check_pairs(hypotheses, references)
    value = metric.corpus_score(list(hypotheses), [list(references)]).score
    return float(value), str(metric.get_signature())


def _check_pairs(hypotheses, references) -> None:
    """sacreBLEU takes lists of different lengths without a word, and scores the shorter."""
    if len(hypotheses) != len(references):
        raise DataError(
            f"one reference for each hypothesis is wanted; got {len(hypotheses)} hypotheses and "
            f"{len(references)} references"
        )
    if not hypotheses:
        raise DataError("nothing to score: there are no hypotheses and no references")


def _base(language: str) -> str:
    """'pt' of 'pt-BR', 'pt_BR' and 'PT'."""
    return language.replace("_", "-").split("-")[0].lower()


@lru_cache(maxsize=8)  # reading the character tables takes longer than tokenising a test set
def _moses(language: str):
    """Moses' punctuation normaliser and tokenizer for a language; English where it has none."""
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    return MosesPunctNormalizer(lang=language), MosesTokenizer(lang=language)
