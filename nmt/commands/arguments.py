"""Arguments of the commands: options, words and overrides in any order; one line for a mistake."""

import argparse
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from nmt.analysis.by_length import DEFAULT_EDGES
from nmt.config.reader import homes
from nmt.config.schema import Config
from nmt.data.text_files import is_utf8
from nmt.errors import ConfigError, NmtError, RunError, nearest
from nmt.runs.directory import RunDirectory
from nmt.runs.seeds import ENSEMBLE, MEAN

DATA_OF_TRAINING = {  # keys of data that no trained run reads anew
    "cleaning",
    "max_pieces",
    "batch_pieces",
    "batch_sentences",
    "num_shapes",
    "row_multiple",
    "seed",
}
SECTIONS = tuple(field.name for field in fields(Config))
_OVERRIDE = re.compile(r"([\w-]+)(\.[\w-]+)*=")

WIDTH = 79  # columns of help


@dataclass(frozen=True)
class Arguments:
    """The arguments of one call.

    Attributes:
      command: its name.
      options: by name, what stood behind "--name".
      words: everything else, in order, except
      overrides: the texts "section.key=value".
    """

    command: str
    options: argparse.Namespace
    words: list[str]
    overrides: list[str]

    def named(self, *names: str, optional: Sequence[str] = ()) -> list[str | None]:
        """The words under the names that the usage gives them, None for one that is not there.

        Raises:
          NmtError: too few, or too many.
        """
        if len(self.words) < len(names):
            raise NmtError(f"{names[len(self.words)]} is missing; see nmt {self.command} --help")
        legal = [*names, *optional]
        if len(self.words) > len(legal):
            extra = self.words[len(legal)]
            raise NmtError(f"nothing more is wanted after {' '.join(legal)}; got {extra!r}")
        return [*self.words, *[None] * (len(legal) - len(self.words))]

    def check_named(self, option: str, wanted: str) -> None:
        """Raises NmtError where an option is empty, as a variable of the shell that is not set is.

        Args:
          option: its name, such as "--run".
          wanted: what it must name, for the message.
        """
        if self._value(option) == "":
            raise NmtError(f"{option} must name {wanted}; got ''")

    def required(self, option: str, wanted: str) -> Any:
        """The value of an option that there must be.

        Args:
          option: its name, such as "--source".
          wanted: what its value is, for the message.
        Raises:
          NmtError: it is not there.
        """
        value = self._value(option)
        if value is None:
            raise NmtError(f"{option} is missing: {wanted}; see nmt {self.command} --help")
        return value

    def _value(self, option: str) -> Any:
        return getattr(self.options, option.removeprefix("--").replace("-", "_"))

    def refuse_overrides(self, where: str = "here") -> None:
        """Raises ConfigError where there are overrides, for a command that has no use for them."""
        if self.overrides:
            raise ConfigError(f"no key can be overridden {where}; got {self.overrides[0]!r}")


class CommandParser(argparse.ArgumentParser):
    """Reads the arguments of one command. A mistake raises NmtError and prints no usage."""

    def __init__(self, name: str, *, words: str, purpose: str, examples: Sequence[str]):
        """Args: the command, its words and overrides, what it does, and calls to copy."""
        self.name = name
        super().__init__(
            prog=f"nmt {name}",
            usage=f"nmt {name} {words} [options]",
            description=textwrap.fill(purpose, WIDTH),
            epilog="\n  ".join(["examples:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.add_argument("-h", "--help", action="store_true", help="show this text")

    def error(self, message: str) -> NoReturn:
        """What argparse calls for a mistake."""
        raise NmtError(message.removeprefix("argument "))

    def parse(self, arguments: Sequence[str]) -> Arguments | None:
        """Reads arguments; None where only help is asked for. Those after "--" are words.

        Raises:
          NmtError: an option that there is not, or one with a wrong value.
        """
        arguments = list(arguments)
        end = arguments.index("--") if "--" in arguments else len(arguments)
        before, after = self._alone_last(arguments[:end]), arguments[end + 1 :]
        if "-h" in before or "--help" in before:
            return None
        options, rest = self.parse_known_args(before)
        for word in rest:
            if re.match(r"-[^\s]", word) and " " not in word:  # "- a sentence" is none
                option = word.partition("=")[0]
                legal = [name for name in self._option_string_actions if name.startswith("--")]
                key = homes(option.lstrip("-").replace("-", "_"), self._sections())
                raise NmtError(f"unknown option {option}{key or nearest(option, legal)}")
        overrides = [word for word in rest if _is_override(word)]
        words = [word for word in rest if not _is_override(word)] + after
        return Arguments(self.name, options, words, overrides)

    def _sections(self) -> Sequence[str]:
        """Of the keys that may be overridden, as the usage tells."""
        named = re.findall(r"(\w+)\.key=value", self.usage)
        return SECTIONS if "section" in named else named

    def _alone_last(self, arguments: Sequence[str]) -> list[str]:
        """Moves an option that may stand alone to the end, where the next word is no number.

        argparse takes any word for its value, RUN or an override too.
        """
        kept, alone = [], []
        for argument, following in pairwise([*arguments, ""]):
            action = self._option_string_actions.get(argument)
            stands_alone = action is not None and action.nargs == "?"
            stands_alone = stands_alone and not re.fullmatch(r"[\d,.]+", following)
            (alone if stands_alone else kept).append(argument)
        return kept + alone

    def add_by_length(self) -> None:
        """--by-length, alone or with a number or more."""
        self.add_argument(
            "--by-length",
            metavar="EDGES",
            nargs="?",
            type=edges,
            const=DEFAULT_EDGES,
            help="score the sentences by source length too: in words, or in characters where they "
            f"have no spaces; EDGES end the buckets (default: {','.join(map(str, DEFAULT_EDGES))})",
        )

    def add_checkpoint(self) -> None:
        """--checkpoint, which every command that runs a model of a run has."""
        self.add_argument(
            "--checkpoint",
            metavar="WHICH",
            default="best",
            help="best, last, average, or the number of a step (default: best)",
        )

    def add_seed(self, of: str = "", *, option: str = "--seed", mean: bool = False) -> None:
        """--seed, which every command that runs a model of a run has.

        Args:
          of: whose models, where the command reads several runs; begins with a space.
          option: its name.
          mean: whether the models may be measured one by one, which then is the default.
        """
        mean_help = ", or mean for each by itself and the mean of the scores" if mean else ""
        self.add_argument(
            option,
            metavar="K|ensemble|mean" if mean else "K|ensemble",
            type=seed_or_mean if mean else seed,
            help=f"which model{of}, if it was trained with several seeds (training.num_seeds): "
            "that of seed K, from training.seed on, or ensemble for all as one, whose logits are "
            f"the mean of theirs{mean_help} (default: {'mean' if mean else 'the first'})",
        )


def _is_override(word: str) -> bool:
    """Whether a word is section.key=value.

    With a misspelt section, unless there is such a file, or it is a sentence.
    """
    match = _OVERRIDE.match(word)
    if match is None or match[1] in SECTIONS:
        return match is not None
    return len(word.split()) == 1 and not Path(word).exists()


def positive(text: str) -> int:
    """The type of an option that counts."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"wanted a whole number of 1 or more; got {text!r}")
    return int(text)


def edges(text: str) -> tuple[int, ...]:
    """The type of an option that names lengths, each the end of a bucket."""
    numbers = [int(part) if re.fullmatch("[0-9]{1,9}", part) else 0 for part in text.split(",")]
    if any(low >= high for low, high in zip([0, *numbers], numbers, strict=False)):
        raise argparse.ArgumentTypeError(
            f"wanted rising whole numbers of 1 or more, such as 10,20,30; got {text!r}"
        )
    return tuple(numbers)


def whole_number(text: str) -> int:
    """The type of an option that names one of several by its place, from the end where negative."""
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"wanted a whole number; got {text!r}")
    return int(text)


def seed_or_mean(text: str) -> int | str:
    """The type of --seed where several models can be measured one by one."""
    if text in (ENSEMBLE, MEAN):
        return text
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise argparse.ArgumentTypeError(f"wanted a seed, {ENSEMBLE} or {MEAN}; got {text!r}")
    return int(text)


def seed(text: str) -> int | str:
    """The type of --seed where one model is wanted."""
    if text == MEAN:
        raise argparse.ArgumentTypeError(
            f"only scores have a mean, which nmt evaluate gives; {ENSEMBLE} takes the mean of what "
            "the models say of each piece"
        )
    if text != ENSEMBLE and not re.fullmatch(r"[0-9]{1,10}", text):
        raise argparse.ArgumentTypeError(f"wanted a seed or {ENSEMBLE}; got {text!r}")
    return text if text == ENSEMBLE else int(text)


def open_run(
    path: str, overrides: Sequence[str], sections: Sequence[str]
) -> tuple[RunDirectory, Config]:
    """Opens a run that is trained, for a command that leaves its model as it is.

    Args:
      path: of the run directory.
      overrides: as the user wrote them.
      sections: those that may be overridden.
    Raises:
      NmtError: no run is there, or an override is wrong or would do nothing.
    """
    if not path:
        raise RunError("RUN must name a run directory; got ''")
    if not is_utf8(path):  # libraries that read checkpoints take no other names
        raise RunError(f"a run directory's name must be UTF-8; got {path!r}")
    run = RunDirectory.open(path)
    for override in overrides:
        section, key, *_ = re.split(r"[.=]", override)
        if section not in SECTIONS:
            hint = homes(section, sections) or nearest(section, sections)
            raise ConfigError(f"override {override!r}: unknown section {section}{hint}")
        if section not in sections:
            takes = " and ".join(f"{name}.key=value" for name in sections)
            raise ConfigError(
                f"override {override!r} comes too late: the run is trained; "
                f"this command takes {takes}"
            )
        if section == "data" and key in DATA_OF_TRAINING:
            raise ConfigError(
                f"override {override!r} comes too late: the run is trained; "
                f"data.{key} is of its training alone"
            )
    return run, run.read_config(overrides)
