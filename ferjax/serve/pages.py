"""The pages as HTML: all text is escaped, and they contain no inline script or style."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from ferjax.config.given_files import fitting_values
from ferjax.report.figures.style import class_colours
from ferjax.report.html.page_templates import templates_of
from ferjax.serve.card import card_facts, card_values, recalls
from ferjax.serve.limits import Limits
from ferjax.serve.recogniser import Recogniser

_FOLDER = Path(__file__).parent / "page"
STATIC_FOLDER = _FOLDER / "static"
_BLACK = "#000000"


def first_page(recogniser: Recogniser, limits: Limits, rate: int) -> str:
    """Returns the page for pictures, camera and videos.

    Args:
      recogniser: the network.
      limits: limits of requests, which the page checks before it sends anything.
      rate: requests a minute of one address; 0 for any number.

    Raises:
      UserError: a value of the card does not fit.
    """
    values = card_values(recogniser, limits, rate)
    with fitting_values(f"the card of {recogniser.name}", "Copy it again, or export it again."):
        facts, recall_rows = card_facts(recogniser.card), recalls(recogniser.card)
    # Black lines would be invisible on a dark page.
    colours = {
        name: "currentColor" if colour == _BLACK else colour
        for name, colour in class_colours(recogniser.classes).items()
    }
    return _render(
        "first.html",
        {
            "name": recogniser.name,
            "classes": recogniser.classes,
            "sets": values["sets"],
            "limits": limits,
            "methods": values["methods"],
            "card": recogniser.card,
            "facts": facts,
            "recalls": recall_rows,
            "settings": json.dumps(
                {
                    **values["limits"],
                    "sets": values["sets"],
                    "methods": values["methods"],
                    "colours": colours,
                }
            ),
        },
    )


def api_page(document: Mapping[str, Any], address: str) -> str:
    """Returns the page about the API.

    Args:
      document: the OpenAPI document of the API.
      address: address of the server as in the request, with a slash at the end.
    """
    routes = [
        {
            "path": path,
            "method": method.upper(),
            **route,
            "about": _description_html(route["description"]),
        }
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    ]
    schemas = {
        name: list(_fields(schema))
        for name, schema in document["components"]["schemas"].items()
        if "properties" in schema
    }
    values = {"routes": routes, "schemas": schemas, "info": document["info"], "address": address}
    return _render("api.html", values)


def _description_html(description: str) -> Markup:
    """Returns a description as HTML, with text between backticks as code."""
    return Markup(re.sub("`(.*?)`", r"<code>\1</code>", str(escape(description))))


def _fields(schema: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Returns name, type and description of the fields of an object."""
    return [
        (name, _type_of(field), str(field.get("description", "")))
        for name, field in schema["properties"].items()
    ]


def _type_of(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if field.get("type") == "array":
        return f"list of {_type_of(field['items'])}"
    return str(field.get("type", "any"))


def _render(template: str, values: Mapping[str, Any]) -> str:
    return templates_of("ferjax.serve", "page/templates").get_template(template).render(values)
