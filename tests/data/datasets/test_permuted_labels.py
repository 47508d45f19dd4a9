"""Permuted labels of whole and partial copies are noticed; honest parts are not refused."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import multivariate_hypergeom

from ferjax.data.datasets.check_class_counts import check_counts
from ferjax.data.datasets.permuted_labels import likeliest_order
from ferjax.data.datasets.published_class_counts import PUBLISHED
from ferjax.errors import UserError

Counts = dict[str, dict[str, int]]

CSV = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
ALPHABETICAL = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
RAFDB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
AFFECTNET = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
CK48 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")
CK48_ALPHABETICAL = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
FEAR_FOR_ANGER = ("fear", "disgust", "anger", *CSV[3:])


def random_part(dataset: str, share: float, rng: np.random.Generator) -> Counts:
    """Returns the counts of a random part of each split, of at least 50 images."""
    return {
        split: random_counts(counts, int(max(share * sum(counts.values()), 50)), rng)
        for split, counts in PUBLISHED[dataset].items()
    }


def random_counts(counts: dict[str, int], size: int, rng: np.random.Generator) -> dict[str, int]:
    drawn = rng.multivariate_hypergeometric([*counts.values()], min(size, sum(counts.values())))
    return dict(zip(counts, drawn.tolist(), strict=True))


def random_counts_of_thirds(whole: Counts, share: float, rng: np.random.Generator) -> Counts:
    thirds = {s: {k: n // 3 for k, n in c.items()} for s, c in whole.items()}
    return {s: random_counts(c, int(share * sum(c.values())), rng) for s, c in thirds.items()}


def renumbered(found: Counts, real: tuple[str, ...], read_as: tuple[str, ...]) -> Counts:
    """Returns the counts of labels that are numbered by one list and read by another."""
    name = dict(zip(real, read_as, strict=True))
    return {s: {name[k]: n for k, n in counts.items()} for s, counts in found.items()}


def refused(dataset: str, found: Counts) -> bool:
    try:
        check_counts(dataset, found, "x")
    except UserError:
        return True
    return False


@pytest.mark.parametrize(
    ("dataset", "real", "read_as", "share"),
    [
        ("fer2013", ALPHABETICAL, CSV, 0.63),
        ("fer2013", ALPHABETICAL, CSV, 0.05),
        ("fer2013", CSV[::-1], CSV, 0.1),
        ("fer2013", RAFDB, CSV, 0.2),
        ("rafdb", (*RAFDB[1:], RAFDB[0]), RAFDB, 0.21),
        ("rafdb", (RAFDB[-1], *RAFDB[:-1]), RAFDB, 0.21),
        ("rafdb", AFFECTNET, RAFDB, 0.1),
        ("ckplus", CK48_ALPHABETICAL, CK48, 0.6),
        ("sfew", ALPHABETICAL, CSV, 0.7),
    ],
)
def test_other_numberings_are_refused(
    dataset: str, real: tuple[str, ...], read_as: tuple[str, ...], share: float
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = random_part(dataset, share, rng)
        assert refused(dataset, renumbered(found, real, read_as))
        assert not refused(dataset, found)


@pytest.mark.parametrize(
    ("dataset", "real", "read_as", "share"),
    [
        ("fer2013", FEAR_FOR_ANGER, CSV, 0.93),
        ("fer2013", FEAR_FOR_ANGER, CSV, 0.85),
        ("ckplus", CK48_ALPHABETICAL, CK48, 0.3),
        ("ckplus", CK48[::-1], CK48, 0.2),
        ("rafdb", (*RAFDB[1:], RAFDB[0]), RAFDB, 0.02),
    ],
)
def test_small_or_slight_permutations_are_refused_or_noted(
    dataset: str, real: tuple[str, ...], read_as: tuple[str, ...], share: float
) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = renumbered(random_part(dataset, share, rng), real, read_as)
        try:
            notes = check_counts(dataset, found, "x")
        except UserError:
            continue
        assert "fit another order of the classes better" in notes[-1]


def test_classes_of_equal_counts_cannot_be_told_apart() -> None:
    """KDEF has 420 pictures of each emotion: no count shows that two of them are exchanged."""
    whole = PUBLISHED["kdef"]
    names = tuple(next(iter(whole.values())))
    assert len({n for counts in whole.values() for n in counts.values()}) == 1
    for one, other in itertools.combinations(range(len(names)), 2):
        read_as = [*names]
        read_as[one], read_as[other] = names[other], names[one]
        assert check_counts("kdef", renumbered(whole, names, tuple(read_as)), "x") == ()


def test_only_one_split_may_be_permuted() -> None:
    whole = PUBLISHED["rafdb"]
    train = renumbered({"train": whole["train"]}, (*RAFDB[1:], RAFDB[0]), RAFDB)
    with pytest.raises(UserError, match=r"of rafdb look permuted over train:"):
        check_counts("rafdb", {**train, "test": whole["test"]}, "x")


@pytest.mark.parametrize("more", [3, -3])
def test_a_permuted_copy_with_a_few_images_more_or_less_is_refused(more: int) -> None:
    found = renumbered({"train": PUBLISHED["rafdb"]["train"]}, RAFDB[::-1], RAFDB)
    found["train"]["fear"] += more
    assert refused("rafdb", found)


def honest_parts(dataset: str, rng: np.random.Generator) -> Iterator[Counts]:
    """Yields counts with right labels: random, balanced, of some classes, thinned, relabelled."""
    whole = PUBLISHED[dataset]
    share = rng.choice([0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1])
    yield random_part(dataset, share, rng)
    first = next(iter(whole))
    yield {first: random_part(dataset, share, rng)[first]}
    most = int(rng.integers(5, max(whole[first].values())))
    capped = {s: {k: min(n, most) for k, n in counts.items()} for s, counts in whole.items()}
    yield capped
    yield {s: random_counts(c, int(0.6 * sum(c.values())), rng) for s, c in capped.items()}
    classes = rng.permutation([*whole[first]])[: rng.integers(2, len(whole[first]))]
    yield {
        s: {k: n * (k in classes) for k, n in c.items()}
        for s, c in random_part(dataset, share, rng).items()
    }
    # CK+ has three frames of each sequence, which stay together.
    yield {
        s: {k: 3 * n for k, n in c.items()}
        for s, c in random_counts_of_thirds(whole, share, rng).items()
    }
    moved = {s: rng.binomial([*c.values()], 0.005) for s, c in whole.items()}
    yield {
        s: dict(zip(c, ([*c.values()] - moved[s] + np.roll(moved[s], 1)).tolist(), strict=True))
        for s, c in whole.items()
    }


def test_honest_parts_are_never_refused_and_rarely_noted() -> None:
    rng = np.random.default_rng(0)
    tried = noted = 0
    for dataset in ("ckplus", "fer2013", "rafdb", "sfew", "sfew1"):
        for _ in range(43):
            for found in honest_parts(dataset, rng):
                notes = check_counts(dataset, found, "x")
                noted += any("another order" in note for note in notes)
                tried += 1
    for dataset in ("ckextended", "ferplus"):
        for _ in range(5):
            for found in honest_parts(dataset, rng):
                check_counts(dataset, found, "x")
    assert tried == 1505
    assert noted <= 0.01 * tried


def test_likelihood_is_the_hypergeometric_one() -> None:
    rng = np.random.default_rng(0)
    whole = np.array([[40, 25, 60, 33], [20, 30, 25, 28]])
    for _ in range(20):
        found = np.array([rng.multivariate_hypergeometric(counts, 16) for counts in whole])
        logs = {
            order: sum(
                multivariate_hypergeom.logpmf(x, counts[[*order]], 16)
                for x, counts in zip(found, whole, strict=True)
            )
            for order in itertools.permutations(range(4))
        }
        other = likeliest_order(found, whole)
        assert logs[tuple(other.order)] == pytest.approx(max(logs.values()))
        assert other.log_ratio == pytest.approx(max(logs.values()) - logs[0, 1, 2, 3], abs=1e-6)


def test_the_order_and_what_it_leaves_unexplained_by_hand() -> None:
    # Classes 0 and 2 are swapped; class 1 has no image and keeps its place.
    other = likeliest_order(np.array([[10, 0, 90]]), np.array([[90, 50, 10]]))
    assert other.order.tolist() == [2, 1, 0]
    assert other.misfit == pytest.approx(0, abs=1e-12)
    same = likeliest_order(np.array([[45, 25, 5]]), np.array([[90, 50, 10]]))
    assert (same.order.tolist(), same.log_ratio, same.misfit) == ([0, 1, 2], 0, 1)
