"""Collectives of an HLO program written by hand, and the bytes that a ring sends."""

import pytest

from ferjax.bench.scaling.hlo_collectives import (
    ALL_GATHER,
    ALL_REDUCE,
    ALL_TO_ALL,
    PERMUTE,
    REDUCE_SCATTER,
    Collective,
    Traffic,
    read_collectives,
    ring_bytes,
    sum_traffic,
    wire_bytes,
)
from ferjax.errors import UserError

PROGRAM = """HloModule jit_step, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%sum (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %add = f32[] add(%a, %b)
}

%body.1 (s: (s32[], f32[16])) -> (s32[], f32[16]) {
  %s = (s32[], f32[16]{0}) parameter(0)
  %x = f32[16]{0} get-tuple-element(%s), index=1
  %in_loop = f32[16]{0} all-reduce(%x), replica_groups={}, to_apply=%sum
  ROOT %t = (s32[], f32[16]{0}) tuple(%i, %in_loop)
}

%condition.1 (s: (s32[], f32[16])) -> pred[] {
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

%never_called (x: f32[999]) -> f32[999] {
  ROOT %ghost = f32[999]{0} all-reduce(%x), replica_groups={}, to_apply=%sum
}

%wrapped (x: f32[6]) -> f32[12] {
  ROOT %inner = f32[12]{0} all-gather(%x), replica_groups={{0,1},{2,3}}, dimensions={0}
}

ENTRY %main.9 (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0), metadata={op_name="an all-reduce( in a name"}
  %grads = (f32[3,4]{1,0}, bf16[10]{0}, /*index=2*/s32[]) all-reduce(%p, %q, %r), channel_id=1, \
replica_groups=mesh['a'=4,'b'=2] {'a'}, to_apply=%sum
  %rs = f32[5]{0} reduce-scatter(%p), replica_groups=[2,4]<=[8], dimensions={0}, to_apply=%sum
  %ags = (f32[2]{0}, f32[8]{0}) all-gather-start(%p), replica_groups={{0,1,2,3}}, dimensions={0}
  %agd = f32[8]{0} all-gather-done(%ags)
  %ars = f32[7]{0} all-reduce-start(%p), replica_groups=[1,8]<=[8], to_apply=%sum
  %ard = f32[7]{0} all-reduce-done(%ars)
  %cps = (f32[9]{0}, f32[9]{0}, u32[], u32[]) collective-permute-start(%p), \
source_target_pairs={{0,1},{1,0}}
  %a2a = (u8[1,6]{1,0}, u8[1,6]{1,0}) all-to-all(%p, %q), replica_groups={{0,1}}
  %as = ((f32[6]{0}), f32[12]{0}) async-start(%p), calls=%wrapped
  %w = (s32[], f32[16]{0}) while(%t), condition=%condition.1, body=%body.1, \
backend_config={"known_trip_count":{"n":"5"}}
  %alone = f32[50]{0} all-reduce(%p), replica_groups={{0},{1}}, to_apply=%sum
  ROOT %copy = f32[8]{0} copy(%agd)
}
"""


def test_collectives_of_a_program() -> None:
    found = read_collectives(PROGRAM, devices=8)
    assert sorted(map(str, found)) == sorted(
        map(
            str,
            [
                Collective(ALL_REDUCE, 4 * 16, 8, 5),
                Collective(ALL_GATHER, 4 * 12, 2),
                Collective(ALL_REDUCE, 4 * 12 + 2 * 10 + 4, 4),
                Collective(REDUCE_SCATTER, 4 * 5 * 4, 4),
                Collective(ALL_GATHER, 4 * 8, 4),
                Collective(ALL_REDUCE, 4 * 7, 8),
                Collective(PERMUTE, 4 * 9, 2),
                Collective(ALL_TO_ALL, 12, 2),
                Collective(ALL_REDUCE, 4 * 50, 1),
            ],
        )
    )


def test_traffic_by_kind() -> None:
    sums = {entry.kind: entry for entry in sum_traffic(read_collectives(PROGRAM, devices=8))}
    # An all-reduce of a single device sends nothing.
    payload = 5 * 64 + 72 + 28
    wire = 2 * (7 / 8 * (5 * 64 + 28) + 3 / 4 * 72)
    assert sums[ALL_REDUCE].wire == pytest.approx(wire)
    assert (sums[ALL_REDUCE].count, sums[ALL_REDUCE].payload) == (7, payload)
    assert sums[ALL_GATHER] == Traffic(ALL_GATHER, 2, 80, 48 / 2 + 32 * 3 / 4)
    assert sums[REDUCE_SCATTER].wire == pytest.approx(3 / 4 * 80)
    assert sums[ALL_TO_ALL].wire == pytest.approx(6)
    assert sums[PERMUTE].wire == 36
    assert wire_bytes(sums.values()) == pytest.approx(wire + 48 + 60 + 6 + 36)


def test_bytes_sent_in_a_ring() -> None:
    # 4 devices pass on parts of 25 bytes: 3 to sum, 3 to spread the sums.
    assert ring_bytes(Collective(ALL_REDUCE, 100, 4)) == 150
    assert ring_bytes(Collective(ALL_GATHER, 100, 4)) == 75
    assert ring_bytes(Collective(REDUCE_SCATTER, 100, 4)) == 75
    assert ring_bytes(Collective(ALL_TO_ALL, 100, 4)) == 75
    assert ring_bytes(Collective(PERMUTE, 100, 2)) == 100


def test_a_program_that_cannot_be_counted_is_refused() -> None:
    endless = PROGRAM.replace('"known_trip_count":{"n":"5"}', '"other":{}')
    with pytest.raises(UserError, match="loop of unknown length in the program has a collective"):
        read_collectives(endless, devices=8)
    odd = PROGRAM.replace("replica_groups=[2,4]<=[8]", "replica_groups=@maximal")
    with pytest.raises(UserError, match=r"unknown notation: replica_groups=@maximal"):
        read_collectives(odd, devices=8)


def test_a_loop_of_unknown_length_without_collectives_is_accepted() -> None:
    text = PROGRAM.replace('"known_trip_count":{"n":"5"}', '"other":{}')
    without = text.replace("all-reduce(%x), replica_groups={}, to_apply=%sum", "negate(%x)")
    assert len(read_collectives(without, devices=8)) == 8
