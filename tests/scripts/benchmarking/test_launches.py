"""Launches counted in the text of compiled programs: a small one by hand, and real ones."""

import jax
import jax.numpy as jnp
import pytest
from benchmarking.launches import count_launches

HLO = """\
HloModule jit_f, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%fused (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %tanh.1 = f32[8]{0} tanh(%p)
}

%body (arg: (s32[], f32[8])) -> (s32[], f32[8]) {
  %arg = (s32[], /*index=1*/f32[8]{0:T(128)}) parameter(0)
  %i = s32[] get-tuple-element(%arg), index=0
  %x = f32[8]{0} get-tuple-element(%arg), index=1
  %fusion.2 = f32[8]{0} fusion(%x), kind=kLoop, calls=%fused
  %gemm = (f32[8]{0}, s8[1024]{0}) custom-call(%fusion.2), custom_call_target="__cublas$lt$matmul"
  %copy.5 = f32[8]{0} copy(%fusion.2)
  ROOT %tuple.1 = (s32[], f32[8]{0}) tuple(%i, %copy.5)
}

%short (a: f32[8]) -> f32[8] {
  ROOT %a = f32[8]{0} parameter(0)
}

%long (b: f32[8]) -> f32[8] {
  %b = f32[8]{0} parameter(0)
  %c.1 = f32[8]{0} copy(%b)
  ROOT %c.2 = f32[8]{0} copy(%c.1)
}

ENTRY %main (x.1: f32[8]) -> f32[8] {
  %x.1 = f32[8]{0} parameter(0)
  %zero = s32[] constant(0)
  %t = (s32[], f32[8]{0}) tuple(%zero, %x.1)
  %known = (s32[], f32[8]{0}) while(%t), condition=%c, body=%body, backend_config={"known_trip_count":{"n":"7"},"x":1}
  %open = (s32[], f32[8]{0}) while(%known), condition=%c, body=%body
  %y = f32[8]{0} get-tuple-element(%open), index=1
  %z = f32[8]{0} conditional(%zero, %y, %y), branch_computations={%short, %long}
  ROOT %last = f32[8]{0} call(%z), to_apply=%long
}
"""  # noqa: E501


def test_loops_count_as_often_as_they_run_and_branches_with_their_longest_side():
    in_body, in_long = 3, 2  # a fusion, a product and a copy; two copies
    assert count_launches(HLO) == in_body * 7 + in_body + in_long + in_long


@pytest.mark.parametrize("length", [4, 9])
def test_a_program_of_this_machine_is_read_too(length):
    """Each iteration more of a scan costs what the one before cost."""

    def launches(length):
        def scan(x):
            return jax.lax.scan(lambda x, _: (jnp.tanh(x @ x), x.sum()), x, None, length=length)

        form = jax.ShapeDtypeStruct((32, 32), jnp.float32)
        return count_launches(jax.jit(scan).lower(form).compile().as_text())

    base, one_more = launches(length), launches(length + 1)
    assert one_more > base and launches(length + 3) - base == 3 * (one_more - base)
