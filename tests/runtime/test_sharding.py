"""Device mesh: sharding of a batch, batch sizes that it divides."""

import jax
import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.runtime.sharding import check_batch_size, data_mesh, put_batch


def test_a_batch_is_split_over_the_devices_in_order() -> None:
    mesh = data_mesh(jax.devices()[:4])
    rows = np.arange(8)
    array = put_batch({"label": rows}, mesh)["label"]
    np.testing.assert_array_equal(array, rows)
    shards = sorted(array.addressable_shards, key=lambda shard: shard.index[0].start)
    assert [shard.data.tolist() for shard in shards] == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize(("size", "near"), [(6, "4 or 8"), (2, "4"), (13, "12 or 16")])
def test_a_batch_size_that_the_devices_do_not_divide_is_refused(size: int, near: str) -> None:
    mesh = data_mesh(jax.devices()[:4])
    with pytest.raises(UserError, match=rf"--batch_size={size} .*4 devices.* work: {near}\.$"):
        check_batch_size(size, mesh)
    for good in map(int, near.split(" or ")):
        check_batch_size(good, mesh)


@pytest.mark.parametrize("size", [0, -8])
def test_a_batch_of_no_row_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=f"--batch_size={size}: at least 1 is expected"):
        check_batch_size(size, data_mesh(jax.devices()[:4]))
