"""Mixup and cutmix: partners, shares, masks, blended images and targets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.images import mixup_cutmix
from ferjax.images.mixup_cutmix import Mix, dominant, draw_mix, mix_inputs, mix_targets
from ferjax.runtime.sharding import batch_sharded, data_mesh

COUNT, SIZE = 64, 12
INDEX = np.random.default_rng(0).permutation(5000)[:COUNT].astype(np.int32)
compiled_draw_mix = jax.jit(mixup_cutmix.draw_mix, static_argnums=(0, 1, 5))


def drawn(
    mixup: float, cutmix: float, seed: int = 0, index: np.ndarray = INDEX, mask: object = None
) -> Mix:
    mask = np.ones(len(index), bool) if mask is None else mask
    return jax.tree.map(
        np.asarray,
        compiled_draw_mix(mixup, cutmix, jax.random.key(seed), index, jnp.array(mask), SIZE),
    )


def test_without_alphas_nothing_is_drawn() -> None:
    assert draw_mix(0, 0, jax.random.key(0), jnp.array(INDEX), jnp.ones(COUNT, bool), 4) is None


def test_partners_are_one_cycle_determined_by_the_key() -> None:
    partner = drawn(0.0, 1.0).partner
    row, visited = 0, []
    for _ in range(COUNT):
        visited.append(row)
        row = int(partner[row])
    assert row == 0
    assert sorted(visited) == list(range(COUNT))
    np.testing.assert_array_equal(drawn(0.0, 1.0, index=INDEX[::-1].copy()).partner, partner)
    assert (drawn(0.0, 1.0, seed=1).partner != partner).mean() > 0.8


@pytest.mark.parametrize("alphas", [(0.0, 1.0), (0.2, 1.0)])
def test_shares_depend_on_key_and_index_alone(alphas: tuple[float, float]) -> None:
    order = np.random.default_rng(1).permutation(COUNT)
    whole, other = drawn(*alphas), drawn(*alphas, index=INDEX[order])
    np.testing.assert_array_equal(other.weight, whole.weight[order])
    assert len(np.unique(whole.share.round(6))) > COUNT // 3
    np.testing.assert_allclose(whole.share, whole.weight.mean((1, 2)), rtol=1e-6)
    assert (whole.weight >= 0).all()
    assert (whole.weight <= 1).all()


@pytest.mark.parametrize("alpha", [0.2, 4.0])
def test_mixup_shares_are_beta_distributed(alpha: float) -> None:
    index = np.arange(4000, dtype=np.int32)
    mix = compiled_draw_mix(alpha, 0.0, jax.random.key(3), index, jnp.ones(4000, bool), 1)
    assert mix is not None
    share = np.asarray(mix.share)
    assert abs(share.mean() - 0.5) < 0.03
    np.testing.assert_allclose(share.var(), 1 / (4 * (2 * alpha + 1)), rtol=0.1)


def test_cutmix_swaps_whole_rectangles() -> None:
    weight = drawn(0.0, 1.0).weight
    assert set(np.unique(weight)) == {0, 1}
    for image in weight:
        hole = image == 0
        assert hole.sum() == hole.any(1).sum() * hole.any(0).sum()


def test_with_both_alphas_about_half_use_cutmix() -> None:
    weight = drawn(0.2, 1.0).weight
    blended = (weight.min((1, 2)) > 0) & (weight.max((1, 2)) < 1)
    assert 0.25 < blended.mean() < 0.75


def test_masked_rows_never_mix() -> None:
    mask = np.arange(COUNT) % 5 > 0
    mix = drawn(0.2, 1.0, mask=mask)
    whole = ~(mask & mask[mix.partner])
    assert (mix.weight[whole] == 1).all()
    assert (mix.share[~whole] < 1).any()
    images = np.random.default_rng(0).standard_normal((COUNT, SIZE, SIZE, 1), np.float32)
    blended = np.asarray(mix_inputs(jnp.array(images), Mix(*map(jnp.array, mix))))
    images[~mask] = 9
    again_blended = np.asarray(mix_inputs(jnp.array(images), Mix(*map(jnp.array, mix))))
    np.testing.assert_array_equal(blended[mask], again_blended[mask])


def test_blends_by_hand() -> None:
    weight = jnp.array([[[0.25]], [[1.0]], [[0.5]]])
    mix = Mix(jnp.array([1, 2, 0]), weight, weight[:, 0, 0])
    images = jnp.array([4.0, 8.0, 16.0])[:, None, None, None]
    pair = mix_inputs((images, 2 * images), mix)
    assert pair[0][:, 0, 0, 0].tolist() == [7, 8, 10]
    assert pair[1][:, 0, 0, 0].tolist() == [14, 16, 20]
    targets = mix_targets(jnp.eye(3), mix)
    assert targets.tolist() == [[0.25, 0.75, 0], [0, 1, 0], [0.5, 0, 0.5]]
    assert dominant(jnp.array([0, 1, 2]), mix).tolist() == [1, 1, 2]


def test_four_devices_mix_as_one() -> None:
    mesh = data_mesh(jax.devices()[:4])
    images = np.random.default_rng(0).standard_normal((COUNT, SIZE, SIZE, 1), np.float32)

    def run(images: jax.Array, index: jax.Array) -> tuple[Mix | None, jax.Array]:
        mix = draw_mix(0.2, 1.0, jax.random.key(0), index, index >= 0, SIZE)
        assert mix is not None
        blended = mix_inputs(images, mix)
        assert isinstance(blended, jax.Array)
        return mix, blended

    one = jax.jit(run)(images, INDEX)
    placed = jax.device_put((images, INDEX), batch_sharded(mesh))
    jax.tree.map(np.testing.assert_array_equal, jax.jit(run)(*placed), one)
