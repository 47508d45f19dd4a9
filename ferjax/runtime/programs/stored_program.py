"""Compiled programs stored as files between processes, so that a later start traces nothing.

JAX's own cache (`ferjax.runtime.programs.compile_cache`) avoids the compilation by XLA. But JAX
must trace and lower a program before it knows the key, which takes most of the time of a second
start. Here the key consists of everything that determines a program: the facts that the caller
gives, shapes and placement of the arguments, and the surroundings of this process. If any of these
changes, the program has another file.

Programs are stored if FERJAX_PROGRAMS is 1. The commands of `launch` set it, but not with
`--import`: the key contains only the sources of ferjax. A process with its own functions, or with
replaced functions of ferjax, would load programs that were compiled without them.
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

from ferjax.errors import one_line
from ferjax.runtime.cache_root import cache_root
from ferjax.runtime.programs.program_file import (
    SERIALIZER,
    StoredProgram,
    program_path,
    read_program,
    write_program,
)
from ferjax.runtime.programs.rebuilt_files import log_rebuilt
from ferjax.runtime.programs.surroundings import surroundings

_log = logging.getLogger(__name__)
_SWITCH = "FERJAX_PROGRAMS"
# Event that JAX reports, in the thread that compiles, when its cache has the program.
_CACHE_HIT = "/jax/compilation_cache/cache_hits"


@dataclass(frozen=True)
class Program:
    """A program with known shapes and costs, which is loaded or compiled when it is needed.

    Attributes:
      outputs: tree of `jax.ShapeDtypeStruct`, without placement.
      facts: `step_flops`, the operations by XLA's cost analysis before optimisation (the body of a
        loop counts once), if the backend counts them.
      load: () → the callable program; the first call loads or compiles it.
    """

    outputs: Any
    facts: Mapping[str, Any]
    load: Callable[[], Any]


def enable_stored_programs() -> None:
    """Stores programs between processes, unless FERJAX_PROGRAMS is set to 0."""
    os.environ.setdefault(_SWITCH, "1")


def keep_no_programs() -> None:
    """Stores no programs in this process and in processes that it starts."""
    os.environ[_SWITCH] = "0"


def named_for_storing(
    function: Callable[..., Any], name: str, facts: Mapping[str, Any] | None
) -> Callable[..., Any]:
    """Returns the function with the name of its stored program.

    The key of JAX's cache contains the name too. A program from JAX's cache cannot be stored (see
    `_compile`), so a program to be stored must not have the name of an earlier one.
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
    """Returns the program of a jitted function for some arguments, from its file if there is one.

    Args:
      jitted: `jax.jit` of the function that `named_for_storing` returns.
      arguments: arrays or `jax.ShapeDtypeStruct`, with placement.
      mesh: the devices of the program.
      name: beginning of the file name, for a person who reads the folder.
      facts: JSON values that, together with the arguments' shapes, determine what the function
        computes; None: the program is not stored.
    """
    key = _key(name, facts, arguments, [device.id for device in mesh.devices.flat])
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
            log_rebuilt(_log, "%s: not loadable (%s); compiled again", path, one_line(error))
            return _traced(jitted, arguments, (path, key)).load()

    return Program(stored.outputs, stored.facts, load)


def stored_shapes(function: Callable[[], Any], name: str, facts: Mapping[str, Any] | None) -> Any:
    """Returns the shapes of the result of `function`, as a tree of `jax.ShapeDtypeStruct`.

    Args:
      function: the function; it is traced if no file has the shapes.
      name: as in `stored_program`.
      facts: as in `stored_program`.
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
    """Returns a program that is traced now.

    Args:
      jitted: as in `stored_program`.
      arguments: as in `stored_program`.
      place: file and key under which it is stored after compilation; None: it is not stored.
    """
    lowered = jitted.lower(*arguments)
    outputs = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), lowered.out_info)
    flops = (lowered.cost_analysis() or {}).get("flops")
    facts = {} if flops is None else {"step_flops": flops}

    @functools.cache
    def load() -> Any:
        compiled, is_new = _compile(lowered)
        if place is not None and is_new:
            _store(*place, compiled, outputs, facts)
        return compiled

    return Program(outputs, facts, load)


def _compile(lowered: Any) -> tuple[Any, bool]:
    """Returns the compiled program, and whether XLA compiled it now.

    A program from JAX's cache can be serialized again, but the resulting file fails when it runs:
    XLA for CPU keeps the code of a program's functions only in the process that compiles it.
    """
    thread, hits = threading.get_ident(), []

    def listen(event: str, **_: Any) -> None:
        if event == _CACHE_HIT and threading.get_ident() == thread:
            hits.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        return lowered.compile(), not hits
    finally:
        jax.monitoring.unregister_event_listener(listen)


def _store(path: Path, key: str, compiled: Any, outputs: Any, facts: Mapping[str, Any]) -> None:
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
    """Returns the key of a program as JSON text, or None if programs are not stored."""
    if facts is None or os.environ.get(_SWITCH) != "1" or jax.process_count() > 1:
        return None
    process_facts = surroundings()
    leaves, tree = jax.tree.flatten(arguments)
    argument_facts = [
        [list(leaf.shape), str(leaf.dtype), str(getattr(leaf, "weak_type", False)),
         str(getattr(leaf, "sharding", None))]
        for leaf in leaves
    ]  # fmt: skip
    parts = [name, facts, str(tree), argument_facts, [*devices], process_facts]
    key = json.dumps(parts, sort_keys=True)
    # An object whose text contains its address cannot be recognised in another process.
    return None if process_facts is None or " at 0x" in key else key
