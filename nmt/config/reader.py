"""The one strict reader of config files and overrides, and the writer whose output it reads back.

    config = read_config("configs/quickstart.yaml", ["training.num_steps=200"])

Every value is checked against the annotation of its field in schema.py, so the dataclasses are the
only place that knows the options; nothing below this file sees a dictionary.
"""

import dataclasses
import math
import reprlib
import types
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import yaml

from nmt.config import core_yaml
from nmt.config.schema import Config, ModelConfig
from nmt.errors import ConfigError, nearest

DEFAULT_ARCHITECTURE = "recurrent"
LARGEST_FILE = 1 << 20  # bytes; nobody writes as many by hand, and /dev/zero has no end
# A corpus has one of two names: an override with one takes back the other and what goes with it.
OTHER_NAME = {"data.path": "hub", "data.hub": "path"}
GOES_WITH = {"hub": ("configuration", "revision"), "path": ()}
MOST_SHOWN = 200  # characters of what the user wrote, in a message
WANTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def read_config(path: str | PathLike, overrides: Sequence[str] = ()) -> Config:
    """Reads a config file, then lays the overrides over it.

    Args:
      path: a YAML file with the sections of `Config`.
      overrides: texts "section.key=value", of which the last wins.
    Returns:
      The whole config, defaults filled in.
    Raises:
      ConfigError: in one line, for whatever in the file or in an override is not legal.
    """
    tree = _read_yaml(Path(path))
    for text in overrides:
        _lay_over(tree, text, path)
    return _section(Config, tree, (), str(path))


def to_yaml(config: Config) -> str:
    """Writes all of a config, defaults included; `read_config` gives back an equal one."""
    return "\n".join(core_yaml.dump({name: section}) for name, section in _plain(config).items())


def differing_keys(a: Config, b: Config) -> list[tuple[str, Any, Any]]:
    """Compares two configs.

    Returns:
      (dotted key, value in `a`, value in `b`) for each that differs. Where the architectures
      differ, model.architecture alone stands for the section model.
    """
    values_a, values_b = dict(_leaves(_plain(a))), dict(_leaves(_plain(b)))
    keys = values_a
    if a.model.architecture != b.model.architecture:
        keys = [k for k in values_a if k == "model.architecture" or not k.startswith("model.")]
    return [(k, values_a[k], values_b[k]) for k in keys if values_a[k] != values_b[k]]


def homes(name: str, sections: Sequence[str] | None = None) -> str:
    """The end of a message: the keys of this name, such as data.seed and training.seed for seed.

    Args:
      name: the last part of the keys.
      sections: in which to look; all when None.
    """
    found = dict.fromkeys(key for key in _all_keys(Config) if key.endswith(f".{name}"))
    if sections is not None:
        found = [key for key in found if key.partition(".")[0] in sections]
    meant = " or ".join(f'"{key}"' for key in sorted(found, key=lambda key: key.count(".")))
    return f"; did you mean {meant}?" if meant else ""


def _read_yaml(path: Path) -> dict:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ConfigError(
                f"config file {path} must have {LARGEST_FILE} bytes at most; got more"
            )
        tree = core_yaml.load(content.decode("utf-8-sig"))
    except FileNotFoundError:
        siblings = [file.name for file in sorted(path.parent.glob("*.yaml"))]
        hint = nearest(path.name, siblings)
        raise ConfigError(f"config file {path} does not exist{hint}") from None
    except OSError as error:
        raise ConfigError(f"config file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"config file {path} line {line} is not UTF-8: byte 0x{content[error.start]:02X}"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" line {mark.line + 1}" if mark else ""
        problem = " ".join((error.problem or error.context or "unreadable").split())[:MOST_SHOWN]
        raise ConfigError(f"config file {path}{place} is not YAML: {problem}") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ConfigError(f"config file {path} is not YAML: {problem}") from None
    except RecursionError:
        raise ConfigError(f"config file {path} is nested too deeply") from None
    if tree is None:
        raise ConfigError(
            f"config file {path} is empty; wanted sections{nearest('', _names(Config))}"
        )
    if not isinstance(tree, dict):
        raise ConfigError(f"config file {path} must hold sections (a mapping); got {_show(tree)}")
    return tree


# ---- overrides ----------------------------------------------------------------------------------


class _Override(NamedTuple):
    """The text after "=", not read until the annotation of its field is known."""

    text: str

    def read(self, options: tuple) -> Any:
        """A text option takes the text as it is; everything else is read as YAML."""
        kind = options[0]
        is_list = typing.get_origin(kind) is tuple
        takes_null = types.NoneType in options or is_list and self.text.strip()  # which is refused
        if takes_null and core_yaml.is_null(self.text):
            return None
        if kind is str or typing.get_origin(kind) is Literal:
            return self.text
        if is_list and not self.text.startswith("["):
            return [part.strip() for part in self.text.split(",") if part.strip()]
        try:
            return core_yaml.load(self.text)
        except (yaml.YAMLError, RecursionError):
            return self.text


def _lay_over(tree: dict, override: str, path: str | PathLike) -> None:
    """Puts an override into the tree, where it replaces what the file says."""
    where = f"override {_quoted(override)}"
    name, equals, value = override.partition("=")
    keys = [key.strip() for key in name.split(".")]
    if not equals:
        raise ConfigError(f"{where} lacks '='; write section.key=value")
    kinds = (Config,)
    for depth, key in enumerate(keys):
        dotted = ".".join(keys[:depth])
        if not kinds:
            raise ConfigError(f"{where}: {dotted} is a value and has no keys")
        legal = [legal for kind in kinds for legal in _names(kind)]
        if key not in legal:
            _unknown(where, (*keys[:depth], key), dict.fromkeys(legal))
        kinds = _dataclasses_of(next(_hints(k)[key] for k in kinds if key in _names(k)))
    if kinds:
        raise ConfigError(f"{where}: {name} is a section; write {name}.key=value")
    for depth, key in enumerate(keys[:-1]):
        if tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
        if not isinstance(tree, dict):
            _not_a_section(str(path), keys[: depth + 1], tree)
    tree[keys[-1]] = _Override(value)
    other = OTHER_NAME.get(".".join(keys))
    if other is not None and tree.get(other) is not None and not core_yaml.is_null(value):
        for replaced in (other, *GOES_WITH[other]):
            if not isinstance(tree.get(replaced), _Override):
                tree.pop(replaced, None)


# ---- from the tree to dataclasses ---------------------------------------------------------------


def _section(kind: type, tree: Any, keys: tuple[str, ...], where: str) -> Any:
    """Builds the dataclass `kind` from a mapping; `keys` lead to it."""
    tree = {} if tree is None else tree  # a section with nothing below its name
    if not isinstance(tree, dict):
        _not_a_section(where, keys, tree)
    legal = _names(kind)
    foreign = [key for key in tree if key not in legal and key in _names_of_other_models(kind)]
    if foreign:
        named = ", ".join(".".join((*keys, key)) for key in foreign)
        raise ConfigError(
            f"{where}: {named} cannot be given where model.architecture is "
            f"{_architecture(kind)}; remove " + ("it" if len(foreign) == 1 else "them")
        )
    for key in tree:
        if key not in legal:
            _unknown(where, (*keys, str(key)), legal)
    hints = _hints(kind)
    values = {key: _value(hints[key], value, (*keys, key), where) for key, value in tree.items()}
    missing = [f.name for f in dataclasses.fields(kind) if _required(f) and f.name not in values]
    values |= {name: _section(hints[name], {}, (*keys, name), where) for name in missing}
    return kind(**values)


def _value(annotation: Any, value: Any, keys: tuple[str, ...], where: str) -> Any:
    """One value, or a section, checked against the annotation of its field."""
    if annotation == ModelConfig:
        return _section(_model_kind(value, where), value, keys, where)
    if dataclasses.is_dataclass(annotation):
        return _section(annotation, value, keys, where)
    options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    name = ".".join(keys)
    if isinstance(value, _Override):
        where = f"override {_quoted(f'{name}={value.text}')}"
        value = value.read(options)
    if value is None and types.NoneType in options:
        return None
    kind = options[0]
    if typing.get_origin(kind) is Literal:
        return _choice(typing.get_args(kind), value, name, where)
    if typing.get_origin(kind) is tuple:
        return _texts(value, name, where)
    return _scalar(kind, value, name, where, optional=types.NoneType in options)


def _scalar(kind: type, value: Any, name: str, where: str, *, optional: bool) -> Any:
    if kind is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is kind and not (kind is float and not math.isfinite(value)):
        if kind is int and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{where}: {name} must fit into 64 bits; got {_show(value)}")
        return value if kind is not str else _writable(value, name, where)
    wanted = WANTED[kind] + (" or null" if optional else "")
    hint = " (put it in quotes)" if kind is str and type(value) in (int, float, bool) else ""
    raise ConfigError(f"{where}: {name} must be {wanted}; got {_show(value)}{hint}")


def _choice(choices: tuple[str, ...], value: Any, name: str, where: str) -> str:
    if value in choices and isinstance(value, str):
        return value
    came = value if isinstance(value, str) else _show(value)
    raise ConfigError(f"{where}: {name} cannot be {_show(value)}{nearest(came, choices)}")


def _texts(value: Any, name: str, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if isinstance(values, list) and all(isinstance(text, str) for text in values):
        return tuple(_writable(text, name, where) for text in values)
    raise ConfigError(f"{where}: {name} must be a list of texts; got {_show(value)}")


def _writable(text: str, name: str, where: str) -> str:
    """The text, if it can name a file and be written in UTF-8; an argument may hold any bytes."""
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise ConfigError(f"{where}: {name} must be UTF-8 text without NUL; got {_show(text)}")
    return text


def _model_kind(section: Any, where: str) -> type:
    """The dataclass that model.architecture chooses."""
    kinds = {
        _hints(kind)["architecture"].__args__[0]: kind for kind in typing.get_args(ModelConfig)
    }
    architecture = DEFAULT_ARCHITECTURE
    if isinstance(section, dict) and "architecture" in section:
        annotation = Literal[tuple(kinds)]
        architecture = _value(annotation, section["architecture"], ("model", "architecture"), where)
    return kinds[architecture]


# ---- what the dataclasses say of themselves -----------------------------------------------------


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _all_keys(kind: type, prefix: str = "") -> Iterator[str]:
    for name, annotation in _hints(kind).items():
        sections = _dataclasses_of(annotation)
        yield from () if sections else (prefix + name,)
        for section in sections:
            yield from _all_keys(section, f"{prefix}{name}.")


def _architecture(kind: type) -> str:
    """The one value that model.architecture has in a dataclass of ModelConfig."""
    return typing.get_args(_hints(kind)["architecture"])[0]


def _names_of_other_models(kind: type) -> set[str]:
    kinds = typing.get_args(ModelConfig)
    return {name for other in kinds if kind in kinds for name in _names(other)} - set(_names(kind))


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (types.UnionType, typing.Union)


def _dataclasses_of(annotation: Any) -> tuple[type, ...]:
    options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    return tuple(option for option in options if dataclasses.is_dataclass(option))


def _plain(config: Any) -> dict[str, Any]:
    """A dataclass as nested dictionaries; tuples stay."""
    values = {name: getattr(config, name) for name in _names(type(config))}
    return {k: _plain(v) if dataclasses.is_dataclass(v) else v for k, v in values.items()}


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


# ---- messages -----------------------------------------------------------------------------------


def _show(value: Any) -> str:
    """A value as YAML would write it, shortened (aliases can make a small file's value huge)."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return reprlib.repr(value.text if isinstance(value, _Override) else value)


def _unknown(where: str, keys: Sequence[str], legal: typing.Iterable[str]) -> NoReturn:
    dotted = ".".join(keys)
    dotted = dotted if dotted.isprintable() and len(dotted) <= MOST_SHOWN else _quoted(dotted)
    raise ConfigError(f"{where}: unknown key {dotted}{homes(keys[-1]) or nearest(keys[-1], legal)}")


def _quoted(text: str) -> str:
    """A text in quotes and on one line; of a long one the two ends."""
    half = MOST_SHOWN // 2
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:half]}...{text[-half:]}")


def _not_a_section(where: str, keys: Sequence[str], value: Any) -> NoReturn:
    raise ConfigError(f"{where}: {'.'.join(keys)} must be a section of keys; got {_show(value)}")
