"""What the suite found and predicts, as JSON values."""

import dataclasses
from typing import Any

from ferjax.bench.scaling.break_points import (
    DEVICES,
    KEPT,
    host_input,
    largest_by_checkpoint,
    largest_efficient,
    largest_sharing,
)
from ferjax.bench.scaling.hardware_numbers import FABRICS, IMAGES, STORAGES, Fabric
from ferjax.bench.scaling.measured_results import Outcome
from ferjax.bench.scaling.network_facts import Facts
from ferjax.bench.scaling.predict_step_time import DEFAULT, OVERLAPPED, batch_for, predict


def record(outcome: Outcome) -> dict[str, Any]:
    """Returns what was found and predicted as JSON values."""
    return {
        "measured": [
            {
                "step": str(found.scaling),
                "on": str(layout),
                "images a step": found.scaling.batch_on(layout),
                "median seconds": found.median(layout),
                "seconds": list(found.seconds[layout]),
                "images per second": found.rate(layout),
                "speed-up over one device": found.speedup(layout),
                "traffic": [dataclasses.asdict(entry) for entry in found.traffic[layout]],
            }
            for found in outcome.measured
            for layout in found.scaling.layouts
        ],
        "counted": [dataclasses.asdict(found) for found in outcome.counted],
        "assumed": dataclasses.asdict(DEFAULT),
        "interconnects": [dataclasses.asdict(fabric) for fabric in FABRICS],
        "storages": [dataclasses.asdict(storage) for storage in STORAGES],
        "data sets": {name: dataclasses.asdict(images) for name, images in IMAGES.items()},
        "networks": [dataclasses.asdict(facts) for facts in outcome.networks],
        "predicted": [_prediction(facts, f) for facts in outcome.networks for f in FABRICS],
    }


def _prediction(facts: Facts, fabric: Fabric) -> dict[str, Any]:
    """Returns all that is predicted of a network on an interconnect, as JSON values."""
    found = host_input(facts, fabric)
    steps = {n: predict(facts, fabric, n) for n in (1, 2, 4, *DEVICES)}
    return {
        "network": facts.model,
        "interconnect": fabric.name,
        "steps": {
            str(n): {
                **dataclasses.asdict(step),
                "efficiency": step.efficiency,
                "images per second": n * facts.batch / step.seconds,
            }
            for n, step in steps.items()
        },
        "devices that keep 80 %": largest_efficient(facts, fabric),
        "the same, overlapped": largest_efficient(facts, fabric, OVERLAPPED),
        "the same, sharing the largest batch": largest_sharing(facts, fabric),
        "batch a device for 80 %": {
            str(n): batch_for(facts, fabric, n, KEPT) for n in (8, DEVICES[-1])
        },
        "host input": dataclasses.asdict(found),
        "devices by checkpoint": {
            storage.name: largest_by_checkpoint(facts, fabric, storage) for storage in STORAGES
        },
    }
