"""Calls that are wrong: commands, options, the files to read and to write."""

import gzip

from tests.input_cases import Case

T, E, P = "translate runs/good", "evaluate runs/good", "plot runs/good"
COMMANDS = [
    Case("no command", "", "a command is wanted: train, translate, evaluate, "),
    Case("a mistyped command", "trian x", "unknown command 'trian'; did you mean \"train\"?"),
    Case("a mistyped option of all", "--verison", 'unknown option --verison; did you mean "--vers'),
    Case("a mistyped option", f"{T} --nbest 3", 'unknown option --nbest; did you mean "--n-best"?'),
    Case("an option shortened", f"{T} text.txt --check 7", "unknown option --check; did you mean"),
    Case("a word too many", f"{T} text.txt text.txt", "nothing more is wanted after RUN FILE; got"),
    Case("a value for a switch", f"{E} --json=yes", "--json: ignored explicit argument 'yes'"),
    Case("an override without a section", f"{T} beam_size=3", 'did you mean "search.beam_size"?'),
    Case("a key written as an option", f"{T} --beam-size 3", 'did you mean "search.beam_size"?'),
    Case("no test set", f"{E} data.test=", "data.test names no split: --split NAME is wanted, or"),
    Case("an override misspelt", f"{T} text.txt serach.beam_size=3", 'did you mean "search"?'),
    Case(
        "an override too late", f"{T} text.txt model.encoder_dim=9", "too late: the run is trained"
    ),
    Case("an override of another command", f"{T} text.txt data.path=x", "takes search.key=value"),
    Case(
        "too late for evaluate", f"{E} training.seed=2", "takes search.key=value and data.key=value"
    ),
    *(
        Case(
            f"{key}, a key of training alone",
            f"{E} data.{key}={value}",
            f"too late: the run is trained; data.{key.partition('.')[0]} is of its training alone",
        )
        for key, value in {
            "cleaning.nfc": "false",
            "max_pieces": 9,
            "batch_pieces": 9,
            "batch_sentences": 9,
            "num_shapes": 9,
            "row_multiple": 9,
            "seed": 9,
        }.items()
    ),
    Case(
        "an override out of range", f"{T} text.txt search.beam_size=0", "must be 1 or more; got 0"
    ),
    Case(
        "a beam larger than the run's vocabulary",
        f"{T} text.txt search.beam_size=301",
        "search.beam_size must not exceed vocabulary.size; got 301 for 300 pieces",
    ),
    Case(
        "no hypotheses", f"{T} text.txt --n-best 0", "--n-best: wanted a whole number of 1 or more"
    ),
    Case("half a hypothesis", f"{T} text.txt --n-best 1.5", "of 1 or more; got '1.5'"),
    Case("more than the beam", f"{T} text.txt --n-best 3", "exceed search.beam_size (2); got 3"),
]
LENGTHS = "wanted rising whole numbers of 1 or more, such as 10,20,30; got "
EDGES = [
    Case("falling lengths", f"{E} --by-length 20,10", f"--by-length: {LENGTHS}'20,10'"),
    Case("lengths twice", f"{E} --by-length 5,5", f"{LENGTHS}'5,5'"),
    Case("no length", f"{E} --by-length=0", f"{LENGTHS}'0'"),
    Case("half a length", f"{E} --by-length 2.5", f"{LENGTHS}'2.5'"),
    Case("a length too many", f"{E} --by-length 5,", f"{LENGTHS}'5,'"),
    Case("a word for lengths", f"{E} --by-length=long", f"{LENGTHS}'long'"),
    Case("a length without end", f"{E} --by-length {'9' * 40}", LENGTHS),
]
INPUTS = [
    Case("a text that is not there", f"{T} gone.txt", "gone.txt: no such file"),
    Case("a folder for a text", f"{T} corpus", "corpus is a folder; wanted a file"),
    Case(
        "Latin-1",
        f"{T} x.txt",
        "x.txt, line 2: wanted UTF-8; got byte 0xE9",
        {"x.txt": b"a\n\xe9t\n"},
    ),
    Case("NUL in a text", f"{T} x.txt", "x.txt, line 1 | NUL", {"x.txt": "a\0b\n"}),
    Case("binary for a text", f"{T} {'runs/good/vocabulary/joint.model'}", "joint.model, line"),
    Case(
        "a text that is no gzip", f"{T} x.gz", "x.gz: cannot be read, damaged", {"x.gz": b"one\n"}
    ),
    Case(
        "a gzip cut short",
        f"{T} x.gz",
        "x.gz: cannot be read, damaged or incomplete",
        {"x.gz": gzip.compress(b"one\n" * 99)[:-9]},
    ),
    Case("a text below a file", f"{T} text.txt/x", "text.txt/x: cannot be read"),
    Case(
        "source without reference", f"{E} --source text.txt", "--source and --reference are given t"
    ),
    Case(
        "a reference too short",
        f"{E} --source text.txt --reference x.txt",
        "text.txt has 2 lines and x.txt has 1; line i of both must be the same sentence",
        {"x.txt": "un chat\n"},
    ),
    Case(
        "a reference that is no UTF-8",
        f"{E} --source text.txt --reference x.txt",
        "x.txt, line 2: wanted UTF-8",
        {"x.txt": b"un\nd\xff\n"},
    ),
    Case(
        "nothing to evaluate",
        f"{E} --source x.txt --reference x.txt",
        "x.txt is empty; wanted one line or more",
        {"x.txt": ""},
    ),
    Case(
        "files and a split", f"{E} --split test --source text.txt --reference text.txt", "not both"
    ),
    Case(
        "a split that is not in the corpus",
        f"{E} --split tset",
        "no split 'tset'; did you mean \"test\"?",
    ),
    Case("the same by an override", f"{E} data.test=tset", 'did you mean "test"?'),
    Case(
        "a picture of nothing",
        f"{P} '\u3000' --output x.png",
        "nothing to draw: the sentence has no",
    ),
    Case(
        "a sentence that is no UTF-8",
        f"{P} 'a \udcff' --output x.png",
        "must be UTF-8; got 'a \\ud",
    ),
    Case(
        "an override beside a translation that is given",
        f"{P} cat --target chat --output x.png search.beam_size=2",
        "no key can be overridden with --target, as nothing is searched for; got 'search.beam_size",
    ),
    Case("a target that is no UTF-8", f"{P} cat --target \udcff --output x.png", "must be UTF-8"),
    Case("no sentence", f"{P} --output x.png --", "SENTENCE is missing; see nmt plot --help"),
]
OUTPUTS = [
    Case(
        "an output that is a folder",
        f"{T} text.txt --output corpus",
        "cannot write corpus: it is a",
    ),
    Case(
        "an output nowhere",
        f"{T} text.txt --output no/x",
        "cannot write no/x: No such file or dire",
    ),
    Case(
        "an output below a file", f"{T} text.txt --output text.txt/x", "text.txt/x: Not a directory"
    ),
    Case("an output in /proc", f"{T} text.txt --output /proc/x", "cannot write /proc/x: "),
    Case(
        "a full disk",
        f"{T} text.txt --output /dev/full",
        "write /dev/full: No space left on device",
    ),
    Case(
        "a full disk, packed", f"{T} text.txt --output x.gz", "x.gz: No space left on device"
    )._replace(files={"x.gz": lambda path: path.symlink_to("/dev/full")}),
    Case(
        "a full disk in evaluate",
        f"{E} --split test --output /dev/full",
        "/dev/full: No space left",
    ),
    Case(
        "an output of two splits", f"{E} --output x", "of one split; choose one of test, validation"
    ),
    Case(
        "a plot of two splits",
        f"{E} --plot x.png",
        "--plot takes the plot of one split; choose one of test, validation",
    ),
    Case("an unknown plot", f"{E} --split test --plot x.bmp", "as .png, .svg or .pdf; got 'x.bmp'"),
    Case(
        "a plot below a file",
        f"{E} --split test --plot text.txt/x.png",
        "cannot write into text.txt: text.txt is no folder",
    ),
    Case("no place for a picture", f"{P} cat", "--output is missing: a file, .png, .svg"),
    Case(
        "an unknown picture",
        f"{P} cat --output x.bmp",
        "is written as .png, .svg, .pdf or .html; got 'x.bm",
    ),
    Case(
        "a picture below a file",
        f"{P} cat --output text.txt/x.png",
        "cannot write into text.txt: text.txt is no folder",
    ),
    Case("a picture in /proc", f"{P} cat --output /proc/x.png", "cannot write into /proc: "),
    Case(
        "a translation over its text",
        f"{T} text.txt --output ./text.txt",
        "--output would replace ./text.txt, which is read as FILE; wanted another file",
    ),
    Case(
        "an evaluation over its reference",
        f"{E} --source text.txt --reference corpus/test.fr --output corpus/test.fr",
        "--output would replace corpus/test.fr, which is read as --reference",
    ),
    Case(
        "an output that is in the way of itself",
        f"{T} gone.txt --output text.txt",
        "gone.txt: no such file",
    ),
]
CASES = [*COMMANDS, *EDGES, *INPUTS, *OUTPUTS]
