"""Cutting lines that are longer than a model can be trusted with, where a reader would pause."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from nmt.data.vocabulary import Vocabulary

MAX_SOURCE_PIECES = 256  # EOS counted; what a model is trusted with where nothing else is known

# Where a part may end, best first: after a sentence, after a clause, at a space. A full stop or a
# comma ends something only before white space, as numbers have them too; full-width ones always do.
# A run of full stops is looked at once: from its first one, and nothing of it is given back.
ENDS = (
    re.compile(r"(?<![.!?…])[.!?…]++[\"'’”»)\]]*+(?=\s)|[。！？]+[」』”’）]*"),
    re.compile(r"[,;:–—](?=\s)|[、，；：]"),
    re.compile(r"(?=\s)"),
)
JOINER = "\u200d"  # zero-width: what stands on both sides of it is one character to a reader


def split_line(text: str, vocabulary: Vocabulary, max_pieces: int) -> list[str]:
    """Cuts a line into parts of about `max_pieces` pieces at most.

    Each part is as long as it may be and ends after a sentence; where no sentence ends, after a
    clause; else at a space; and where there is none, between two characters, a letter with its
    accents being one. Joined with spaces the parts are the line, but where a cut is not at white
    space: after a full-width mark, or as such a last resort. The time grows with the length of the
    line, whatever it holds.

    Args:
      text: one line.
      vocabulary: of the source.
      max_pieces: 1 or more, EOS not counted.
    Returns:
      the line itself where it is short; else parts without white space at their ends. Each has a
      piece, as text without any stays with what follows it, or else with what precedes it; so a
      line without any has no part.
    """
    num_pieces = len(vocabulary.encode(text))
    if num_pieces <= max_pieces:
        return [text] if num_pieces else []
    spans = vocabulary.encode_with_spans(text).spans
    cuts = []
    start = first = 0  # the character and the piece that the next part starts with
    while len(spans) - first > max_pieces:
        stop = max(spans[first + max_pieces][0], start + 1)
        start = _last_end(text, start, stop)
        first = _first_from(spans, first, start)
        cuts.append(start)
    return _parts(text, cuts, vocabulary)


def _parts(text: str, cuts: Sequence[int], vocabulary: Vocabulary) -> list[str]:
    """The text cut at these characters, but where nothing with a piece would be cut off."""
    starts = [0]
    for cut in cuts:
        if vocabulary.encode(text[starts[-1] : cut]):
            starts.append(cut)
    if len(starts) > 1 and not vocabulary.encode(text[starts[-1] :]):
        starts.pop()
    return [text[start:end].strip() for start, end in pairwise([*starts, len(text)])]


def _last_end(text: str, start: int, stop: int) -> int:
    """The best place to cut text[start:stop]."""
    window = text[start : stop + 1]  # a match may look at what follows it
    for end in ENDS:
        cuts = [match.end() for match in end.finditer(window)]
        cuts = [cut for cut in cuts if 0 < cut <= stop - start]
        if cuts:
            return start + cuts[-1]
    whole = (cut for cut in range(stop, start, -1) if not _parts_character(text, cut))
    return next(whole, stop)


def _parts_character(text: str, cut: int) -> bool:
    """Whether a cut would part a mark from its letter, or two characters that are joined."""
    if cut == len(text):
        return False
    is_mark = unicodedata.category(text[cut]).startswith("M")
    return is_mark or JOINER in text[cut - 1 : cut + 1]


def _first_from(spans: Sequence[tuple[int, int]], first: int, cut: int) -> int:
    """The first piece after `first` that ends after `cut`."""
    while first < len(spans) and spans[first][1] <= cut:
        first += 1
    return first
