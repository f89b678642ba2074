"""What training and search become on an accelerator that is not here: compiled, not run.

    python scripts/compile_for_accelerators.py --target h200 training.precision=bfloat16
    python scripts/compile_for_accelerators.py --target v5e --models wmt14_en_fr_rnnsearch50

Model A is configs/multi30k_gru.yaml, B is configs/multi30k_transformer.yaml; any other NAME is
configs/NAME.yaml, with as many pieces as its vocabulary may have. XLA compiles for a kind of device
without one, where its plugin is installed: for h200 `pip install -e '.[gpu]'`, for v5e (TPU)
`pip install -e '.[tpu]'`; cpu needs nothing. The table has, for each program,

    compile seconds   on this machine, the first time
    memory            MiB beside its arguments, and arguments and results with it
    launches          what a GPU starts for it one by one, in loops as often as these run: most of
                      the time of a recurrent model whose steps are small. A loop counts once that
                      ends where its data say, such as the loss's over real positions, or a search.

Whether it fits and how it is cut up can be told so; how long it takes cannot.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from running.command_line import ScriptParser, at_least_one, comma_separated, one_line_errors

# Without a device nothing can be timed, so that products go to the vendor's library by XLA's rules.
XLA_FLAGS = "--xla_gpu_enable_triton_gemm=false --xla_gpu_autotune_level=0"
WITHOUT_DEVICES = {
    "JAX_PLATFORMS": "cpu",
    "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@one_line_errors(__file__)
def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, compiles and reports; returns the exit status."""
    options = _parser().parse_args(arguments)
    _compile(options)
    return 0


def _compile(options: argparse.Namespace) -> None:
    import jax
    from benchmarking.accelerators import device_of
    from benchmarking.compiling import compile_search, compile_training
    from benchmarking.models import config_path
    from benchmarking.report import report, say

    from nmt.config.reader import read_config
    from nmt.devices.mesh import make_mesh

    overrides = [f"training.num_seeds={options.seeds}", *options.overrides]
    configs = {name: read_config(config_path(name), overrides) for name in options.models}
    device = device_of(options.target)
    mesh, results = make_mesh(devices=[device]), []
    for name, config in configs.items():
        say(f"{name} in {config.training.precision}")
        results += compile_training(name, config, options.shape, mesh)
        if options.beam_size is not None:
            results.append(compile_search(name, config, options.shape, options.beam_size, mesh))
    head = {"target": device.device_kind, "jax": jax.__version__}
    report(head, results, as_json=options.json)


def _shape(text: str):
    from nmt.data.shapes import Shape

    try:
        numbers = [at_least_one(number) for number in text.split("x")]
        return Shape(*numbers)
    except (argparse.ArgumentTypeError, TypeError):
        raise argparse.ArgumentTypeError(
            f"wanted sentences x source x target positions, such as 80x32x32; got {text!r}"
        ) from None


def _parser() -> ScriptParser:
    parser = ScriptParser(__file__, __doc__)
    add = parser.add_argument
    add("--target", choices=("h200", "v5e", "cpu"), required=True, help="the kind of device")
    add("--models", type=comma_separated, default=["A", "B"], help="A,B or names of configs")
    add("--shape", type=_shape, default="64x32x32", metavar="BxSxT", help="of a batch; 64x32x32")
    add("--seeds", type=at_least_one, default=1, metavar="N", help="models trained at once")
    add("--beam-size", type=at_least_one, metavar="K", help="compile beam search as well")
    add("--json", action="store_true", help="print one object instead of a table")
    parser.add_overrides("every config")
    return parser


if __name__ == "__main__":
    os.environ.update(WITHOUT_DEVICES)
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {XLA_FLAGS}"
    sys.exit(main())
