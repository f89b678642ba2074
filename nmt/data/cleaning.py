"""Cleaning of training pairs by fixed rules, in a fixed order, with a report of what went and why.

    nfc               Unicode normalisation form C, both sides
    whitespace        every run of Unicode white space becomes one space; ends are stripped
    empty             drops a pair with an empty side
    max_words         drops a pair with a side of more words
    max_length_ratio  drops a pair whose longer side has more than so many times the words
    duplicates        drops a pair whose source and target have come before
    test_overlap      drops a pair whose source or target is a validation or test sentence

Each rule sees what the rules before it made. Both rules that rewrite leave the words of a sentence
where they are, so word links hold as they were; a dropped pair takes its links with it. In
languages written without spaces a word is a character.
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from nmt.config.schema import CleaningConfig
from nmt.data.splits import Split, framed

NUM_EXAMPLES = 3  # kept of each rule
UNSPACED_LANGUAGES = frozenset(  # Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan
    ("zh", "zho", "cmn", "yue", "ja", "jpn", "th", "tha", "lo", "lao", "km", "khm", "my", "mya")
    + ("bo", "bod")
)

Rewrite = Callable[[str], str]
Drops = Callable[[str, str], bool]


@dataclass(frozen=True)
class Example:
    """A pair that a rule removed or changed, as it was before the rule, shortened."""

    line: int  # of the raw split, from 1
    source: str
    target: str


@dataclass
class RuleReport:
    """What one rule did."""

    name: str
    removes: bool  # it drops pairs; otherwise it rewrites them
    num_pairs: int = 0  # dropped or changed
    examples: list[Example] = field(default_factory=list)

    def add(self, line: int, source: str, target: str) -> None:
        """Counts a pair, and keeps it while there are few."""
        self.num_pairs += 1
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(Example(line, _excerpt(source), _excerpt(target)))


def _excerpt(text: str, width: int = 60) -> str:
    """Both ends of a long text: white space at an end may be why it is shown."""
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[:half]}…{text[-half:]}"


@dataclass
class CleaningReport:
    """How many pairs came in and went out, and what every rule that was on did, in order."""

    pairs_in: int
    pairs_out: int
    rules: list[RuleReport]

    def to_dict(self) -> dict:
        """The report as JSON can hold it: every field, by name."""
        return asdict(self)

    def __str__(self) -> str:
        """A table, with the first example of each rule that did something."""
        lines = [f"{'cleaning':<17} {'pairs':>10} {'share':>7}", f"{'in':<17} {self.pairs_in:>10}"]
        for rule in self.rules:
            share = rule.num_pairs / max(self.pairs_in, 1)
            verb = "removed" if rule.removes else "changed"
            line = f"{rule.name:<17} {rule.num_pairs:>10} {share:>7.2%} {verb}"
            if rule.examples:
                first = rule.examples[0]
                line += f", as line {first.line}: {first.source!r} ||| {first.target!r}"
            lines.append(line)
        return "\n".join([*lines, f"{'out':<17} {self.pairs_out:>10}"])


def clean(
    split: Split,
    config: CleaningConfig,
    *,
    source_language: str,
    target_language: str,
    held_out: Iterable[Split] = (),
) -> tuple[Split, CleaningReport]:
    """Applies the rules that are on to training pairs.

    Args:
      split: the raw training pairs; left as they are.
      config: which rules are on, and their limits.
      source_language: a code such as "en" or "zh-CN"; it decides what counts as a word.
      target_language: likewise.
      held_out: validation and test splits, for `test_overlap`; left as they are.
    Returns:
      The split that is left, with the links of its pairs, and the report.
    """
    count = _PairCounter(source_language, target_language)
    rewriters, filters = _rewriters(config), _filters(config, count, held_out)
    reports = [report for report, _ in (*rewriters, *filters)]
    source, target, kept = [], [], []
    for index, pair in enumerate(zip(split.source, split.target, strict=True)):
        pair = _apply(pair, index + 1, rewriters, filters)
        if pair is not None:
            source.append(pair[0])
            target.append(pair[1])
            kept.append(index)
    links = None if split.links is None else [split.links[index] for index in kept]
    return Split(split.name, source, target, links), CleaningReport(len(split), len(kept), reports)


def _apply(
    pair: tuple[str, str],
    line: int,
    rewriters: list[tuple[RuleReport, Rewrite]],
    filters: list[tuple[RuleReport, Drops]],
) -> tuple[str, str] | None:
    for report, rewrite in rewriters:
        rewritten = rewrite(pair[0]), rewrite(pair[1])
        if rewritten != pair:
            report.add(line, *pair)
        pair = rewritten
    for report, drops in filters:
        if drops(*pair):
            report.add(line, *pair)
            return None
    return pair


def _rewriters(config: CleaningConfig) -> list[tuple[RuleReport, Rewrite]]:
    rules = []
    if config.nfc:
        rules.append((RuleReport("nfc", removes=False), to_nfc))
    if config.whitespace:
        rules.append((RuleReport("whitespace", removes=False), to_single_spaces))
    return rules


def to_nfc(text: str) -> str:
    """Unicode normalisation form C: a letter and its accent are one code point where possible."""
    return unicodedata.normalize("NFC", text)


def to_single_spaces(text: str) -> str:
    """Words with single spaces between them, none at the ends."""
    return " ".join(text.split())


class _PairCounter(NamedTuple):
    """Counts the words of both sides of a pair."""

    source_language: str
    target_language: str

    def __call__(self, source: str, target: str) -> tuple[int, int]:
        return (
            count_words(source, self.source_language),
            count_words(target, self.target_language),
        )


def count_words(text: str, language: str) -> int:
    """Words between white space; characters that are no white space if it is written without."""
    primary = language.replace("_", "-").split("-")[0].lower()
    words = text.split()
    return sum(map(len, words)) if primary in UNSPACED_LANGUAGES else len(words)


def _filters(
    config: CleaningConfig, count: _PairCounter, held_out: Iterable[Split]
) -> list[tuple[RuleReport, Drops]]:
    rules: list[tuple[str, Drops]] = []
    if config.empty:
        rules.append(("empty", lambda *pair: not all(map(str.strip, pair))))
    if config.max_words is not None:
        rules.append(("max_words", lambda *pair: max(count(*pair)) > config.max_words))
    if config.max_length_ratio is not None:
        rules.append(("max_length_ratio", _unbalanced(count, config.max_length_ratio)))
    if config.duplicates:
        rules.append(("duplicates", _seen_before()))
    if config.test_overlap:
        rewrites = [rewrite for _, rewrite in _rewriters(config)]
        rules.append(("test_overlap", _held_out(held_out, rewrites)))
    return [(RuleReport(name, removes=True), drops) for name, drops in rules]


def _unbalanced(count: _PairCounter, max_ratio: float) -> Drops:
    def drops(source: str, target: str) -> bool:
        fewer, more = sorted(count(source, target))
        return more > max_ratio * fewer

    return drops


def _seen_before() -> Drops:
    hashes: set[int] = set()

    def drops(source: str, target: str) -> bool:
        value = _hash(source, target)
        seen = value in hashes
        hashes.add(value)
        return seen

    return drops


def _held_out(splits: Iterable[Split], rewrites: list[Rewrite]) -> Drops:
    """Compares with the held-out sentences as the rules would have rewritten them."""
    splits = list(splits)
    sources = _hashes((text for split in splits for text in split.source), rewrites)
    targets = _hashes((text for split in splits for text in split.target), rewrites)

    def drops(source: str, target: str) -> bool:
        return _hash(source) in sources or _hash(target) in targets

    return drops


def _hashes(texts: Iterable[str], rewrites: list[Rewrite]) -> set[int]:
    hashes = set()
    for text in texts:
        for rewrite in rewrites:
            text = rewrite(text)
        if text:  # an empty line held out says nothing about an empty line in training
            hashes.add(_hash(text))
    return hashes


def _hash(*texts: str) -> int:
    # 64 bits in place of the text: about 60 bytes a pair in a set, and among 40 million pairs
    # two that differ collide with a probability of 4e-5.
    return int.from_bytes(blake2b(framed(*texts), digest_size=8).digest(), "little")
