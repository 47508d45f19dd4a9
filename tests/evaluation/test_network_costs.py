"""The network's size and cost, against published numbers; the account of a run's time."""

import pytest

from ferjax.evaluation.network_costs import describe_costs, describe_network
from ferjax.models.registry import create_model
from ferjax.report.pages.cost_sections import network, speed, with_prefix
from ferjax.specs import InputSpec


def spec(size: int) -> InputSpec:
    return InputSpec(storage=(size, size), size=size, channels=3, mean=(0.0,) * 3, std=(1.0,) * 3)


# torchvision's documentation: parameters, and GFLOPS that count a multiply-add as one.
@pytest.mark.parametrize(
    ("model", "parameters", "gigamacs"),
    [("resnet18", 11_689_512, 1.814), ("resnet50", 25_557_032, 4.089)],
)
def test_resnets_cost_what_is_published(model: str, parameters: int, gigamacs: float) -> None:
    found = describe_network(create_model(model, 1000), spec(224))
    assert found["parameters"] == parameters == sum(found["modules"].values())
    # XLA leaves out what a kernel would multiply in the padding, and counts batch norm and ReLU.
    assert 0.92 < found["forward_flops"] / (2e9 * gigamacs) < 1.01


def test_awei_is_counted_without_its_loops() -> None:
    found = describe_network(create_model("awei", 7), spec(64))
    image = 64 * 64 * 2
    assert found["forward_flops"] > image * 3 * 3 * 3 * 512


LINES = [
    {
        "split": "train",
        "images_per_second": speed,
        "flop_utilisation": 0.1,
        "peak_bytes": {"host": 5},
    }
    for speed in (10.0, 30.0, 20.0)
]
META = {
    "program": {"step_flops": 3e9, "ceiling": 4e10, "activation_bytes": 2_000_000},
    "spent": {"data": 1.0, "compile": 2.0, "evaluate": 3.0, "save": 0.5},
    "seconds": 10.0,
}


def test_the_costs_of_a_run_add_up() -> None:
    found = describe_costs(META, [*LINES, {"split": "val"}], batch_size=8, devices=2)
    assert found["seconds"] == {"step": 3.5, **META["spent"]}
    assert found["images_per_second"] == 20
    # Two devices hold activations of four images each.
    assert found["activation_bytes"] == 500_000
    page = "\n".join(speed(found))
    assert "| steps | 3.5 | 35.0 % |" in page
    assert "10.0 % of 40 GFLOP/s" in page
    assert "| peak memory, host | 5 B |" in page


def test_an_older_run_has_its_wall_time_alone() -> None:
    old = {"program": {}, "spent": {}, "seconds": 4.0}
    found = describe_costs(old, [{"split": "train"}], batch_size=8, devices=1)
    assert set(found) == {"seconds"}
    assert "| steps | 4.0 | 100.0 % |" in "\n".join(speed(found))


def test_the_network_s_page_lists_its_modules() -> None:
    page = "\n".join(network({"modules": {"stem": 30, "head": 10}, "parameters": 40}))
    assert "40 parameters." in page
    assert "| stem | 30 | 75.0 % |" in page


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1234, "1.23 kB"),
        (999_900, "1 MB"),
        (2.5e13, "25 TB"),
        (3e16, "30 PB"),
    ],
)
def test_numbers_have_three_digits(value: float, words: str) -> None:
    assert with_prefix(value, "B") == words
