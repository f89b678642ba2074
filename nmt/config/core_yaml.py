"""YAML as config files are written in it: the core schema of YAML 1.2, and nothing else.

PyYAML follows YAML 1.1, in which `no` is false, `1e-3` a text, `1:30` the number 90 and the last of
two equal keys wins. Here `no` is a text (Norwegian, say), `1e-3` a number, and a repeated key an
error. No tag builds anything but texts, numbers, lists and mappings.
"""

import re
import reprlib
from typing import Any

import yaml

CORE_SCHEMA = {
    "null": re.compile(r"(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"[-+]?[0-9]{1,400}$"),
    "float": re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}
FROM_TEXT = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(re.sub(r"\.(?=[inIN])", "", text)),  # .inf and .nan lose their dot
}


class _Loader(yaml.SafeLoader):
    """Knows the core schema and nothing else: no dates, no merge keys, no other tags."""

    yaml_implicit_resolvers = {}
    yaml_constructors = {}

    def construct_mapping(self, node, deep=False):
        """Refuses a repeated key, of which YAML readers silently take the last."""
        seen = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {reprlib.repr(key_node.value)} is given twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key_node.value if isinstance(key_node, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def _construct_scalar(kind: str):
    def construct(loader, node):
        text = loader.construct_scalar(node)
        if not CORE_SCHEMA[kind].match(text):  # an explicit tag, as in `!!int abc`
            raise yaml.constructor.ConstructorError(
                problem=f"{reprlib.repr(text)} is not of the kind {kind}",
                problem_mark=node.start_mark,
            )
        return FROM_TEXT[kind](text)

    return construct


for _kind, _pattern in CORE_SCHEMA.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _pattern, None)
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct_scalar(_kind))
for _kind in ("str", "seq", "map"):
    _tag = f"tag:yaml.org,2002:{_kind}"
    _Loader.add_constructor(_tag, yaml.SafeLoader.yaml_constructors[_tag])
_Loader.add_constructor(None, yaml.SafeLoader.yaml_constructors[None])  # refuses every other tag


class _Dumper(yaml.SafeDumper):
    """Quotes a text that YAML 1.1 or the core schema would read as something else."""


def _represent_text(dumper, text):
    quoted = any(pattern.match(text) for pattern in CORE_SCHEMA.values())
    style = "'" if quoted else None
    if "\x85" in text:  # a line end to YAML 1.1, which double quotes alone escape
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(
    tuple,
    lambda dumper, texts: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", texts, flow_style=True
    ),
)


def load(text: str) -> Any:
    """Reads one YAML document.

    Raises:
      yaml.YAMLError: with a line where one can be told.
      RecursionError: for a text nested too deeply.
    """
    return yaml.load(text, Loader=_Loader)


def dump(tree: dict[str, Any]) -> str:
    """Writes a mapping so that `load`, and a reader of YAML 1.1 too, gives back an equal one."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def is_null(text: str) -> bool:
    """Whether a plain scalar means null: nothing, ~ or null."""
    return bool(CORE_SCHEMA["null"].match(text))
