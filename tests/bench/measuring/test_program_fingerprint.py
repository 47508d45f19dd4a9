"""What a compiled training step consists of: another jaxlib may switch libraries silently.

jaxlib 0.10 began to run convolutions with YNNPACK, whose gradients are four times slower than
Eigen's, and no error said so. Here the operations of a small network's optimised programs are
counted by who computes them, and compared with those that were measured with this jaxlib.
"""

import os
import platform
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest

from ferjax.bench.measuring.jax_sides import compile_ahead
from ferjax.bench.measuring.train_step_case import random_batch, step_parts
from ferjax.models.registry import create_model
from ferjax.runtime.programs.compiler_options import compiled_forward

MODEL, SIDE, CHANNELS, BATCH = "cnn3", 32, 1, 8
COUNTED = ("convolution", "dot", "reduce-window", "copy", "custom-call")
# Program → operations.
_MEASURED = {
    # YNNPACK sums, as ferjax's compiler option says; Eigen convolves and multiplies.
    "training step": {
        "YNNPACK fusion: reduce": 15,
        "convolution": 6,
        "copy": 24,
        "dot": 7,
        "loop fusion": 135,
        "reduce-window": 6,
    },
    # Without YNNPACK. The first of three convolutions has one channel: it is a loop.
    "forward pass": {"convolution": 2, "dot": 2, "loop fusion": 9},
}
# jaxlib and processor → program → operations. To record a version: run this test with it, look at
# what changed, measure `python -m launch.bench --suite=train --cases=cnn`, and copy the counts from
# the test's message. 0.10.2 was measured; the other versions compile the same counts.
EXPECTED: dict[str, dict[str, dict[str, int]]] = {
    "jaxlib 0.10.2 on x86_64": _MEASURED,
    "jaxlib 0.11.1 on x86_64": _MEASURED,
    "jaxlib 0.12.0.1 on x86_64": _MEASURED,
}
THIS = f"jaxlib {jaxlib.__version__} on {platform.machine()}"

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_OPERATION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = .*? ([a-z][a-z\-]*)\(")
_CALLED = re.compile(r"calls=%?([\w.\-]+)")
_LIBRARY = re.compile(r'"kind":"(__\w+)"')


def fingerprint(text: str) -> dict[str, int]:
    """Returns how many operations of each kind a program has, by who computes them.

    `YNNPACK fusion: dot` is a product that the library YNNPACK computes within a fusion; `dot` is
    XLA's own or Eigen's. `loop fusion` is a loop of XLA.

    Args:
      text: the optimised HLO of the program.
    """
    library_of: dict[str, str] = {}
    for _, line in operations(text):
        if (called := _CALLED.search(line)) and (library := _LIBRARY.search(line)):
            library_of[called[1]] = library[1].replace("__ynn", "YNNPACK ").replace("_", "")
    counts: Counter[str] = Counter()
    for name, line in operations(text):
        operation = _OPERATION.match(line)
        kind = operation[1] if operation else ""
        if name in library_of:
            if kind in ("convolution", "dot", "reduce"):
                counts[f"{library_of[name]}: {kind}"] += 1
        elif kind in COUNTED:
            counts[kind] += 1
        elif kind == "fusion" and "kind=kLoop" in line:
            counts["loop fusion"] += 1
    return dict(sorted(counts.items()))


def operations(text: str) -> Iterator[tuple[str, str]]:
    """Yields the name of the computation and the line of each operation."""
    name = ""
    for line in text.splitlines():
        if found := _COMPUTATION.match(line):
            name = found[1]
        elif _OPERATION.match(line):
            yield name, line


def test_operations_are_counted_by_who_computes_them() -> None:
    text = """\
HloModule jit_f
%in_library (p: f32[2,2]) -> f32[2] {
  %p = f32[2,2]{1,0} parameter(0)
  %inner = f32[2,2]{1,0} dot(%p, %p), lhs_contracting_dims={1}
  ROOT %sum = f32[2]{0} reduce(%inner, %zero), dimensions={1}, to_apply=%add
}
%looped (p: f32[2,2]) -> f32[2,2] {
  %p.1 = f32[2,2]{1,0} parameter(0)
  ROOT %negate = f32[2,2]{1,0} negate(%p.1)
}
ENTRY %main (a: f32[2,2]) -> f32[2,2] {
  %a = f32[2,2]{1,0} parameter(0)
  %by_library = f32[2]{0} fusion(%a), kind=kCustom, calls=%in_library, \
backend_config={"fusion_config":{"kind":"__ynn_fusion"}}
  %by_loop = f32[2,2]{1,0} fusion(%a), kind=kLoop, calls=%looped
  %conv = f32[2,2]{1,0} convolution(%by_loop, %a), window={size=1}
  %call = f32[2]{0} custom-call(%conv), custom_call_target="__onednn$matmul"
  ROOT %moved = f32[2,2]{0,1} copy(%conv)
}
"""
    assert fingerprint(text) == {
        "YNNPACK fusion: dot": 1,
        "YNNPACK fusion: reduce": 1,
        "convolution": 1,
        "copy": 1,
        "custom-call": 1,
        "loop fusion": 1,
    }


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the programs recorded are a CPU's")
@pytest.mark.parametrize("program", ["training step", "forward pass"])
def test_compiled_programs_are_those_that_were_measured(program: str) -> None:
    found = fingerprint(training_step() if program == "training step" else forward_pass())
    expected = EXPECTED.get(THIS)
    if expected is None:
        # A user's newer jaxlib is no fault of the user; ferjax's own checks must notice it.
        report = pytest.fail if os.environ.get("FERJAX_TEST_RECORDED") == "1" else pytest.skip
        report(
            f"{THIS} is not recorded: compare this {program} with that of {', '.join(EXPECTED)},"
            f" measure it, and add it to EXPECTED: {found}"
        )
    assert found == expected[program], (
        f"the {program} that {THIS} compiles is not the one that was measured; where ferjax changed"
        " it on purpose, measure it and record the new counts"
    )


def training_step() -> str:
    """Returns the optimised HLO of a training step of `MODEL`."""
    step, init = step_parts(MODEL, SIDE, CHANNELS, "adamw")
    arguments = (*jax.eval_shape(init), random_batch(SIDE, CHANNELS, BATCH))
    program: Any = compile_ahead(step, arguments, plain=False, donate_argnums=(0, 1))
    return program.as_text()


def forward_pass() -> str:
    """Returns the optimised HLO of the network alone, as `launch.predict` compiles it."""
    model = create_model(MODEL, 7)
    images = jax.ShapeDtypeStruct((BATCH, SIDE, SIDE, CHANNELS), np.float32)
    variables = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros(images.shape), train=False)
    )
    forward: Any = compiled_forward(lambda variables, x: model.apply(variables, x, train=False))
    return forward.lower(variables, images).compile().as_text()
