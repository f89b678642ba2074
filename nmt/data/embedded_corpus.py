"""The embedded corpus as a config names it: in either direction, and always with its word links."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

from nmt.config.schema import EMBEDDED, DataConfig
from nmt.data import grammar
from nmt.data.grammar import Pair
from nmt.data.hub import no_split
from nmt.data.streams import Row, State
from nmt.errors import DataError, nearest

_LANGUAGES = ("en", "fr")


def iter_embedded(config: DataConfig, name: str) -> Iterator[Pair]:
    """The pairs of a split with their links, in the direction of the config.

    Raises:
      DataError: there is no such split, or no such language; or the config names other links.
    """
    _check(config, name)
    pairs = grammar.iter_split(name, config.embedded)
    return pairs if config.source_language == _LANGUAGES[0] else map(_reversed, pairs)


def _check(config: DataConfig, name: str) -> None:
    languages = (config.source_language, config.target_language)
    if sorted(languages) != sorted(_LANGUAGES):
        raise DataError(
            f"data.path {EMBEDDED}: wanted the languages en and fr, in either direction; "
            f"got {languages[0]} and {languages[1]}"
        )
    if name not in grammar.SPLITS:
        raise no_split(config, name, nearest(name, grammar.SPLITS))
    for option, value in (("links", config.links), ("gold", config.gold)):
        if value is not None:
            raise DataError(
                f"data.path {EMBEDDED} has word links of its own: data.{option} must be null; "
                f"got {value!r}"
            )


def _reversed(pair: Pair) -> Pair:
    sure, possible = (
        tuple(sorted((j, i) for i, j in links)) for links in (pair.sure, pair.possible)
    )
    return Pair(pair.target, pair.source, sure, possible)


def embedded_rows(config: DataConfig, name: str) -> Callable[[], Iterator[Row]]:
    """Starts to make a split, each time that it is called; errors of `iter_embedded` come now."""
    _check(config, name)

    def rows() -> Iterator[Row]:
        for pair in iter_embedded(config, name):
            yield pair.source, pair.target, list(pair.sure)

    return rows


def embedded_state(config: DataConfig, limit: int | None) -> State:
    """Differs where other pairs may be made; see `SplitStream`."""
    return [EMBEDDED, grammar.fingerprint(), asdict(config.embedded), limit]
