"""Square matrix products: what a machine can do while something else is measured.

Where others use a machine too, it may do a product at twice the rate of a minute before, and the
best moment of a product says little about the usual one of a step. So products are timed in turn
with what is measured, and both count by their medians.
"""

import statistics

import jax
import jax.numpy as jnp

from benchmarking.machine import Clock

SIZES = (1024, 2048, 4096)
OPERANDS = {  # by compute type, as in nmt.models.linear
    "float32": (jnp.float32, jax.lax.Precision.HIGHEST),
    "bfloat16": (jnp.bfloat16, jax.lax.Precision.DEFAULT),
}
LONG_ENOUGH = 0.01  # seconds of one timing; shorter products are timed several at a time
MOST_CALLS = 64  # in one timing


class SquareProducts:
    """Products of two square matrices of each size, into float32."""

    def __init__(self, precision: str, clock: Clock):
        """Compiles, and finds out how many are timed at a time.

        Args:
          precision: "float32" or "bfloat16", of the operands.
          clock: times them.
        """
        dtype, exactness = OPERANDS[precision]
        self._clock = clock
        self._product = jax.jit(
            lambda a, b: jnp.matmul(a, b, precision=exactness, preferred_element_type=jnp.float32)
        )
        self._operands, self._calls = {}, {}
        for size in SIZES:
            keys = jax.random.split(jax.random.key(size))
            self._operands[size] = [jax.random.normal(key, (size, size), dtype) for key in keys]
            self._calls[size] = self._enough_calls(size)
        self.times: dict[int, list[float]] = {size: [] for size in SIZES}

    def time_next(self) -> None:
        """Times the size whose turn it is."""
        size = min(SIZES, key=lambda size: len(self.times[size]))
        calls = self._calls[size]
        self.times[size].append(self._seconds(size, calls) / calls)

    def time_all(self) -> None:
        """Times every size once."""
        for _ in SIZES:
            self.time_next()

    def gflops_by_size(self) -> dict[int, float]:
        """The rate of each size in GFLOP/s, by the median of its times."""
        return {size: 2 * size**3 / statistics.median(t) / 1e9 for size, t in self.times.items()}

    def gflops(self) -> float:
        """The rate of the size that has the best one."""
        return max(self.gflops_by_size().values())

    def _enough_calls(self, size: int) -> int:
        self._seconds(size, 1)  # compiles
        calls = 1
        while calls < MOST_CALLS and self._seconds(size, calls) < LONG_ENOUGH:
            calls *= 2
        return calls

    def _seconds(self, size: int, calls: int) -> float:
        start = self._clock()
        jax.block_until_ready([self._product(*self._operands[size]) for _ in range(calls)])
        return self._clock() - start
