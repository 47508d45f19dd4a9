"""Suite `guide`: the FLOPs of each side, counted by hand."""

import jax
import numpy as np

from ferjax.bench.measuring.case import OURS
from ferjax.bench.measuring.operation_counts import work_of
from ferjax.bench.suites.frozen_guide import COMPUTED, NO_GUIDE, WHOLE, Step, steps
from ferjax.models.registry import create_model

SIDES = steps()
# Convolutions of VGG16 at 224 px: side of the map, input channels, output channels.
VGG16 = [
    (224, 3, 64),
    (224, 64, 64),
    (112, 64, 128),
    (112, 128, 128),
    (56, 128, 256),
    *[(56, 256, 256)] * 2,
    (28, 256, 512),
    *[(28, 512, 512)] * 2,
    *[(14, 512, 512)] * 3,
]


def flops(step: Step) -> float:
    function, init, batch = step.parts()
    return work_of(function, *jax.eval_shape(init), batch).flops


def test_a_stored_guide_costs_nothing_and_a_computed_one_its_forward_pass() -> None:
    sides = SIDES["awei guide=vgg16, stored"]
    assert list(sides) == [OURS, COMPUTED, NO_GUIDE]
    none = flops(sides[NO_GUIDE])
    assert flops(sides[OURS]) == none
    macs = sum(side**2 * 9 * inputs * outputs for side, inputs, outputs in VGG16)
    assert flops(sides[COMPUTED]) == none + 2 * 8 * macs


def test_with_a_stored_trunk_only_the_head_is_computed() -> None:
    stored, head = SIDES["resnet50 head only, stored"], SIDES["resnet50 head only"]
    assert (stored[COMPUTED], stored[WHOLE]) == (head[OURS], head[WHOLE])
    # The head's product and its kernel's gradient.
    product = 2 * 8 * 2048 * 7
    assert flops(stored[OURS]) == 2 * product
    # No gradients below the head.
    model = create_model("resnet50", 7)
    image = jax.ShapeDtypeStruct((8, 128, 128, 3), np.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    forward = work_of(lambda v, x: model.apply(v, x, train=False), variables, image).flops
    assert flops(head[OURS]) == forward + product
