"""How a model is computed, which is no part of what it is: set in a copy of a model that was built.

Nothing here changes parameters or the function of them, but for rounding.
"""

from flax import nnx

from nmt.config.schema import TrainingConfig
from nmt.devices.compiled_programs import DETERMINISTIC, are_programs_deterministic
from nmt.devices.processor import lacks_bfloat16
from nmt.errors import ConfigError
from nmt.models.build import Params, merge_model, split_model
from nmt.models.linear import dot_general
from nmt.models.recurrent import RecurrentSeq2Seq
from nmt.models.recurrent_encoder import Encoder
from nmt.models.transformer_layers import SelfAttention, Stack

# Positions to an iteration of a recurrence where the config does not say. A CPU takes 1.02 to 1.08
# times as long with more than one; for an NVIDIA H200, XLA makes the gradients of RNNsearch-50 of
# 3696 small programs with one position to an iteration, of 2386 with four and of 2152 with eight,
# and compiles for 5, 7 and 14 seconds.
UNROLL_ON_CPU, UNROLL = 1, 4


def check_platform(training: TrainingConfig, platform: str) -> None:
    """Makes sure that devices of a platform can do what training wants.

    Raises:
      ConfigError: they cannot.
    """
    if training.attention == "cudnn" and platform != "gpu":
        raise ConfigError(f"training.attention cudnn needs an NVIDIA GPU; got {platform}")
    if training.deterministic and platform == "gpu" and not are_programs_deterministic():
        raise ConfigError(
            f"training.deterministic needs {DETERMINISTIC} in XLA_FLAGS before jax starts, as "
            "`nmt train` has it; it is not there"
        )


def in_use(precision: str, platform: str) -> str:
    """The compute type in which a model that was trained in one is used.

    It is the same, but float32 on a processor that lacks bfloat16: A of docs/speed.md, trained in
    bfloat16, translates 1.5 times as many sentences a second there, and rounds less.

    Args:
      precision: of its training.
      platform: of the devices: "cpu", "gpu" or "tpu".
    """
    return "float32" if platform == "cpu" and lacks_bfloat16() else precision


def for_training(model: nnx.Module, training: TrainingConfig, platform: str) -> nnx.Module:
    """The model as training computes it.

    Args:
      model: with parameters, or with their forms alone.
      training: its `unroll` and `attention` count here.
      platform: of the devices: "cpu", "gpu" or "tpu".
    Raises:
      ConfigError: as `check_platform`.
    """
    check_platform(training, platform)
    unroll = training.unroll or (UNROLL_ON_CPU if platform == "cpu" else UNROLL)
    model = unrolled(model, positions=unroll, layers=True)
    if training.attention == "einsum":
        return model
    return with_fused_attention(model, training.attention)


def unrolled(model: nnx.Module, *, positions: int = 1, layers: int | bool = 1) -> nnx.Module:
    """The model, whose scans take several elements in an iteration.

    An accelerator then starts fewer, larger programs for the same arithmetic; compiling takes
    longer. A Transformer's layers, of which an iteration leaves much behind for the way back, gain
    from it on a CPU too.

    Args:
      model: any.
      positions: to an iteration of a recurrence.
      layers: to an iteration of a Transformer's stacks; True for all of them.
    """
    model = _with(model, (RecurrentSeq2Seq, Encoder), unroll=positions)
    return _with(model, Stack, unroll=layers)


def with_fused_attention(model: nnx.Module, implementation: str) -> nnx.Module:
    """The model, whose forced pass leaves self-attention to `jax.nn.dot_product_attention`.

    Args:
      model: a Transformer.
      implementation: "cudnn", which never stores the weights and works on NVIDIA GPUs alone, or
        "xla".
    """
    return _with(model, SelfAttention, implementation=implementation)


def in_precision(graph: nnx.GraphDef, params: Params, precision: str) -> nnx.GraphDef:
    """The graph of the same model with another compute type, as if it had been built with it.

    Args:
      graph, params: of `nmt.models.build.split_model`; of the parameters no more than shapes are
        needed.
      precision: "float32" or "bfloat16".
    """
    model = merge_model(graph, params)
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nnx.LinearGeneral):
            module.dot_general = dot_general(precision)
        elif hasattr(module, "precision"):
            module.precision = precision
    return split_model(model)[0]


def _with(model: nnx.Module, kinds: type | tuple[type, ...], **attributes: int | str) -> nnx.Module:
    """A copy whose modules of some kinds have other attributes."""
    model = nnx.merge(*nnx.split(model))
    for _, module in nnx.iter_modules(model):
        if isinstance(module, kinds):
            for name, value in attributes.items():
                setattr(module, name, value)
    return model
