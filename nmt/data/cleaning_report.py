"""What cleaning did to the training pairs: how many each rule took or changed, with examples."""

from dataclasses import asdict, dataclass, field

NUM_EXAMPLES = 3  # kept of each rule


@dataclass(frozen=True)
class Example:
    """A pair that a rule removed or changed, as it was before the rule, shortened."""

    line: int  # of the raw split, from 1
    source: str
    target: str


@dataclass
class RuleReport:
    """What one rule did."""

    name: str
    removes: bool  # it drops pairs; otherwise it rewrites them
    num_pairs: int = 0  # dropped or changed
    examples: list[Example] = field(default_factory=list)

    def add(self, line: int, source: str, target: str) -> None:
        """Counts a pair, and keeps it while there are few."""
        self.num_pairs += 1
        if len(self.examples) < NUM_EXAMPLES:
            self.examples.append(Example(line, _excerpt(source), _excerpt(target)))


def _excerpt(text: str, width: int = 60) -> str:
    """Both ends of a long text: white space at an end may be why it is shown."""
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[:half]}…{text[-half:]}"


@dataclass
class CleaningReport:
    """How many pairs came in and went out, and what every rule that was on did, in order."""

    pairs_in: int
    pairs_out: int
    rules: list[RuleReport]

    def to_dict(self) -> dict:
        """The report as JSON can hold it: every field, by name."""
        return asdict(self)

    def __str__(self) -> str:
        """A table, with the first example of each rule that did something."""
        lines = [f"{'cleaning':<17} {'pairs':>10} {'share':>7}", f"{'in':<17} {self.pairs_in:>10}"]
        for rule in self.rules:
            share = rule.num_pairs / max(self.pairs_in, 1)
            verb = "removed" if rule.removes else "changed"
            line = f"{rule.name:<17} {rule.num_pairs:>10} {share:>7.2%} {verb}"
            if rule.examples:
                first = rule.examples[0]
                line += f", as line {first.line}: {first.source!r} ||| {first.target!r}"
            lines.append(line)
        return "\n".join([*lines, f"{'out':<17} {self.pairs_out:>10}"])
