"""Pretrained weights for a network from wherever they are: named, fetched, converted, kept."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.convert.converted.weights_cache import cached_names as cached_names
from ferjax.convert.converted.weights_cache import entry_folder, is_cached, locked_entry
from ferjax.convert.converted.weights_folder import load_weights, save_weights
from ferjax.convert.fetching.file_hashes import file_digest
from ferjax.convert.fetching.name_url_or_file import Origin, address, fetch, resolve
from ferjax.convert.readers.open_file import open_source
from ferjax.convert.readers.source_file import Source
from ferjax.convert.recognise_network import recognise
from ferjax.convert.rules.match_and_convert import Assignment, Table, convert, match
from ferjax.errors import UserError
from ferjax.specs import InputSpec, lists_to_tuples, spec_from_json, spec_to_json

# (model, num_classes, **fields) → flat path → shape.
Abstract = Callable[..., Mapping[str, tuple[int, ...]]]

# What a network needs so that nothing stands before a head that the file lacks.
_WITHOUT_TOP: dict[str, dict[str, Any]] = {"vgg": {"pooling": "mean", "head_widths": ()}}


@dataclass(frozen=True)
class Pretrained:
    """Converted weights and what goes with them.

    Attributes:
      name: the catalogue's name, or what the user wrote.
      model: ferjax's name of the network.
      variables: flat path, `params/head/kernel`, → float32 array; all of the network's.
      fields: module fields that the weights need.
      input: how the weights were trained to see images.
      num_classes: of the head that came with them; None where none came.
      source: name, kind, url or path, sha256, license and citation (None where unknown).
      notes: what the user should know of the conversion, one line each.
    """

    name: str
    model: str
    variables: dict[str, np.ndarray]
    fields: dict[str, Any]
    input: InputSpec
    num_classes: int | None
    source: dict[str, Any]
    notes: tuple[str, ...]


def load_pretrained(
    source: str | Path,
    model: str,
    abstract: Abstract,
    *,
    kind: str | None = None,
    offline: bool = False,
    progress: bool = True,
) -> Pretrained:
    """Returns weights for a network, from the cache where they have been converted before.

    Args:
      source: `imagenet` (the network's default), a name or tag of the catalogue, an http(s)
        address, a file of another library, or a folder that `save_pretrained` wrote.
      model: ferjax's name of the network.
      abstract: (model, num_classes, **fields) → {flat path: shape} of the network to fill.
      kind: whose names the file's keys are, where that cannot be told from the file.
      offline: whether to refuse to fetch.
      progress: whether to show a download's progress; on a terminal only.

    Raises:
      UserError: an unknown name, another network's weights, a file that does not fit, no
        connection, or a cache that cannot be written.
    """
    origin = resolve(source, model, kind)
    if origin.path and not origin.sha256:
        return _read(origin.path, model)
    if not is_cached(origin.key):
        with locked_entry(origin.key) as raw:
            if not is_cached(origin.key):  # else another process made it meanwhile
                file = fetch(origin, raw, offline=offline, progress=progress)
                plan = plan_conversion(file, origin, model, abstract)
                save_pretrained(entry_folder(origin.key), carry_out(plan))
    found = _read(entry_folder(origin.key), model)
    # The entry of a local file is its content's; it may have had another name then.
    said = {**found.source, "name": origin.name, **address(origin)}
    return dataclasses.replace(found, name=origin.name, source=said)


def save_pretrained(folder: Path, weights: Pretrained) -> Path:
    """Writes weights as a folder that `load_pretrained` takes; raises `UserError` if it exists."""
    sidecar = {
        "name": weights.name,
        "model": weights.model,
        "fields": weights.fields,
        "num_classes": weights.num_classes,
        "input": spec_to_json(weights.input),
        "source": weights.source,
        "notes": list(weights.notes),
    }
    return save_weights(folder, weights.variables, sidecar)


def _read(path: Path, model: str) -> Pretrained:
    """Returns what `save_pretrained` wrote, refusing another network's."""
    variables, sidecar = load_weights(path)
    try:
        found = Pretrained(
            name=sidecar["name"],
            model=sidecar["model"],
            variables=variables,
            fields=lists_to_tuples(sidecar["fields"]),
            input=spec_from_json(sidecar["input"]),
            num_classes=sidecar["num_classes"],
            source=sidecar["source"],
            notes=tuple(sidecar["notes"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: its model.json lacks or garbles {error}. Convert the weights again."
        ) from None
    if found.model != model:
        raise UserError(
            f"{path}: weights of {found.model}, expected {model}. Give --model={found.model}, or"
            f" weights of {model}."
        )
    return found


@dataclass(frozen=True)
class Plan:
    """A conversion that fits, not carried out yet.

    Attributes:
      file: the foreign file.
      source: the file, opened.
      origin: where it comes from.
      table: by which rules.
      assignments: what becomes what.
      model: ferjax's name of the network.
      fields: module fields that the weights need.
      input: how the weights were trained to see images.
      num_classes: of the head in the file; None without one.
      notes: what was unwrapped, left out, guessed or converted.
    """

    file: Path
    source: Source
    origin: Origin
    table: Table
    assignments: tuple[Assignment, ...]
    model: str
    fields: dict[str, Any]
    input: InputSpec
    num_classes: int | None
    notes: tuple[str, ...]


def plan_conversion(file: Path, origin: Origin, model: str, abstract: Abstract) -> Plan:
    """Returns how a foreign file becomes the variables of the network it was written for.

    Raises:
      UserError: no readable weights, another network's, or arrays that do not fit.
    """
    source = open_source(file)
    found = recognise(source, model, origin.kind)
    table, spec = found.table, origin.spec
    trunk_alone = found.num_classes is None and not found.hidden
    headless = _WITHOUT_TOP.get(table.family, {}) if trunk_alone else {}
    fields = {**table.fields, **headless, **(spec.fields if spec else {})}
    # Without a head the network is asked for its features, so nothing of it stays unassigned.
    target = abstract(model, found.num_classes or 0, **fields)
    where = spec.name if spec else str(file)
    return Plan(
        file=file,
        source=source,
        origin=origin,
        table=table,
        assignments=match(source.leaves, table, target, where=where),
        model=model,
        fields=fields,
        input=spec.input if spec else table.input,
        num_classes=found.num_classes,
        notes=(*source.notes, *found.notes),
    )


def carry_out(plan: Plan) -> Pretrained:
    """Returns the weights that a plan makes."""
    spec, origin = plan.origin.spec, plan.origin
    return Pretrained(
        name=origin.name,
        model=plan.model,
        variables=convert(plan.source.read, plan.assignments),
        fields=plan.fields,
        input=plan.input,
        num_classes=plan.num_classes,
        source={
            "name": origin.name,
            "kind": plan.table.kind,
            **address(origin),
            "sha256": origin.sha256 or file_digest(plan.file),
            "license": spec.license if spec else None,
            "citation": spec.citation if spec else None,
        },
        notes=plan.notes,
    )
