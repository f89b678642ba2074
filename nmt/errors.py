"""The errors that a user can cause. Their message is one line: what, what was wanted, what came."""

import difflib
from collections.abc import Iterable

MOST_NAMED = 40  # names in one message


class NmtError(Exception):
    """A mistake that the user can mend; the command line prints its message and exits with 2."""


class ConfigError(NmtError):
    """A config file or an override that cannot be read as meant."""


class DataError(NmtError):
    """A corpus, a text file or a vocabulary that cannot be read as meant."""


class RunError(NmtError):
    """A run directory that is missing, damaged, or belongs to another config."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the host or a device had no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def nearest(name: str, legal: Iterable[str]) -> str:
    """Says which legal name is nearest, and all of them if few: the end of an error message.

    Case and the hyphens of an option are no difference; what a legal name begins with is near it.

    Args:
      name: what the user wrote.
      legal: the names that would have been accepted.
    Returns:
      '; did you mean "x"? (legal: x, y)', or ' (legal: x, y)' where nothing is near.
    """
    names = [str(n) for n in legal]
    plain = {n.lower().strip("-"): n for n in names}
    came = str(name).lower().strip("-")
    close = difflib.get_close_matches(came, plain, n=1, cutoff=0.5)
    close = close or [n for n in plain if came and n.startswith(came)]
    meant = f'; did you mean "{plain[close[0]]}"?' if close else ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{meant} (legal: {', '.join(names[:MOST_NAMED])}{more})" if names else ""
