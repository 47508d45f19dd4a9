"""The Markdown that reports are written in, as tokens of markdown-it-py.

CommonMark with tables. HTML in the text is shown as text, except for the two elements that the
reports write themselves: `<br>` within a cell, and blocks that are collapsed until the reader
clicks on them.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_LINE_BREAK = "<br>"
_OPENING = re.compile(r"<details><summary>([^<>]*)</summary>")
_CLOSING = "</details>"


def parse(text: str) -> list[Token]:
    """Returns the tokens of a Markdown text."""
    return _parser().parse(text)


def render(tokens: Sequence[Token]) -> str:
    """Returns tokens as HTML, in which all text is escaped."""
    parser = _parser()
    return parser.renderer.render(tokens, parser.options, {})


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")
    parser.inline.ruler.before("html_inline", "line_break", _line_break)
    parser.block.ruler.before("html_block", "collapsed", _collapsed)
    parser.add_render_rule("collapsed_open", _render_collapsed)
    for kind in ("table_open", "table_close", "fence"):
        parser.add_render_rule(kind, _RENDER_RULES[kind])
    return parser


def _line_break(state: StateInline, silent: bool) -> bool:
    """Parses `<br>` as a line break; returns whether it is at this position."""
    if not state.src.startswith(_LINE_BREAK, state.pos):
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos += len(_LINE_BREAK)
    return True


def _collapsed(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parses a line that opens or closes a collapsed block; lines between are parsed as usual."""
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    opened = _OPENING.fullmatch(line)
    kinds = [token.type for token in state.tokens]
    inside = kinds.count("collapsed_open") > kinds.count("collapsed_close")
    if not (opened or (line == _CLOSING and inside)):
        return False
    if not silent:
        if opened:
            state.push("collapsed_open", "details", 1).content = opened[1]
        else:
            state.push("collapsed_close", "details", -1).block = True
        state.line = start + 1
    return True


def _render_collapsed(
    _: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    return f"<details><summary>{escapeHtml(tokens[index].content)}</summary>\n"


def _open_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    """Returns the opening tags of a table in a box that scrolls alone, also by the keyboard."""
    label = escapeHtml(tokens[index].meta.get("label", "Table"))
    opened = renderer.renderToken(tokens, index, options, env)
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">{opened}'


def _close_table(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    return renderer.renderToken(tokens, index, options, env).rstrip() + "</div>\n"


def _fence(_: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f'<pre tabindex="0"><code>{escapeHtml(tokens[index].content)}</code></pre>\n'


_RENDER_RULES = {"table_open": _open_table, "table_close": _close_table, "fence": _fence}
