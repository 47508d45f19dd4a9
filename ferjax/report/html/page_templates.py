"""Jinja2 templates of all pages, with one style sheet, whose hash is in the policy of each page.

A page makes no request and runs no script: its Content-Security-Policy allows pictures inside the
page and this one style sheet, nothing else.
"""

import base64
import functools
import hashlib
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup


def render_page(template: str, **values: Any) -> str:
    """Returns a page: the named template, filled with the escaped `values`.

    Args:
      template: a file of `templates/`.
      **values: the values that the template uses; `Markup` is inserted without escaping.

    Raises:
      jinja2.UndefinedError: the template names a value that is not given.
    """
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = templates_of("ferjax.report.html").get_template(template)
    return page.render(style=Markup(style), style_hash=f"sha256-{digest}", **values)


@functools.cache
def templates_of(package: str, folder: str = "templates") -> jinja2.Environment:
    """Returns the templates in a folder of a package; they escape the values that they show."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _style() -> str:
    return (files("ferjax.report.html") / "templates" / "style.css").read_text("utf-8")
