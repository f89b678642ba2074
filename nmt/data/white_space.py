"""What parts words, for every vocabulary: any white space, and the mark that stands for it."""

import re

SPACE_MARK = "\u2581"  # ▁, which SentencePiece writes for a space: in a text it counts as one
REPLACEMENT = "\ufffd"  # what is no character reads as

# What a vocabulary must not see as it is: white space but " ", the mark, half of a surrogate pair
_ODD = re.compile(rf"[^\S ]|{SPACE_MARK}|[\ud800-\udfff]")


def plain(text: str) -> str:
    """The text with plain spaces for any white space, one for one, so that offsets hold."""
    return _ODD.sub(lambda odd: REPLACEMENT if "\ud800" <= odd[0] <= "\udfff" else " ", text)
