"""A process that translates together with others; test_processes.py starts it.

python one_of_two_processes.py RANK ADDRESS FOLDER

FOLDER has a vocabulary and `lines.txt`; what is found is written there to RANK.json.
"""

import json
import sys
from pathlib import Path

import jax

from nmt.config.schema import RecurrentConfig, SearchConfig
from nmt.data.vocabularies import load_vocabularies
from nmt.decoding.methods import AlignmentMethod
from nmt.decoding.translator import Translator
from nmt.devices.mesh import make_mesh
from nmt.models.build import build_model, split_model

MODEL = RecurrentConfig(
    embedding_dim=8, encoder_dim=8, decoder_dim=12, alignment_dim=8, readout_dim=8
)
SHORT = dict(max_length_factor=0.5, max_length_extra=6, batch_sentences=1)
SEARCHES = (SearchConfig(beam_size=3, **SHORT), SearchConfig(method="sample", **SHORT))


def results(folder: Path, **options) -> dict:
    """What a translator of all devices finds: translations by each search, and their scores."""
    vocabularies = load_vocabularies(folder)
    size = len(vocabularies.source)
    model = split_model(build_model(MODEL, source_size=size, target_size=size))
    params = jax.tree.map(lambda leaf: 2 * leaf, model[1])
    lines = (folder / "lines.txt").read_text().splitlines()
    translator = Translator(model[0], params, vocabularies, **options)
    found = [translator.translate(lines, search=search, num_hypotheses=2) for search in SEARCHES]
    best = [translation.text for translation in found[0]]
    alignments = translator.align_all(lines, best, heads=True)
    saliency = translator.align(lines[0], best[0], method=AlignmentMethod("saliency"))
    return {
        "texts": [[[h.text for h in t.hypotheses] for t in by_line] for by_line in found],
        "scores": [[[h.score for h in t.hypotheses] for t in by_line] for by_line in found],
        "log_probs": translator.log_probs(lines, best),
        "alignment": alignments[0].matrix.tolist(),
        "heads": alignments[0].heads.matrices.tolist(),
        "saliency": saliency.matrix.tolist(),
    }


def main(rank: int, address: str, folder: Path) -> None:
    """Translates as one of two processes."""
    jax.distributed.initialize(address, num_processes=2, process_id=rank)
    mesh = make_mesh(2, jax.devices())
    assert mesh.is_multi_process and mesh.size == 4
    (folder / f"{rank}.json").write_text(json.dumps(results(folder, mesh=mesh)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
