# %% [markdown]
# # 4. Your own two text files
#
# You have two text files, line by line translations of each other. This notebook goes from there
# to a trained model, BLEU, alignment matrices, and the word links of every sentence in a file. It
# takes about a minute on 2 CPU cores.
#
# The next cell writes two small files as a stand-in, from the grammar that comes with `nmt`. With
# your own files, leave it out and set `CORPUS` to the folder where they are.

# %%
import json
import logging
import shutil
import sys
from pathlib import Path

import nmt
from nmt.analysis.matrix_html import alignments_html, save_page
from nmt.cli import main
from nmt.config.reader import read_config
from nmt.config.schema import EmbeddedConfig
from nmt.data.corpus import load_split
from nmt.data.grammar import make_split
from nmt.training.loop import train

logging.basicConfig(format="%(message)s", stream=sys.stdout)  # shows the log of training here
FOLDER = Path("runs/your_own_text_files")
shutil.rmtree(FOLDER, ignore_errors=True)  # begins anew each time
CORPUS = FOLDER / "corpus"
CORPUS.mkdir(parents=True)

# %%
sizes = EmbeddedConfig(num_train=16000, num_validation=200, num_test=200, max_words=8)
for split in ("train", "validation", "test"):
    pairs = make_split(split, sizes)
    if split == "train":
        pairs += pairs[:50]  # real text repeats itself
    (CORPUS / f"{split}.en").write_text("".join(f"{pair.source}\n" for pair in pairs))
    (CORPUS / f"{split}.fr").write_text("".join(f"{pair.target}\n" for pair in pairs))

for file in sorted(CORPUS.iterdir()):
    lines = file.read_text().splitlines()
    print(f"{file.name:<14} {len(lines):>6} lines   {lines[0]}")

# %% [markdown]
# Three splits are needed:
#
# - `train`: what the model learns from;
# - `validation`: translated now and then during training, to choose the best checkpoint;
# - `test`: what the final score is measured on, and nothing else.
#
# If you have only one pair of files, take a few hundred lines for each of the other two out of it
# first. The files may be compressed (`.gz`, `.xz`, `.zst`). A `.tsv`, `.jsonl` or `.parquet` file
# does as well, and so does a dataset of the Hugging Face Hub: see `docs/guide.md`.
#
# ## A config of a few lines
#
# `data.path` names the folder. The sizes below suit these tiny files. For real text begin with
# `configs/multi30k_gru.yaml`: a vocabulary of 8000 pieces, states of 512, larger batches, and half
# an hour or more of training.

# %%
config_file = FOLDER / "mine.yaml"
config_file.write_text(f"""
data:
  path: {CORPUS}
  source_language: en
  target_language: fr
  num_shapes: 2
  batch_pieces: 512
vocabulary: {{size: 1200}}
model: {{embedding_dim: 64, encoder_dim: 64, decoder_dim: 128, alignment_dim: 64, readout_dim: 64}}
training: {{num_steps: 2000, learning_rate: 6.0e-3, schedule: cosine, warmup_steps: 100,
           log_every: 200, save_every: 1000}}
validation: {{every: 500, max_sentences: 100}}
search: {{beam_size: 3}}
""")
config = read_config(config_file)

# %% [markdown]
# ## Train
#
# On the command line this is `nmt train mine.yaml --run RUN`. The table tells what cleaning has
# removed from the training split, here the repeated pairs. Validation and test are never cleaned.
# Training can be stopped at any time: the same command goes on where it stopped.

# %%
run = FOLDER / "run"
train(config, run)

# %% [markdown]
# ## Evaluate
#
# `main([...])` is the command `nmt ...` without leaving the notebook. `nmt evaluate RUN` translates
# the test split with the best checkpoint and scores it. A BLEU says little without knowing how it
# was counted; that is what the signatures are for. `bleu_tokenized_lowercase` is the figure that
# many papers print.

# %%
status = main(["evaluate", str(run)])

# %% [markdown]
# The scores are kept with the texts that they are of:

# %%
(evaluation,) = (run / "evaluations").iterdir()
kept = json.loads(evaluation.read_text())
for texts in ("sources", "hypotheses", "references"):
    print(f"{texts:<12} {kept[texts][0]}")

# %% tags=["claims"]
# What a model of this size should reach on these files, as a condition that fails where it is not.
assert kept["bleu"] > 60

# %% [markdown]
# ## Translate
#
# One line gives a translation that shows itself with its matrix; a list of lines gives a list. The
# figure behind a translation is the log-probability that the model gives it.

# %%
translator = nmt.load(run)
translator.translate("she did not sell the red flowers .")

# %%
lines = ["the old man loves you .", "", "we saw them in the garden ."]
for translation in translator.translate(lines):
    print(f"{translation.source!r} -> {translation.text!r}   {translation.log_prob:.2f}")

# %% [markdown]
# An empty line stays empty, so a translated file has the lines of its source.
#
# ## Matrices
#
# Of translations that the model makes, or of pairs that you have. Here: a pair of the test split
# with its own reference, as a picture, which can also be written as `.svg` or `.pdf`.

# %%
test = load_split(config.data, "test")
longest = max(range(len(test)), key=lambda i: len(test.source[i].split()))
alignment = translator.align(test.source[longest], test.target[longest])
alignment.plot(FOLDER / "pair.png", links=alignment.links())

# %% [markdown]
# Many matrices make one page of HTML to leaf through, which needs no server and no network: send it
# by mail, open it in a browser.

# %%
some = translator.align_all(test.source[:20], test.target[:20])
save_page(
    alignments_html(some, title="the first 20 pairs of the test split"), FOLDER / "pairs.html"
)
print(f"{(FOLDER / 'pairs.html').stat().st_size / 1000:.0f} kB")

# %% [markdown]
# ## Word links of a whole file
#
# `nmt align RUN --source F --target F --output LINKS` links the words of every pair. A line of the
# result has the links of one pair as `source-target`, words counted from 0: the format of
# Pharaoh, which most tools read. With a second run of the other direction
# (`--reverse RUN2`) the links get better: see `3_alignment_methods`.

# %%
links_file = FOLDER / "test.links"
source_file, target_file = str(CORPUS / "test.en"), str(CORPUS / "test.fr")
status = main(
    [
        "align",
        str(run),
        "--source",
        source_file,
        "--target",
        target_file,
        "--output",
        str(links_file),
    ]
)
links = links_file.read_text().splitlines()
print(len(links), "lines\n")
for source, target, line in list(zip(test.source, test.target, links, strict=True))[:3]:
    print(source, target, line, "", sep="\n")

# %% [markdown]
# If somebody has linked some pairs by hand, `nmt aer LINKS --gold GOLD --links-base 0
# --gold-base 0` tells how far the links agree. Here the grammar knows them, so we can look:

# %%
gold_file = FOLDER / "test.gold"
gold = [" ".join(f"{i}-{j}" for i, j in pair.sure) for pair in make_split("test", sizes)]
gold_file.write_text("".join(f"{line}\n" for line in gold))
status = main(
    ["aer", str(links_file), "--gold", str(gold_file), "--links-base", "0", "--gold-base", "0"]
)

# %% [markdown]
# ## Where everything lies
#
# A run directory holds all that belongs to one training. It can be moved and copied as a whole.

# %%
for path in sorted(run.iterdir()):
    inside = sorted(child.name for child in path.iterdir()) if path.is_dir() else []
    print(f"{path.name + '/' * path.is_dir():<18} {'  '.join(inside[:4])}")

# %% [markdown]
# - `config.yaml`: the whole config, defaults filled in; `environment.json`: versions, and checksums
#   of the corpus.
# - `data/`: the cleaned text, and the same as pieces; `vocabulary/`: the SentencePiece model.
# - `checkpoints/`: the last ones and the best; `nmt.load` takes the best.
# - `metrics.jsonl`: loss, BLEU and speed by step; `tensorboard/`: the same; `log.txt`: what was
#   said.
# - `translations/`: of each validation; `evaluations/`: scores with the texts they are of.
