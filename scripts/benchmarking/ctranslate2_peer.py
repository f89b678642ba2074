"""CTranslate2 with our weights on our sentences; run by a Python that has it, not by ours.

    PYTHON scripts/benchmarking/ctranslate2_peer.py FOLDER

FOLDER holds weights.npz (a Transformer's parameters by their dotted names), vocabulary.model and
request.json; the answer is one JSON object on standard output. Pieces go in and out as their
numbers, so that both programs search over the same ids, and SentencePiece is in the time of both.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import ctranslate2
import numpy as np
import sentencepiece


def transformer_spec(weights: dict, request: dict) -> ctranslate2.specs.TransformerSpec:
    """Our parameters in CTranslate2's places; its matrices are (out, in)."""
    names = {"relu": "RELU", "gelu": "GELU", "swish": "SWISH"}
    spec = ctranslate2.specs.TransformerSpec.from_config(
        (request["encoder_layers"], request["decoder_layers"]),
        request["num_heads"],
        pre_norm=request["norm"] == "pre",
        activation=ctranslate2.specs.Activation[names[request["activation"]]],
    )
    size = request["size"]
    table = weights["target_embedding.table"][:size]
    _, dim = table.shape
    for side, own in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        embeddings = own.embeddings[0] if side == "encoder" else own.embeddings
        source = weights.get("source_embedding.table", weights["target_embedding.table"])
        embeddings.weight = source[:size] if side == "encoder" else table
        own.scale_embeddings = request["scale_embeddings"]
        own.position_encodings.encodings = sinusoids(request["max_positions"], dim, request)
        if request["norm"] == "pre":
            fill_norm(own.layer_norm, weights, f"{side}_norm")
        for number, layer in enumerate(own.layer):
            at = {
                name.removeprefix(f"{side}.layers."): value[number]
                for name, value in weights.items()
                if name.startswith(f"{side}.layers.")
            }
            fill_norm(layer.self_attention.layer_norm, at, "attention_residual.norm")
            fill_linear(layer.self_attention.linear[0], at, "attention.queries_keys_values")
            fill_linear(layer.self_attention.linear[1], at, "attention.out")
            if side == "decoder":
                fill_norm(layer.attention.layer_norm, at, "cross_residual.norm")
                fill_linear(layer.attention.linear[0], at, "cross_attention.queries")
                fill_linear(layer.attention.linear[1], at, "cross_attention.keys_values")
                fill_linear(layer.attention.linear[2], at, "cross_attention.out")
            fill_norm(layer.ffn.layer_norm, at, "feedforward_residual.norm")
            fill_linear(layer.ffn.linear_0, at, "feedforward.W_1")
            fill_linear(layer.ffn.linear_1, at, "feedforward.W_2")
    spec.decoder.projection.weight = weights.get(
        "output.kernel", weights["target_embedding.table"]
    )[:size]
    spec.decoder.projection.bias = weights["output.bias"][:size]
    spec.register_source_vocabulary(list(map(str, range(size))))
    spec.register_target_vocabulary(list(map(str, range(size))))
    for name in ("bos", "eos", "unk"):
        setattr(spec.config, f"{name}_token", str(request[f"{name}_id"]))
    spec.config.decoder_start_token = str(request["bos_id"])
    spec.config.add_source_bos = spec.config.add_source_eos = False
    return spec


def fill_linear(place, weights: dict, name: str) -> None:
    """A kernel (in, ...) and its bias (...)."""
    kernel = weights[f"{name}.kernel"]
    place.weight = np.ascontiguousarray(kernel.reshape(len(kernel), -1).T)
    place.bias = weights[f"{name}.bias"].reshape(-1)


def fill_norm(place, weights: dict, name: str) -> None:
    """A layer normalisation."""
    place.gamma, place.beta = weights[f"{name}.scale"], weights[f"{name}.bias"]


def sinusoids(positions: int, dim: int, request: dict) -> np.ndarray:
    """Vaswani et al. (2017), section 3.5, in the model's layout."""
    angles = np.arange(positions)[:, None] * 10000.0 ** (-2 * np.arange(dim // 2) / dim)
    sines, cosines = np.sin(angles), np.cos(angles)
    if request["sinusoids"] == "halves":
        return np.concatenate([sines, cosines], axis=1).astype(np.float32)
    return np.stack([sines, cosines], axis=2).reshape(positions, dim).astype(np.float32)


def main() -> None:
    """Translates `repetitions` times after a warm-up; prints texts and the median of the times."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text())
    with np.load(folder / "weights.npz") as arrays:
        spec = transformer_spec(dict(arrays), request)
    spec.validate()
    (folder / "model").mkdir()
    spec.save(str(folder / "model"))
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "vocabulary.model"))
    translator = ctranslate2.Translator(
        str(folder / "model"),
        compute_type=request["compute_type"],
        intra_threads=request["threads"],
    )

    def translate() -> list[str]:
        encoded = pieces.encode(request["lines"])
        batch = [[*map(str, ids), str(request["eos_id"])] for ids in encoded]
        found = translator.translate_batch(
            batch,
            beam_size=request["beam_size"],
            length_penalty=request["length_penalty"],
            max_batch_size=request["batch_sentences"],
            max_decoding_length=request["max_length"],
            suppress_sequences=[[str(request["bos_id"])], [str(request["pad_id"])]],
        )
        return pieces.decode([[int(piece) for piece in one.hypotheses[0]] for one in found])

    clock = time.process_time if request["cpu_time"] else time.perf_counter
    texts, seconds = translate(), []
    for _ in range(request["repetitions"]):
        start = clock()
        translate()
        seconds.append(clock() - start)
    answer = {"texts": texts, "seconds": statistics.median(seconds)}
    print(json.dumps(answer | {"version": ctranslate2.__version__}))


if __name__ == "__main__":
    main()
