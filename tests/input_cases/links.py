"""Word links that are wrong, and calls that align, score and write them."""

import gzip

from tests.input_cases import Case

PAIRS = "--source text.txt --target text.txt"
ALIGN, SCORE = f"align runs/good {PAIRS}", f"score runs/good {PAIRS}"
AER = "aer links.txt --gold gold.txt --links-base 0 --gold-base 0"
TRANSLATE = "translate runs/good text.txt --alignments x"
FILES = {"links.txt": "0-0 1-1\n0-1\n", "gold.txt": "0-0 1p1\n0-1 1?0\n"}


def files(name, says, line=AER, **others):
    """A case in which a file of links is another one."""
    others = {f"{file}.txt": content for file, content in others.items()}
    return Case(name, line, says, FILES | others)


LINKS = [
    files("no link", "links.txt, line 2: wanted a link such as 0-0 | got '01'", links="0-0\n01\n"),
    files("half a link to score", "links.txt, line 1: wanted a link | got '0-'", links="0-\n0-0\n"),
    files("a link below zero", "line 1: wanted a link | got '-1-0'", links="-1-0\n\n"),
    files("a link of a word", "line 2: wanted a link | got 'le-the'", links="\nle-the\n"),
    files(
        "text for links",
        "text.txt, line 1: wanted a link | got 'the'",
        AER.replace("links.txt", "text.txt"),
    ),
    files("an endless number", "line 1: wanted a link | got '999", links="9" * 5000 + "-0\n\n"),
    files("a possible link that is not gold", "line 1: wanted sure links alone", links="0p0\n\n"),
    files(
        "links counted from 0 for 1",
        "links.txt, line 1: wanted links between words that are counted from 1; got '0-0'",
        AER.replace("links-base 0", "links-base 1"),
    ),
    files(
        "gold counted from 0 for 1",
        "gold.txt, line 1: wanted links between words that are counted from 1; got '0-0'",
        AER.replace("gold-base 0", "gold-base 1"),
    ),
    files("gold that is no link", "gold.txt, line 2: wanted a link | got '0x1'", gold="\n0x1\n"),
    files(
        "a line of links too few", "links.txt has 1 line and gold.txt has 2 lines", links="0-0\n"
    ),
    files("a line of gold too many", "links.txt has 2 lines and gold.txt has 3", gold="\n\n\n"),
    files("no gold at all", "gold.txt is empty; wanted one line or more", gold="", links=""),
    files("links to score that are no UTF-8", "links.txt, line 1: wanted UTF-8", links=b"0\xff0\n"),
    files("links that are not there", "no such file", AER.replace("links.txt", "gone.txt")),
    Case(
        "links cut short",
        "aer x.gz --gold gold.txt --links-base 0 --gold-base 0",
        "x.gz: cannot be read, damaged or incomplete",
        FILES | {"x.gz": gzip.compress(b"0-0\n" * 99)[:-9]},
    ),
    files("no LINKS", "LINKS is missing; see nmt aer --help", "aer --gold gold.txt"),
    files("no gold", "--gold is missing: the file of gold links", "aer links.txt"),
    files("no base", "--links-base is missing: 0 or 1", "aer links.txt --gold gold.txt"),
    files(
        "base two",
        "--gold-base: wanted 0 or 1 | got '2'",
        AER.replace("gold-base 0", "gold-base 2"),
    ),
    files("an override for aer", "no key can be overridden here", f"{AER} data.path=x"),
]
ALIGNING = [
    Case("no source to align", "align runs/good --target text.txt", "--source is missing: a file"),
    Case("no target to align", "align runs/good --source text.txt", "--target is missing: a file"),
    Case("no run to align with", f"align {PAIRS}", "RUN is missing; see nmt align --help"),
    Case(
        "a target too short",
        ALIGN.replace("target text", "target x"),
        "text.txt has 2 lines and x.txt has 1; line i of both",
        {"x.txt": "un chat\n"},
    ),
    Case(
        "a target that is not there", ALIGN.replace("target text", "target x"), "x.txt: no such f"
    ),
    Case("an unknown method", f"{ALIGN} --method atention", 'did you mean "attention"?'),
    Case("a method that cannot be", f"{ALIGN} --method shift-att", "shift-att does not exist for"),
    Case("a layer that is not there", f"{ALIGN} --layer 7", "layer | must be between | got 7"),
    Case(
        "a layer that is no number", f"{ALIGN} --layer top", "--layer: wanted a whole number; got"
    ),
    Case("a head without a layer", f"{ALIGN} --head 0", "head 0 needs the layer"),
    Case("an unknown unit", f"{ALIGN} --source-unit byte", "no unit 'byte'"),
    Case(
        "units of a plot",
        "plot runs/good cat --output x.png --target-unit words",
        'did you mean "word"?',
    ),
    Case(
        "units of no links",
        "translate runs/good text.txt --source-unit piece",
        "are those of --alignments FILE",
    ),
    Case("a rule for one direction", f"{ALIGN} --symmetrize union", "it needs --reverse RUN"),
    Case(
        "an unknown rule",
        f"{ALIGN} --reverse runs/good --symmetrize grow-dia",
        "unknown rule of symmetrisation 'grow-dia'; did you mean \"grow-diag\"?",
    ),
    Case(
        "a reverse run of the same direction",
        f"{ALIGN} --reverse runs/good",
        "--reverse must translate from fr to en | runs/good translates from en to fr",
    ),
    Case("a reverse run that is not there", f"{ALIGN} --reverse runs/god", 'did you mean "good"?'),
    Case("scores without gold", f"{ALIGN} --json", "--json prints scores: it needs --gold"),
    Case("a base without gold", f"{ALIGN} --gold-base 1", "--gold-base is that of --gold"),
    files("gold without a base", "--gold-base is missing: 0 or 1", f"{ALIGN} --gold gold.txt"),
    files(
        "gold of another file",
        "text.txt has 2 lines and gold.txt has 1 line; line i of both must be the same pair",
        f"{ALIGN} --gold gold.txt --gold-base 0",
        gold="0-0\n",
    ),
    files(
        "gold past the words",
        "gold.txt, line 2: link 1-2 | a pair of 2 source and 2 target words",
        f"{ALIGN} --gold gold.txt --gold-base 0 --output x",
        gold="0-0\n0-1 1p2\n",
    ),
    Case(
        "a choice without a measure", f"{ALIGN} --choose-head", "by --gold or by --reverse: one of"
    ),
    files(
        "a choice of what is chosen",
        "--choose-head chooses --layer and --head",
        f"{ALIGN} --choose-head --gold gold.txt --gold-base 0 --layer 0",
    ),
    files(
        "a choice with links",
        "--choose-head writes no links: --output has no use",
        f"{ALIGN} --choose-head --gold gold.txt --gold-base 0 --output x",
    ),
    files(
        "a choice of one",
        "there is no head to choose",
        f"{ALIGN} --choose-head --gold gold.txt --gold-base 0",
    ),
    Case(
        "a reverse method without a reverse run",
        f"{ALIGN} --reverse-method attention",
        "--reverse-method is that of --reverse RUN, which is missing",
    ),
    Case(
        "a reverse head without its layer",
        f"{ALIGN} --reverse runs/good --layer 0 --reverse-head 0",
        "--reverse-head needs --reverse-layer",
    ),
    Case(
        "a choice in two ways",
        f"{ALIGN} --choose-head --reverse runs/good --reverse-layer 0",
        "--choose-head reads both runs by --method | --reverse-layer has no use",
    ),
    Case(
        "a target on standard input",
        ALIGN.replace("target text.txt", "target -"),
        "--target must be a file; standard input cannot be read as one of two",
    ),
    files(
        "links over their gold",
        "--output would replace ./gold.txt, which is read as --gold; wanted another file",
        f"{ALIGN} --gold gold.txt --gold-base 0 --output ./gold.txt",
    ),
    Case("an override for align", f"{ALIGN} search.beam_size=1", "no key can be overridden here"),
    Case("links on a full disk", f"{ALIGN} --output /dev/full", "write /dev/full: No space left"),
    Case("no step to align with", f"{ALIGN} --checkpoint 8", "has no checkpoint 8"),
]
OTHERS = [
    Case("no target to score", "score runs/good --source text.txt", "--target is missing: a file"),
    Case(
        "a source too short to score",
        SCORE.replace("source text", "source x"),
        "x.txt has 0 lines and text.txt has 2",
        {"x.txt": ""},
    ),
    Case("scores on a full disk", f"{SCORE} --output /dev/full", "write /dev/full: No space left"),
    Case("an override for score", f"{SCORE} search.beam_size=1", "no key can be overridden here"),
    Case(
        "a pair too long to score",
        SCORE.replace("text", "x"),
        "x.txt, line 2: at most 1024 pieces a side can be scored; got",
        {"x.txt": "a\n" + "1 " * 1100 + "\n"},
    ),
    Case(
        "a method for no links",
        "translate runs/good text.txt --method attention+1",
        "--method, --layer and --head are those of --alignments FILE",
    ),
    Case("an unknown method to translate", f"{TRANSLATE} --method x", "no alignment method 'x'"),
    Case(
        "translations and links in one file", f"{TRANSLATE} --output ./x", "to one place, x; wanted"
    ),
    Case("both on standard output", f"{TRANSLATE} --alignments -", "one place, standard output"),
    Case(
        "both on standard output by its other name",
        f"{TRANSLATE} --alignments /dev/stdout",
        "--output and --alignments would be written to one place, /dev/stdout; wanted two",
    ),
    Case(
        "links over the text",
        f"{TRANSLATE} --alignments ./text.txt",
        "--alignments would replace ./text.txt, which is read as FILE; wanted another file",
    ),
    Case(
        "scores over the source",
        f"{SCORE} --output text.txt",
        "--output would replace text.txt, which is read as --",
    ),
    Case(
        "a source to score on standard input",
        SCORE.replace("source text.txt", "source -"),
        "--source must be a file; standard input cannot be read as one of two",
    ),
    Case("links in a folder", f"{TRANSLATE} --alignments corpus", "cannot write corpus: it is a f"),
    Case(
        "translations on a full disk, and not the links",
        f"{TRANSLATE} --output /dev/full",
        "cannot write /dev/full: No space left on device",
    ),
    Case(
        "links on a full disk, and not the translations",
        f"{TRANSLATE} --output y --alignments /dev/full",
        "cannot write /dev/full: No space left on device",
    ),
]
CASES = [*LINKS, *ALIGNING, *OTHERS]
