"""How many programs a GPU starts, one by one, for one that XLA has compiled.

XLA cuts a program into fusions and calls of libraries, and the host starts each of them. They are
counted in the text of the compiled program, whose grammar XLA calls HLO:

    %body.1 (arg: (s32[], f32[8])) -> (s32[], f32[8]) {
      %fusion = f32[8]{0} fusion(%x), kind=kLoop, calls=%fused, ...
    }
    ENTRY %main (x: f32[8]) -> f32[8] {
      %while = (s32[], f32[8]) while(%tuple), condition=%c, body=%body.1, backend_config={
          "known_trip_count":{"n":"16"}}, ...
"""

import re
from typing import NamedTuple

# What only names or frames other values, or passes to another computation.
NO_PROGRAM = {
    "after-all",
    "bitcast",
    "call",
    "conditional",
    "constant",
    "get-tuple-element",
    "parameter",
    "tuple",
    "while",
}
COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = (.*)$")
TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')


class Instruction(NamedTuple):
    """An operation and the text of its operands and attributes."""

    opcode: str
    rest: str


def count_launches(hlo: str) -> int:
    """The programs that are started, in loops as often as these run.

    Of a branch the longest side counts, and a loop counts once whose end only the data knows.

    Args:
      hlo: the text of a compiled program.
    """
    computations, entry = _parsed(hlo)

    def of(name: str) -> int:
        return sum(of_instruction(each) for each in computations[name])

    def of_instruction(instruction: Instruction) -> int:
        opcode, rest = instruction
        match opcode:
            case "while":
                trips = TRIPS.search(rest)
                return of(_named("body", rest)) * (int(trips[1]) if trips else 1)
            case "call":
                return of(_named("to_apply", rest))
            case "conditional":
                return max(map(of, _branches(rest)))
            case _:
                return opcode not in NO_PROGRAM

    return of(entry)


def _parsed(hlo: str) -> tuple[dict[str, list[Instruction]], str]:
    """The instructions of each computation, and the name of the one that is run."""
    computations, entry, current = {}, "", None
    for line in hlo.splitlines():
        if head := COMPUTATION.match(line):
            current = computations.setdefault(head[2], [])
            entry = head[2] if head[1] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (found := INSTRUCTION.match(line)):
            rest = _without_type(found[1])
            current.append(Instruction(rest.partition("(")[0], rest))
    return computations, entry


def _without_type(text: str) -> str:
    """`opcode(operands), ...` of `type opcode(operands), ...`; a type may be a tuple of types."""
    if not text.startswith("("):
        return text.partition(" ")[2]
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return text[place + 2 :]
    raise ValueError(f"an unclosed type: {text}")


def _named(attribute: str, rest: str) -> str:
    return re.search(rf"\b{attribute}=%?([\w.\-]+)", rest)[1]


def _branches(rest: str) -> list[str]:
    if found := re.search(r"branch_computations=\{([^}]*)\}", rest):
        return [name.strip().lstrip("%") for name in found[1].split(",")]
    return [_named(side, rest) for side in ("true_computation", "false_computation")]
