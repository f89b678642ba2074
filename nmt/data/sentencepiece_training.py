"""The training of SentencePiece models: what it sees of a text, and its errors in our words.

SentencePiece's own rules of normalisation are switched off ("identity"), but for spaces: it drops
them at the ends of a text and joins runs of them into one. `plain` makes any white space a space
before, in training and ever after, so that a piece is the same wherever its word stands.
"""

import io
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import sentencepiece

from nmt.config.schema import VocabularyConfig
from nmt.data.progress import Check, no_check
from nmt.data.white_space import plain
from nmt.errors import ConfigError

UNKNOWN = " \u2047 "  # ⁇, how the unknown piece reads
SPECIAL_PIECES = ("<pad>", "<unk>", "<s>", "</s>")  # in the order of their ids
_LONGEST_LINE = 1 << 16  # bytes; a longer line is left out of a vocabulary's training
_LONGEST_WORD = 1000  # characters; longer ones are left out: unigram's time grows by the square
_LOOK_EVERY = 0.1  # seconds between looks at what may end the training
_LAST_MOMENT = 0.5  # seconds


def train_model(
    texts: Iterable[str], config: VocabularyConfig, side: str = "", check: Check = no_check
) -> bytes:
    """Trains a model.

    Args:
      texts: all of them are used; the same in the same order give the same model.
      config: kind, size, symbols and so on; `joint` and `max_sentences` are the caller's.
      side: named in error messages where there are two vocabularies.
      check: called several times a second; what it raises ends the training.
    Returns:
      the content of the model file.
    Raises:
      ConfigError: the size or the symbols do not fit the texts.
    """
    _check_symbols(config.symbols)
    model = io.BytesIO()

    def train(lines: Iterator[str]) -> None:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines,
            model_writer=model,
            model_type=config.kind,
            vocab_size=config.size,
            character_coverage=config.character_coverage,
            byte_fallback=config.byte_fallback,
            user_defined_symbols=list(config.symbols),
            normalization_rule_name="identity",  # cleaning does what is to be done
            remove_extra_whitespaces=True,
            add_dummy_prefix=True,  # a word is the same piece first in a sentence and later
            split_by_whitespace=True,
            max_sentence_length=_LONGEST_LINE,
            shuffle_input_sentence=False,
            num_threads=1,  # the result depends on their number
            unk_surface=UNKNOWN,
            minloglevel=2,  # errors only; they are raised as well
            pad_id=SPECIAL_PIECES.index("<pad>"),
            unk_id=SPECIAL_PIECES.index("<unk>"),
            bos_id=SPECIAL_PIECES.index("<s>"),
            eos_id=SPECIAL_PIECES.index("</s>"),
        )

    spaced = (_without_long_words(plain(text)) for text in texts)
    try:
        _train_in_thread(train, (text for text in spaced if text.strip()), check)
    except RuntimeError as error:
        raise _training_error(str(error), config, side) from error
    return model.getvalue()


def _without_long_words(text: str) -> str:
    if len(text) <= _LONGEST_WORD:
        return text
    return " ".join(word for word in text.split() if len(word) <= _LONGEST_WORD)


def _train_in_thread(
    train: Callable[[Iterator[str]], None], lines: Iterator[str], check: Check
) -> None:
    """Trains, and meanwhile looks whether to go on: SentencePiece does not, and takes minutes.

    Where `check` raises, the thread is left to itself and ends with the process. It must not want
    the interpreter by then, which would abort the process: so it takes no more lines, and gets a
    moment to be where it needs none, or done.
    """
    stopped, all_taken = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def until_stopped() -> Iterator[str]:
        for line in lines:
            if stopped.is_set():
                all_taken.set()
                threading.Event().wait()  # for ever
            yield line
        all_taken.set()

    def work() -> None:
        try:
            train(until_stopped())
        except BaseException as error:
            errors.append(error)
        finally:
            all_taken.set()

    thread = threading.Thread(target=work, name="vocabulary", daemon=True)
    thread.start()
    try:
        working = True
        while working:
            thread.join(_LOOK_EVERY)
            working = thread.is_alive()
            check()  # once at least, however fast the training was
    except BaseException:
        stopped.set()
        all_taken.wait()
        thread.join(_LAST_MOMENT)
        raise
    if errors:
        raise errors[0]


def _check_symbols(symbols: Sequence[str]) -> None:
    for i, symbol in enumerate(symbols):
        if not symbol or plain(symbol).split() != [symbol]:
            raise ConfigError(
                f"vocabulary.symbols must be words without white space; got {symbol!r}"
            )
        if symbol in SPECIAL_PIECES or symbol in symbols[:i]:
            what = "a special piece" if symbol in SPECIAL_PIECES else "named twice"
            raise ConfigError(f"vocabulary.symbols: {symbol!r} is {what}")


def _training_error(message: str, config: VocabularyConfig, side: str) -> ConfigError:
    """SentencePiece's message as one that names the option and its legal values."""
    of_side = f" of the {side} side" if side else ""
    if largest := re.search(r"size too high.*<= (\d+)", message):
        return ConfigError(
            f"vocabulary.size is too large for the training text{of_side}: it allows at most "
            f"{largest[1]}; got {config.size}"
        )
    if smallest := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return ConfigError(
            f"vocabulary.size is too small for the characters of the training text{of_side}: it "
            f"must be at least {smallest[1]}, or vocabulary.character_coverage lower; "
            f"got {config.size}"
        )
    if "!sentences_.empty()" in message:
        return ConfigError(f"a vocabulary cannot be trained: the training text{of_side} is empty")
    return ConfigError(f"a vocabulary cannot be trained: SentencePiece says {message.strip()!r}")
