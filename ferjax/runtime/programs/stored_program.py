"""Compiled programs kept as files between processes, so that a later start traces nothing.

JAX's own cache (`ferjax.runtime.programs.compile_cache`) spares XLA's work; yet a program must be
traced and lowered before JAX knows its key, which takes longer than all else of a second start.
Here the key is what a program is made from: the facts that the caller gives, the arguments' shapes
and placement, and the surroundings of this process. A change of any of them is another file.

Programs are kept where FERJAX_PROGRAMS is 1, which the commands of `launch` set, except for
`--import`: the key knows the sources of ferjax alone, so that a process with functions of its own,
or one that replaces some of ferjax's, would be given programs of earlier ones.
"""

import functools
import hashlib
import importlib
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from ferjax.runtime.cache_root import cache_root
from ferjax.runtime.programs.program_file import (
    SERIALIZER,
    StoredProgram,
    program_path,
    read_program,
    write_program,
)
from ferjax.runtime.programs.surroundings import surroundings

_log = logging.getLogger(__name__)
_SWITCH = "FERJAX_PROGRAMS"
# Told by JAX in the thread that compiles.
_CACHE_HIT = "/jax/compilation_cache/cache_hits"


@dataclass(frozen=True)
class Program:
    """A program whose shapes and costs are known, and which is loaded or compiled when needed.

    Attributes:
      outputs: tree of `jax.ShapeDtypeStruct`, without placement.
      facts: `step_flops`, the operations by XLA's cost analysis before optimisation (the body of a
        loop counts once), where the backend counts them.
      load: () → the callable program; the first call loads or compiles it.
    """

    outputs: Any
    facts: Mapping[str, Any]
    load: Callable[[], Any]


def enable_stored_programs() -> None:
    """Keeps programs between processes, unless FERJAX_PROGRAMS is set to 0."""
    os.environ.setdefault(_SWITCH, "1")


def keep_no_programs() -> None:
    """Keeps no programs in this process and those that it starts."""
    os.environ[_SWITCH] = "0"


def named_for_storing(
    function: Callable[..., Any], name: str, facts: Mapping[str, Any] | None
) -> Callable[..., Any]:
    """Returns a function under a name that is that of its stored program.

    JAX's cache goes by the name too. What it gives back cannot be stored (`_compile`), so a program
    that is to be stored must not be found there under the name of an earlier one.
    """

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    key = _key(name, facts, (), ())
    call.__name__ = (
        name if key is None else f"{name}_{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    )
    return call


def stored_program(
    jitted: Any,
    arguments: tuple[Any, ...],
    mesh: Mesh,
    name: str,
    facts: Mapping[str, Any] | None,
) -> Program:
    """Returns the program of a jitted function for some arguments, from its file if it has one.

    Args:
      jitted: `jax.jit` of what `named_for_storing` returns.
      arguments: arrays or `jax.ShapeDtypeStruct`, with placement.
      mesh: the devices of the program.
      name: of the file, for a reader of the folder.
      facts: JSON values that determine, with the arguments' shapes, what the function computes;
        None: the program is not kept.
    """
    key = _key(name, facts, arguments, [each.id for each in mesh.devices.flat])
    if key is None:
        return _traced(jitted, arguments, None)
    path = _path(name, key)
    stored = read_program(path, key)
    if stored is None:
        return _traced(jitted, arguments, (path, key))

    @functools.cache
    def load() -> Any:
        try:
            return stored.load([*mesh.devices.flat])
        except Exception as error:  # each backend has its own errors
            _log.info("%s: not loadable (%s); compiled again", path, error)
            return _traced(jitted, arguments, (path, key)).load()

    return Program(stored.outputs, stored.facts, load)


def stored_shapes(function: Callable[[], Any], name: str, facts: Mapping[str, Any] | None) -> Any:
    """Returns what `function` returns, as a tree of `jax.ShapeDtypeStruct`.

    Args:
      function: traced where no file has the shapes.
      name: as of `stored_program`.
      facts: as of `stored_program`.
    """
    key = _key(name, facts, (), ())
    stored = None if key is None else read_program(_path(name, key), key)
    if stored is not None:
        return stored.outputs
    shapes = jax.eval_shape(function)
    if key is not None:
        write_program(_path(name, key), StoredProgram(key, {}, shapes, (None, None), b""))
    return shapes


def _traced(jitted: Any, arguments: tuple[Any, ...], place: tuple[Path, str] | None) -> Program:
    """Returns the program that tracing gives.

    Args:
      jitted: as of `stored_program`.
      arguments: as of `stored_program`.
      place: file and key that it gets once it is compiled; None: it is not kept.
    """
    lowered = jitted.lower(*arguments)
    outputs = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), lowered.out_info)
    flops = (lowered.cost_analysis() or {}).get("flops")
    facts = {} if flops is None else {"step_flops": flops}

    @functools.cache
    def load() -> Any:
        compiled, is_new = _compile(lowered)
        if place is not None and is_new:
            _keep(*place, compiled, outputs, facts)
        return compiled

    return Program(outputs, facts, load)


def _compile(lowered: Any) -> tuple[Any, bool]:
    """Returns the compiled program, and whether XLA compiled it now.

    One that JAX's cache gave back can be serialized a second time, but such a file fails when it
    runs: XLA for CPU keeps the code of its functions only where it compiles them.
    """
    here, hits = threading.get_ident(), []

    def listen(event: str, **_: Any) -> None:
        if event == _CACHE_HIT and threading.get_ident() == here:
            hits.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        return lowered.compile(), not hits
    finally:
        jax.monitoring.unregister_event_listener(listen)


def _keep(path: Path, key: str, compiled: Any, outputs: Any, facts: Mapping[str, Any]) -> None:
    try:
        program, *trees = importlib.import_module(SERIALIZER).serialize(compiled)
        write_program(path, StoredProgram(key, facts, outputs, tuple(trees), program))
    except Exception as error:  # each backend, and each structure, has its own errors
        _log.info("%s is not kept: %s", path.name, error)


def _path(name: str, key: str) -> Path:
    return program_path(cache_root() / "programs", name, key)


def _key(
    name: str,
    facts: Mapping[str, Any] | None,
    arguments: tuple[Any, ...],
    devices: Sequence[int],
) -> str | None:
    """Returns the key of a program as JSON text, or None where programs are not kept."""
    if facts is None or os.environ.get(_SWITCH) != "1" or jax.process_count() > 1:
        return None
    around = surroundings()
    leaves, tree = jax.tree.flatten(arguments)
    described = [
        [list(leaf.shape), str(leaf.dtype), str(getattr(leaf, "weak_type", False)),
         str(getattr(leaf, "sharding", None))]
        for leaf in leaves
    ]  # fmt: skip
    parts = [name, facts, str(tree), described, [*devices], around]
    key = json.dumps(parts, sort_keys=True)
    # A function or object without a name of its own cannot be recognised in another process.
    return None if around is None or " at 0x" in key else key
