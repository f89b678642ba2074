"""Cleaning of training pairs by fixed rules, in a fixed order, with a report of what went and why.

    nfc               Unicode normalisation form C, both sides
    whitespace        every run of Unicode white space becomes one space; ends are stripped
    empty             drops a pair with an empty side
    max_words         drops a pair with a side of more words, or with a word of over 1000 characters
    max_length_ratio  drops a pair whose longer side has more than so many times the words
    duplicates        drops a pair whose source and target have come before
    test_overlap      drops a pair whose source or target is a validation or test sentence

Each rule sees what the rules before it made. Both rules that rewrite leave the words of a sentence
where they are, so word links hold as they were; a dropped pair takes its links with it. In
languages written without spaces a word is a character. Characters that join, combine or have no
width (U+200B, U+00AD, a byte order mark within a line) are no white space: they stay.

The pairs may come in parts of any size. Of those gone by, only a 64-bit hash is remembered.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import compress

import numpy as np

from nmt.config.language_codes import has_spaces
from nmt.config.schema import CleaningConfig
from nmt.data.cleaning_report import CleaningReport, RuleReport
from nmt.data.hash_table import HashTable
from nmt.data.splits import Split, framed
from nmt.data.streams import Pair

LONGEST_WORD = 1000  # characters; what is longer is no word, and one unknown piece may hide it all
MOST_MARKS = 500  # combining marks on one letter; Unicode's stream-safe format has at most 30
_TIBETAN_VOWELS = "\u0f73\u0f75\u0f81"  # the characters of class 0 that are taken apart into marks

Rewrite = Callable[[str], str]
Drops = Callable[[list[Pair]], Iterable[bool]]  # of some pairs, which are to go


class Cleaner:
    """Applies the rules that are on to training pairs, part after part.

    Attributes:
      report: of the parts so far; its line numbers are those of the raw split.
    """

    def __init__(
        self,
        config: CleaningConfig,
        *,
        source_language: str,
        target_language: str,
        held_out: Iterable[Split] = (),
    ):
        """Reads the held-out splits.

        Args:
          config: which rules are on, and their limits.
          source_language: a code such as "en" or "zh-CN"; it decides what counts as a word.
          target_language: likewise.
          held_out: validation and test splits, for `test_overlap`; left as they are.
        """
        self._rewriters = [(RuleReport(name, removes=False), rule) for name, rule in _rules(config)]
        count = _PairCounter(source_language, target_language)
        self._filters = _filters(config, count, held_out)
        reports = [report for report, _ in (*self._rewriters, *self._filters)]
        self.report = CleaningReport(0, 0, reports)

    def clean(self, part: Split) -> Split:
        """Cleans the next part, which is left as it is.

        Returns:
          what is left of it, with the links of its pairs.
        """
        pairs = list(zip(part.source, part.target, strict=True))
        places = range(len(pairs))  # of these pairs, in the part
        first_line = self.report.pairs_in + 1
        for report, rewrite in self._rewriters:
            changed = [(rewrite(source), rewrite(target)) for source, target in pairs]
            if changed != pairs:
                for place, before, after in zip(places, pairs, changed, strict=True):
                    if before != after:
                        report.add(first_line + place, *before)
            pairs = changed
        for report, drops in self._filters:
            dropped = list(drops(pairs))
            if any(dropped):
                for place, pair in compress(zip(places, pairs, strict=True), dropped):
                    report.add(first_line + place, *pair)
                stays = [not is_dropped for is_dropped in dropped]
                places, pairs = list(compress(places, stays)), list(compress(pairs, stays))
        self.report.pairs_in += len(part)
        self.report.pairs_out += len(pairs)
        links = None if part.links is None else [part.links[place] for place in places]
        sides = [list(side) for side in zip(*pairs, strict=True)] or [[], []]
        return Split(part.name, *sides, links)


def rewritten(text: str, config: CleaningConfig) -> str:
    """The text as these rules rewrite training text."""
    for _, rewrite in _rules(config):
        text = rewrite(text)
    return text


def _rules(config: CleaningConfig) -> list[tuple[str, Rewrite]]:
    """Those that rewrite, by name, in their order."""
    rules = [("nfc", config.nfc, to_nfc), ("whitespace", config.whitespace, to_single_spaces)]
    return [(name, rewrite) for name, is_on, rewrite in rules if is_on]


def to_nfc(text: str) -> str:
    """Unicode normalisation form C: a letter and its accent are one code point where possible.

    A text with hundreds of combining marks on one letter, which no language has, stays as it is:
    they would be put in order in a time that is the square of their number.
    """
    if len(text) >= MOST_MARKS and not text.isascii() and _long_run_of_marks().search(text):
        return text
    return unicodedata.normalize("NFC", text)


@cache
def _long_run_of_marks() -> re.Pattern:
    """So many combining marks in a row; to look at all characters takes a quarter of a second."""
    characters = map(chr, range(sys.maxunicode + 1))
    marks = "".join(filter(unicodedata.combining, characters)) + _TIBETAN_VOWELS
    return re.compile(f"[{marks}]{{{MOST_MARKS}}}")


def to_single_spaces(text: str) -> str:
    """Words with single spaces between them, none at the ends."""
    return " ".join(text.split())


@dataclass(frozen=True)
class _PairCounter:
    """Counts the words of both sides of a pair."""

    source_language: str
    target_language: str

    def __call__(self, source: str, target: str) -> tuple[int, int]:
        return (
            count_words(source, self.source_language),
            count_words(target, self.target_language),
        )


def count_words(text: str, language: str, *, tokenized: bool = False) -> int:
    """Words between white space; characters that are no white space if it is written without.

    Args:
      text: to count in.
      language: of the text.
      tokenized: whether a tokeniser has put white space between words in every language.
    """
    words = text.split()
    return len(words) if has_spaces(language, tokenized=tokenized) else sum(map(len, words))


def _filters(
    config: CleaningConfig, count: _PairCounter, held_out: Iterable[Split]
) -> list[tuple[RuleReport, Drops]]:
    rules: list[tuple[str, Drops]] = []
    if config.empty:
        rules.append(("empty", _empty))
    if config.max_words is not None:
        rules.append(("max_words", _too_long(count, config.max_words)))
    if config.max_length_ratio is not None:
        rules.append(("max_length_ratio", _unbalanced(count, config.max_length_ratio)))
    if config.duplicates:
        rules.append(("duplicates", _seen_before()))
    if config.test_overlap:
        rules.append(("test_overlap", _held_out(held_out, config)))
    return [(RuleReport(name, removes=True), drops) for name, drops in rules]


def _empty(pairs: list[Pair]) -> Iterable[bool]:
    return [not (source.strip() and target.strip()) for source, target in pairs]


def _too_long(count: _PairCounter, max_words: int) -> Drops:
    return lambda pairs: [
        max(count(*pair)) > max_words or any(map(_has_long_word, pair)) for pair in pairs
    ]


def _has_long_word(text: str) -> bool:
    return len(text) > LONGEST_WORD and max(map(len, text.split()), default=0) > LONGEST_WORD


def _unbalanced(count: _PairCounter, max_ratio: float) -> Drops:
    def is_unbalanced(source: str, target: str) -> bool:
        fewer, more = sorted(count(source, target))
        return more > max_ratio * fewer

    return lambda pairs: [is_unbalanced(*pair) for pair in pairs]


def _seen_before() -> Drops:
    # 64 bits in place of the text: among 40 million pairs two that differ have the same hash with
    # a probability of 4e-5, among a billion with one of 3 %.
    table = HashTable()

    def drops(pairs: list[Pair]) -> Iterable[bool]:
        digests = b"".join(blake2b(framed(*pair), digest_size=8).digest() for pair in pairs)
        return (~table.add(np.frombuffer(digests, "<u8"))).tolist()

    return drops


def _held_out(splits: Iterable[Split], config: CleaningConfig) -> Drops:
    """Compares with the held-out sentences as the rules would have rewritten them.

    An empty line held out says nothing about an empty line in training.
    """
    splits = list(splits)
    sources = {rewritten(text, config) for split in splits for text in split.source} - {""}
    targets = {rewritten(text, config) for split in splits for text in split.target} - {""}
    return lambda pairs: [source in sources or target in targets for source, target in pairs]
