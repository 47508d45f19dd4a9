"""A browser bundle: a folder with one page that runs the ONNX file in the visitor's browser."""

import json
import shutil
from pathlib import Path

from ferjax.export.conversion.environments import converter_python
from ferjax.export.exported_file import ExportedFile, FormatOptions
from ferjax.export.exported_network import ExportedNetwork
from ferjax.export.onnx_format import onnx_file, require_onnx
from ferjax.export.web.onnxruntime_web import VERSION, fetched_archive, write_runtime
from ferjax.runtime.atomic_files import write_atomically
from ferjax.runtime.cache_root import cache_root

_WEB = Path(__file__).parent / "web"
PAGE_FILES = ("index.html", "page.css", "page.js", "picture.js")


def require_browser() -> None:
    """Fetches onnxruntime-web and makes the converter's environment, if they are missing.

    Raises:
      UserError: one of them cannot be fetched or made. Nothing has been converted then.
    """
    fetched_archive(cache_root())
    require_onnx()


def write_browser(
    network: ExportedNetwork, folder: Path, options: FormatOptions
) -> list[ExportedFile]:
    """Writes NAME-browser/: the page, the ONNX file, onnxruntime-web and texts of the model card.

    Any server of static files serves it, such as `python -m http.server`. Pictures stay in the
    browser: the page makes no request to another host. The check of the bundle runs its ONNX file
    in onnxruntime; it does not run the page.
    """
    bundle = folder / f"{network.name}-browser"
    written_onnx = folder / f"{network.name}.onnx"  # exists if the format `onnx` was written before
    bundle.mkdir()
    for name in PAGE_FILES:
        shutil.copyfile(_WEB / name, bundle / name)
    target = bundle / "network.onnx"
    if written_onnx.exists():
        shutil.copyfile(written_onnx, target)
    else:
        onnx_file(network, target, options.progress)
    write_runtime(bundle / "runtime", cache_root(), options.progress)
    write_atomically(bundle / "network.json", page_facts(network))
    note = (
        f"{bundle.name}: the row is of its {target.name} in onnxruntime; the page runs it with"
        f" onnxruntime-web {VERSION}. Serve it with python -m http.server"
        f" --bind=127.0.0.1 --directory={bundle.name}; a camera needs https or this machine."
    )
    return [
        ExportedFile(
            bundle,
            "float32",
            "use_onnx.py",
            network=target,
            python=str(converter_python("onnx", options.progress)),
            facts={"runs with": "onnxruntime", "note": note},
        )
    ]


def page_facts(network: ExportedNetwork) -> str:
    """Returns the JSON that the page reads; the page shows every text as text, never as HTML."""
    height, width, channels = network.input_shape
    facts = {
        "name": network.name,
        "classes": network.classes,
        "height": height,
        "width": width,
        "channels": channels,
        "intended_use": network.card["intended_use"],
        "limits": network.card["limits"],
        "licence": network.card["licence"],
    }
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
