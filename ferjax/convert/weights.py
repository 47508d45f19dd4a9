"""Loads pretrained weights by name, URL, file or folder: downloads, converts and caches them."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.config.given_files import fitting_values
from ferjax.convert.converted.weights_cache import cached_names as cached_names
from ferjax.convert.converted.weights_cache import entry_folder, is_cached, locked_entry
from ferjax.convert.converted.weights_folder import check_undamaged, load_weights, save_weights
from ferjax.convert.fetching.name_url_or_file import address, fetch, resolve
from ferjax.convert.plan_conversion import Abstract, plan_conversion
from ferjax.convert.plan_conversion import ConversionPlan as ConversionPlan
from ferjax.convert.rules.match_and_convert import convert
from ferjax.errors import UserError
from ferjax.runtime.checksums import file_digest
from ferjax.runtime.finite_arrays import not_finite
from ferjax.specs import InputSpec, lists_to_tuples, spec_from_json, spec_to_json


@dataclass(frozen=True)
class Pretrained:
    """Converted weights and their metadata.

    Attributes:
      name: name in the catalogue, or the source as the user wrote it.
      model: ferjax's name of the network.
      variables: flat path (`params/head/kernel`) → float32 array, for all variables.
      fields: module fields that the weights need.
      input: size, normalisation and interpolation of the images that the weights were trained on.
      num_classes: classes of the head in the file; None without a head.
      source: name, kind, url or path, sha256, license and citation (None if unknown).
      notes: remarks on the conversion for the user, one line each.
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
    """Returns weights for a network; reads them from the cache if they were converted before.

    Args:
      source: `imagenet` (the network's default), a name or tag of the catalogue, an http(s) URL,
        a file of another library, or a folder that `save_pretrained` wrote.
      model: ferjax's name of the network.
      abstract: (model, num_classes, **fields) → {flat path: shape} of the network's variables.
      kind: the library that wrote the file, if it cannot be recognised from the file.
      offline: whether downloads are forbidden.
      progress: whether to show the progress of a download; on a terminal only.

    Raises:
      UserError: an unknown name, weights of another network, a file that does not fit, no
        connection, or a cache that cannot be written.
    """
    origin = resolve(source, model, kind)
    if origin.path and not origin.sha256:
        return _read(origin.path, model)
    if not is_cached(origin.key):
        with locked_entry(origin.key) as raw:
            if not is_cached(origin.key):  # another process may have made it while this one waited
                file = fetch(origin, raw, offline=offline, progress=progress)
                plan = plan_conversion(file, origin, model, abstract)
                save_pretrained(entry_folder(origin.key), run_conversion(plan))
    weights = _read(entry_folder(origin.key), model)
    # The key of a local file depends on its content; the entry may have been made from a copy with
    # another name.
    provenance = {**weights.source, "name": origin.name, **address(origin)}
    return dataclasses.replace(weights, name=origin.name, source=provenance)


def save_pretrained(folder: Path, weights: Pretrained) -> Path:
    """Writes weights to a folder that `load_pretrained` reads; raises `UserError` if it exists."""
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
    """Reads a folder of `save_pretrained`.

    Raises:
      UserError: weights of another network, that are damaged, or that are NaN or infinite.
    """
    variables, sidecar = load_weights(path)
    with fitting_values(path, "Convert the weights again."):
        weights = Pretrained(
            name=sidecar["name"],
            model=sidecar["model"],
            variables=variables,
            fields=lists_to_tuples(sidecar["fields"]),
            input=spec_from_json(sidecar["input"]),
            num_classes=sidecar["num_classes"],
            source=sidecar["source"],
            notes=tuple(sidecar["notes"]),
        )
    check_undamaged(path)
    if broken := not_finite(variables):
        raise UserError(f"{path}: {broken}. Convert the weights again, from a file without these.")
    if weights.model != model:
        raise UserError(
            f"{path}: weights of {weights.model}, expected {model}. Give --model={weights.model},"
            f" or weights of {model}."
        )
    return weights


def run_conversion(plan: ConversionPlan) -> Pretrained:
    """Runs a planned conversion and returns the weights.

    Raises:
      UserError: weights that are NaN or infinite.
    """
    spec, origin = plan.origin.spec, plan.origin
    variables = convert(plan.source.read, plan.assignments)
    if broken := not_finite(variables):
        raise UserError(
            f"{plan.file}: {broken}: the file is damaged, or its network diverged. Copy or download"
            " it again, or take other weights."
        )
    return Pretrained(
        name=origin.name,
        model=plan.model,
        variables=variables,
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
