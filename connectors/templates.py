"""Requests written by templates: Jinja2 in a sandbox, cut down to what can neither hang, grow, nor lie.

A template looks at data and writes; it calls nothing, sets nothing, includes nothing. Every value that it writes is
escaped for the place where it stands (a JSON value, the inside of a JSON string, XML text, an attribute, CDATA, a
segment of an address), and there is no way round that. What it names is compared with what there is when the profile is
checked, so that a slip is found there with its line and the nearest name, and not in the middle of the night.
"""

from __future__ import annotations

import base64 as base64_
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from jinja2 import ChainableUndefined, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.nodes import Node
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment

from connectors.dialect import Outward
from gateway.core.date_forms import WrongForm, date_form
from gateway.core.written import nearest

SOURCE_CHARS = 256 * 1024  # of one template
ROUNDS = 100_000  # of all loops of one rendering together
RENDERED_CHARS = 64 << 20  # of one request; the profile's limit is usually lower


class Writes(StrEnum):
    """What a template writes."""

    JSON = "json"
    XML = "xml"
    TEXT = "text"
    HEADER = "header"  # one line of ASCII
    ADDRESS = "address"  # values become segments of a path, or values of a query
    VALUE = "value"  # nothing is written: an expression


class NotWritable(Exception):
    """This message cannot be written by this template: ``where`` in it, ``why``."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTrouble:
    """What is wrong with a template, before anything was written by it."""

    line: int
    kind: str  # "syntax", "name", "not allowed", "date form", "place", "list"
    found: str
    meant: str | None = None
    known: tuple[str, ...] = ()


class Flawed(Exception):
    """A template that may not be used."""

    def __init__(self, troubles: Sequence[TemplateTrouble]) -> None:
        super().__init__(", ".join(f"{one.line}: {one.kind} {one.found}" for one in troubles))
        self.troubles = tuple(troubles)


# What data there is, as the checker sees it ---------------------------------------------------------------------------


class Leaf(StrEnum):
    """A value without parts."""

    TEXT = "text"
    MOMENT = "moment"
    NUMBER = "number"
    TRUTH = "truth"
    ANY = "any"  # somebody else's: it may have parts


Shape = Leaf | Mapping[str, "Shape"] | Sequence["Shape"]  # a sequence of one: a list of that


class Kept(dict[str, Any]):
    """Values that may be missing though they were declared: writing a missing one is refused, asking for it is not."""


class KnownMoment(str):
    """A moment, written as it is where no form is asked for."""

    __slots__ = ("at",)
    at: datetime

    @classmethod
    def of(cls, text: str, at: datetime) -> KnownMoment:
        """The moment ``at`` that is written ``text``."""
        made = cls(text)
        made.at = at
        return made


class Foreign(str):
    """Stands in a trial for a value that nobody can know before: the far side's."""

    __slots__ = ()


# The language ---------------------------------------------------------------------------------------------------------

_NODES: tuple[type[Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Concat,
    nodes.List,
    nodes.Dict,
    nodes.Pair,
    nodes.For,
    nodes.If,
)
_TESTS = frozenset({"defined", "undefined", "none", "in"})
_OF_LISTS = frozenset({"first", "last", "pluck", "join"})
_LOOP = frozenset({"index", "index0", "first", "last", "length"})


class _MissingValue(ChainableUndefined):
    """What is not there: nothing when written, no when asked; of declared values, a refusal when written."""

    __slots__ = ()


class _Strict(_MissingValue):
    __slots__ = ()


class _Budget:
    """How much one rendering may still do."""

    def __init__(self, chars: int) -> None:
        self.rounds = ROUNDS
        self.chars = chars

    def over(self, items: Sequence[Any]) -> Iterator[Any]:
        for item in items:
            self.rounds -= 1
            if self.rounds < 0:
                raise NotWritable("for", f"{ROUNDS}+")
            yield item


class _Environment(SandboxedEnvironment):
    """Data by name and number, and nothing of Python behind it."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._look(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._look(obj, argument)

    def _look(self, obj: Any, key: Any) -> Any:
        if isinstance(obj, Foreign):
            return obj
        if isinstance(obj, Mapping):
            if isinstance(key, str) and key in obj:
                return obj[key]
            return (_Strict if isinstance(obj, Kept) else _MissingValue)(name=str(key))
        if isinstance(obj, LoopContext) and key in _LOOP:
            return getattr(obj, key)
        if isinstance(obj, (list, tuple)) and isinstance(key, int) and -len(obj) <= key < len(obj):
            return obj[key]
        return _MissingValue(name=str(key))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        del obj, attr, value
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        del obj
        return False


def _plain(value: Any, where: str = "{{ }}") -> Any:
    """A value as data; None for what is not there."""
    if isinstance(value, _Strict):
        raise NotWritable(value._undefined_name or where, "∅")  # noqa: SLF001 - jinja2 gives no other way to the name
    if value is None or isinstance(value, Undefined):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return str(value)  # and not what a kind of string knows beside its text
    if isinstance(value, (int, float, bool)):
        return value
    raise NotWritable(where, type(value).__name__)


def _text(value: Any, where: str = "{{ }}") -> str:
    """A value as text."""
    plain = _plain(value, where)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (dict, list)):
        raise NotWritable(where, "table" if isinstance(plain, dict) else "array")
    return str(plain)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _json_value(value: Any) -> str:
    return _dumped(_plain(value))


def _json_inner(value: Any) -> str:
    return _dumped(_text(value))[1:-1]


_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml_text(value: Any) -> str:
    text = _text(value)
    if found := _NO_XML.search(text):
        raise NotWritable("XML", f"U+{ord(found[0]):04X}")
    return escape(text, {'"': "&quot;", "'": "&apos;", "\r": "&#13;"})


def _xml_attribute(value: Any) -> str:
    return _xml_text(value).replace("\n", "&#10;").replace("\t", "&#9;")


def _cdata(value: Any) -> str:
    text = _text(value)
    if found := _NO_XML.search(text):
        raise NotWritable("XML", f"U+{ord(found[0]):04X}")
    return text.replace("]]>", "]]]]><![CDATA[>")


def _address(value: Any) -> str:
    text = _text(value)
    return quote(text, safe="").replace(".", "%2E") if set(text) <= {"."} else quote(text, safe="")


def _header(value: Any) -> str:
    """What a header can hold: control characters become spaces, letters beyond ASCII are percent-encoded UTF-8."""
    plain = re.sub(r"[\x00-\x1f\x7f]+", " ", _text(value))
    return "".join(c if c.isascii() else quote(c) for c in plain)


_OUT: Mapping[str, Callable[[Any], str]] = {
    "out_json": _json_value,
    "out_json_inner": _json_inner,
    "out_xml": _xml_text,
    "out_xml_attribute": _xml_attribute,
    "out_cdata": _cdata,
    "out_text": _text,
    "out_address": _address,
    "out_header": _header,
}


def _bounded(text: str) -> str:
    if len(text) > RENDERED_CHARS:
        raise NotWritable("|", f"{RENDERED_CHARS}+")
    return text


def _default(value: Any, instead: Any = "") -> Any:
    return instead if value is None or isinstance(value, Undefined) or value == "" else value


def _date(value: Any, form: str) -> Any:
    """A moment of a message, of a packet or of an answer in ISO 8601, in a form of the far side."""
    if isinstance(value, KnownMoment):
        return date_form(form).write(value.at)
    text = _text(value, "date").strip()
    if not text:
        return None
    try:
        return date_form(form).write(moment_in(text))
    except ValueError as error:
        if isinstance(value, Foreign):
            return date_form(form).write(SOME_MOMENT)
        raise NotWritable("date", f"{text[:40]} → {form}") from error


SOME_MOMENT = datetime(2026, 1, 15, 1, 30, tzinfo=UTC)


def moment_in(text: str) -> datetime:
    """A moment as messages and packets write it. Raises ValueError."""
    for form in _MOMENTS:
        try:
            return date_form(form).read(text)
        except ValueError:
            continue
    raise ValueError(text)


_MOMENTS = (
    "yyyy-MM-dd'T'HH:mm:ssXXX",
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "yyyyMMddHHmmss",
    "yyyy-MM-dd'T'HH:mm:ss",
    "yyyy-MM-dd",
)


@pass_context
def _code(context: Context, value: Any, name: str) -> Any:
    """Their code for one of ours, by the table ``maps`` of the profile."""
    text = _text(value, "code")
    out: Outward = context["_out"]
    return out.code(name, text) if text else None


def _number(value: Any) -> Any:
    """A number where it is written as one, else the value as it is."""
    plain = _plain(value, "number")
    if isinstance(plain, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", plain):
        return int(plain)
    if isinstance(plain, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,6}", plain):
        return float(plain)
    return plain


def _listed(value: Any) -> list[Any]:
    if value is None or isinstance(value, Undefined):
        return []
    if isinstance(value, Foreign):
        return [value]
    if isinstance(value, (list, tuple)):
        return list(value)
    raise NotWritable("for", "≠ array")


def _first(value: Any) -> Any:
    items = _listed(value)
    return items[0] if items else None


def _last(value: Any) -> Any:
    items = _listed(value)
    return items[-1] if items else None


def _pluck(value: Any, name: str) -> list[Any]:
    rows = [item for item in _listed(value) if isinstance(item, (Mapping, Foreign))]
    return [row if isinstance(row, Foreign) else row.get(name) for row in rows]


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) and not isinstance(value, Foreign) else len(_listed(value))


def _bytes_of(value: Any) -> bytes:
    return _text(value).encode()


FILTERS: Mapping[str, Callable[..., Any]] = {
    "default": _default,
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "trim": lambda value: _text(value).strip(),
    "cut": lambda value, most: _text(value)[: max(int(most), 0)],
    "replace": lambda value, old, new: _bounded(_replaced(_text(value), str(old), str(new))),
    "length": _length,
    "first": _first,
    "last": _last,
    "pluck": _pluck,
    "join": lambda value, between="": _bounded(str(between).join(_text(one) for one in _listed(value))),
    "date": _date,
    "code": _code,
    "number": _number,
    "json": lambda value: _bounded(_dumped(_plain(value))),
    "base64": lambda value: _bounded(base64_.b64encode(_bytes_of(value)).decode("ascii")),
    "sha256": lambda value: hashlib.sha256(_bytes_of(value)).hexdigest(),
}
# How many arguments each filter takes beside its value, and which of them must be written out in the template.
_ARGUMENTS: Mapping[str, tuple[int, int]] = {
    "default": (0, 1),
    "cut": (1, 1),
    "replace": (2, 2),
    "pluck": (1, 1),
    "join": (0, 1),
    "date": (1, 1),
    "code": (1, 1),
}


def _replaced(text: str, old: str, new: str) -> str:
    if not old:
        return text
    if len(text) + text.count(old) * max(len(new) - len(old), 0) > RENDERED_CHARS:
        raise NotWritable("replace", f"{RENDERED_CHARS}+")
    return text.replace(old, new)


@pass_context
def _each(context: Context, value: Any) -> Iterator[Any]:
    budget: _Budget = context["_budget"]
    return budget.over(_listed(value))


def _environment() -> _Environment:
    made = _Environment(autoescape=False, undefined=_MissingValue, keep_trailing_newline=True, cache_size=0)
    made.filters = {**FILTERS, **_OUT, "each_of": _each}
    made.tests = {name: made.tests[name] for name in _TESTS}
    made.globals = {}
    return made


_ENVIRONMENT = _environment()


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A template that was looked through. Made by :func:`template`."""

    writes: Writes
    source: str
    _root: Any = field(repr=False, compare=False)

    def render(self, data: Mapping[str, Any], out: Outward, *, most: int = RENDERED_CHARS) -> str:
        """What it writes of this data. Raises NotWritable."""
        context = _context(data, out, most)
        size, pieces = 0, []
        for piece in _guarded(self._root.root_render_func(context)):
            size += len(piece)
            if size > most:
                raise NotWritable("{{ }}", f"{most}+")
            pieces.append(piece)
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class TemplateExpression:
    """An expression that was looked through. Made by :func:`expression`."""

    source: str
    shape: Shape  # what it comes to, as far as that can be seen
    needs: tuple[tuple[str | int, ...], ...]  # what must be in ``answer`` for it to mean anything
    _root: Any = field(repr=False, compare=False)

    def value(self, data: Mapping[str, Any], out: Outward) -> Any:
        """What it comes to; None where that is not there. Raises NotWritable."""
        context = _context(data, out, RENDERED_CHARS)
        for _ in _guarded(self._root.root_render_func(context)):
            pass
        return _plain(context.vars["_result"], self.source)

    def items(self, data: Mapping[str, Any], out: Outward) -> list[Any]:
        """The rows that it comes to; none where it is not there. Raises NotWritable."""
        context = _context(data, out, RENDERED_CHARS)
        for _ in _guarded(self._root.root_render_func(context)):
            pass
        return _listed(context.vars["_result"])

    def there(self, data: Mapping[str, Any], out: Outward) -> bool:
        """Whether it is so; what is not there is not so. Raises NotWritable."""
        context = _context(data, out, RENDERED_CHARS)
        for _ in _guarded(self._root.root_render_func(context)):
            pass
        return bool(context.vars["_result"])


def _context(data: Mapping[str, Any], out: Outward, most: int) -> Context:
    return Context(_ENVIRONMENT, {**data, "_out": out, "_budget": _Budget(most)}, "", {})


def _guarded(pieces: Iterator[str]) -> Iterator[str]:
    """The pieces; whatever the data makes of a filter or comparison is a refusal to write, not a bug of ours."""
    try:
        yield from pieces
    except NotWritable:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:
        raise NotWritable("{{ }}", type(error).__name__) from error


def template(source: str, writes: Writes, scope: Mapping[str, Shape]) -> RequestTemplate:
    """The template of this text, over data of this shape. Raises Flawed with every trouble."""
    tree = _parsed(source)
    troubles = [*_Look(scope).walk(tree)]
    places = _ValuePlaces(writes)
    places.put(tree)
    troubles += places.troubles
    if troubles:
        raise Flawed(sorted(troubles, key=lambda one: one.line))
    return RequestTemplate(writes, source, _compiled(tree, source))


def expression(source: str, scope: Mapping[str, Shape]) -> TemplateExpression:
    """The expression of this text, over data of this shape. Raises Flawed with every trouble."""
    tree = _parsed("{{ " + source + "\n}}")
    body = tree.body
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        raise Flawed([TemplateTrouble(line=1, kind="syntax", found=source[:60])])
    look = _Look(scope)
    troubles = [*look.walk(tree)]
    if troubles:
        raise Flawed(troubles)
    inner = body[0].nodes[0]
    if isinstance(inner, nodes.TemplateData):
        raise Flawed([TemplateTrouble(line=1, kind="syntax", found=source[:60])])
    tree.body = [nodes.Assign(nodes.Name("_result", "store", lineno=1), inner, lineno=1)]
    return TemplateExpression(
        source, look.shape_of(inner), tuple(dict.fromkeys(_needs(inner))), _compiled(tree, source)
    )


def _needs(node: Node) -> Iterator[tuple[str | int, ...]]:
    """The paths below ``answer`` that an expression reads, those with a default excepted."""
    if isinstance(node, nodes.Filter) and node.name == "default":
        return
    if isinstance(node, nodes.Test) and node.name in {"defined", "undefined", "none"}:
        return
    path: list[str | int] = []
    inner = node
    while isinstance(inner, (nodes.Getattr, nodes.Getitem)):
        path.insert(0, _key_of(inner))
        inner = inner.node
    if isinstance(inner, nodes.Name):
        if inner.name == "answer":
            yield tuple(path)
        return
    for child in node.iter_child_nodes():
        yield from _needs(child)


def _parsed(source: str) -> nodes.Template:
    if len(source) > SOURCE_CHARS:
        raise Flawed([TemplateTrouble(line=1, kind="too long", found=f"{len(source)} > {SOURCE_CHARS}")])
    try:
        return _ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        raise Flawed([TemplateTrouble(line=error.lineno, kind="syntax", found=(error.message or "?")[:120])]) from error
    except RecursionError as error:
        raise Flawed([TemplateTrouble(line=1, kind="syntax", found="RecursionError")]) from error


def _compiled(tree: nodes.Template, source: str) -> Any:
    try:
        code = _ENVIRONMENT.compile(tree)
    except (TemplateSyntaxError, RecursionError, SyntaxError, MemoryError) as error:
        raise Flawed(
            [TemplateTrouble(line=1, kind="syntax", found=type(error).__name__ + ": " + source[:40])]
        ) from error
    return _ENVIRONMENT.template_class.from_code(_ENVIRONMENT, code, {})


# Looking through ------------------------------------------------------------------------------------------------------


class _Look:
    """Whether a template keeps to the language, and names only what there is."""

    def __init__(self, scope: Mapping[str, Shape]) -> None:
        self.scope: dict[str, Shape] = dict(scope)

    def walk(self, node: Node) -> Iterator[TemplateTrouble]:
        if not isinstance(node, _NODES):
            yield TemplateTrouble(line=node.lineno, kind="not allowed", found=type(node).__name__)
            return
        match node:
            case nodes.For():
                yield from self._loop(node)
            case nodes.Name():
                yield from self._name(node)
            case nodes.Getattr() | nodes.Getitem():
                yield from self._member(node)
            case nodes.Filter():
                yield from self._filter(node)
            case nodes.Test():
                if node.name not in _TESTS or node.args or node.kwargs:
                    yield self._strange(node.lineno, f"is {node.name}", _TESTS)
                yield from self.walk(node.node)
            case _:
                for child in node.iter_child_nodes():
                    yield from self.walk(child)

    def _loop(self, node: nodes.For) -> Iterator[TemplateTrouble]:
        if node.recursive or node.test is not None or not isinstance(node.target, nodes.Name):
            yield TemplateTrouble(line=node.lineno, kind="not allowed", found="for a, b | if | recursive")
            return
        yield from self.walk(node.iter)
        over = self.shape_of(node.iter)
        if isinstance(over, (Leaf, Mapping)) and over is not Leaf.ANY:
            yield TemplateTrouble(line=node.lineno, kind="list", found=_source_of(node.iter))
        name = node.target.name
        if name.startswith("_") or name in self.scope or name == "loop":
            yield TemplateTrouble(line=node.lineno, kind="not allowed", found=f"for {name}")
        before = self.scope
        self.scope = {**before, name: item_of(over), "loop": dict.fromkeys(_LOOP, Leaf.NUMBER)}
        for child in (*node.body, *node.else_):
            yield from self.walk(child)
        self.scope = before

    def _name(self, node: nodes.Name) -> Iterator[TemplateTrouble]:
        if node.ctx != "load" or node.name.startswith("_"):
            yield TemplateTrouble(line=node.lineno, kind="not allowed", found=node.name)
        elif node.name not in self.scope:
            yield self._strange(node.lineno, node.name, self.scope)

    def _member(self, node: nodes.Getattr | nodes.Getitem) -> Iterator[TemplateTrouble]:
        yield from self.walk(node.node)
        if isinstance(node, nodes.Getitem):
            yield from self.walk(node.arg)
            if not isinstance(node.arg, nodes.Const) or not isinstance(node.arg.value, (str, int)):
                yield TemplateTrouble(line=node.lineno, kind="not allowed", found=f"{_source_of(node.node)}[?]")
                return
        outer, key = self.shape_of(node.node), _key_of(node)
        if isinstance(outer, Mapping) and key not in outer:
            yield self._strange(node.lineno, f"{_source_of(node.node)}.{key}", outer, str(key))
        elif isinstance(outer, Leaf) and outer is not Leaf.ANY:
            yield TemplateTrouble(line=node.lineno, kind="name", found=f"{_source_of(node.node)}.{key}")
        elif isinstance(outer, Sequence) and not isinstance(outer, Leaf) and not isinstance(key, int):
            yield TemplateTrouble(line=node.lineno, kind="name", found=f"{_source_of(node.node)}.{key}", meant="[0]")

    def _filter(self, node: nodes.Filter) -> Iterator[TemplateTrouble]:
        if node.node is None or node.name not in FILTERS:
            yield self._strange(node.lineno, f"| {node.name}", FILTERS, node.name)
            return
        yield from self.walk(node.node)
        refused = _arguments_refused(node)
        if refused is not None:
            yield TemplateTrouble(line=node.lineno, kind="not allowed", found=f"| {node.name}({refused})")
            return
        for argument in node.args:
            yield from self.walk(argument)
        shape = self.shape_of(node.node)
        if node.name == "date":
            yield from self._date(node, shape)
        plain = isinstance(shape, Leaf)
        if node.name in _OF_LISTS and shape is not Leaf.ANY and (plain or isinstance(shape, Mapping)):
            yield TemplateTrouble(line=node.lineno, kind="list", found=_source_of(node.node))
        elif node.name not in {*_OF_LISTS, "default", "json", "length"} and not plain:
            yield TemplateTrouble(line=node.lineno, kind="not allowed", found=f"{_source_of(node.node)} | {node.name}")

    def _date(self, node: nodes.Filter, shape: Shape) -> Iterator[TemplateTrouble]:
        form = node.args[0]
        assert isinstance(form, nodes.Const)
        try:
            date_form(form.value)
        except WrongForm as error:
            yield TemplateTrouble(
                line=node.lineno, kind="date form", found=f"{form.value}: {error.found}", meant=error.meant
            )
        if shape not in (Leaf.MOMENT, Leaf.ANY):
            yield TemplateTrouble(line=node.lineno, kind="date form", found=f"{_source_of(node.node or form)} | date")

    def shape_of(self, node: Node) -> Shape:
        """What an expression comes to, as far as that can be seen."""
        match node:
            case nodes.Name():
                return self.scope.get(node.name, Leaf.ANY)
            case nodes.Getattr() | nodes.Getitem():
                outer = self.shape_of(node.node)
                return outer.get(str(_key_of(node)), Leaf.ANY) if isinstance(outer, Mapping) else item_of(outer)
            case nodes.Filter(node=nodes.Expr() as inner):
                return self._filtered(node, self.shape_of(inner))
            case nodes.Const() | nodes.List() | nodes.Dict():
                return self._written_out(node)
            case nodes.CondExpr():
                one = self.shape_of(node.expr1)
                return one if node.expr2 is None or self.shape_of(node.expr2) == one else Leaf.ANY
        return _ALWAYS.get(type(node), Leaf.ANY)

    def _filtered(self, node: nodes.Filter, shape: Shape) -> Shape:
        match node.name:
            case "first" | "last":
                return item_of(shape)
            case "pluck":
                item = item_of(shape)
                name = node.args[0].value if node.args and isinstance(node.args[0], nodes.Const) else ""
                return [item.get(name, Leaf.ANY) if isinstance(item, Mapping) else Leaf.ANY]
            case "default":
                return shape
        return Leaf.TEXT

    def _written_out(self, node: nodes.Const | nodes.List | nodes.Dict) -> Shape:
        match node:
            case nodes.Const():
                return Leaf.NUMBER if isinstance(node.value, (int, float)) else Leaf.TEXT
            case nodes.List():
                return [self.shape_of(node.items[0])] if node.items else [Leaf.ANY]
            case nodes.Dict():
                return {str(p.key.value): self.shape_of(p.value) for p in node.items if isinstance(p.key, nodes.Const)}

    def _strange(self, line: int, found: str, known: Any, key: str | None = None) -> TemplateTrouble:
        names = tuple(sorted(str(name) for name in known if not str(name).startswith("_")))
        by_lower = {name.lower(): name for name in names}
        meant = nearest((key or found).lower(), list(by_lower))
        return TemplateTrouble(line=line, kind="name", found=found, meant=by_lower.get(meant or ""), known=names[:60])


def _arguments_refused(node: nodes.Filter) -> str | None:
    """What is shown of arguments that a filter does not take; None: it takes them."""
    least, most = _ARGUMENTS.get(node.name, (0, 0))
    if not least <= len(node.args) <= most or node.kwargs or node.dyn_args or node.dyn_kwargs:
        return str(len(node.args))
    if node.name == "default":
        return None
    constants = [argument for argument in node.args if isinstance(argument, nodes.Const)]
    if len(constants) < len(node.args):
        return "?"
    wanted = int if node.name == "cut" else str
    return next((repr(one.value) for one in constants if type(one.value) is not wanted), None)


def item_of(shape: Shape) -> Shape:
    """What stands in a list of this shape; of what is no list, nothing is known."""
    return shape[0] if isinstance(shape, Sequence) and not isinstance(shape, Leaf) else Leaf.ANY


# What expressions of a kind come to, whatever is in them.
_ALWAYS: Final[Mapping[type[Node], Shape]] = MappingProxyType(
    {
        nodes.Filter: Leaf.TEXT,
        nodes.Concat: Leaf.TEXT,
        nodes.Compare: Leaf.TRUTH,
        nodes.Not: Leaf.TRUTH,
        nodes.Test: Leaf.TRUTH,
    }
)


def _key_of(node: nodes.Getattr | nodes.Getitem) -> str | int:
    if isinstance(node, nodes.Getattr):
        return str(node.attr)
    value = node.arg.value if isinstance(node.arg, nodes.Const) else "?"
    return value if isinstance(value, int) else str(value)


def _source_of(node: Node) -> str:
    """An expression as a person would point at it."""
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr() | nodes.Getitem():
            return f"{_source_of(node.node)}.{_key_of(node)}"
        case nodes.Filter(node=nodes.Expr() as inner):
            return f"{_source_of(inner)} | {node.name}"
        case nodes.Const():
            return repr(node.value)[:40]
        case _:
            return type(node).__name__


class _ValuePlaces:
    """Where each value of a template stands, and so how it must be escaped. Reads the text between them."""

    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.troubles: list[TemplateTrouble] = []
        self.state = "text"  # XML: text, tag, " or ' (a value), comment, cdata, cdata-xml, pi; JSON: text, string

    def put(self, node: Node) -> None:
        """Escape every value below, in the order of the text; loops are made to count their rounds."""
        if isinstance(node, nodes.Output):
            node.nodes = [self._escaped(child) for child in node.nodes]
            return
        if isinstance(node, nodes.For):
            node.iter = nodes.Filter(node.iter, "each_of", [], [], None, None, lineno=node.lineno)
        for name in ("body", "elif_", "else_"):
            for child in getattr(node, name, None) or ():
                self.put(child)

    def _escaped(self, node: nodes.Expr) -> nodes.Expr:
        if isinstance(node, nodes.TemplateData):
            self._read(node.data)
            return node
        if (name := self._filter()) is None:
            self.troubles.append(TemplateTrouble(line=node.lineno, kind="place", found=_source_of(node)))
            return node
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)

    def _filter(self) -> str | None:
        match self.writes:
            case Writes.JSON:
                return "out_json_inner" if self.state == "string" else "out_json"
            case Writes.XML:
                return {
                    "text": "out_xml",
                    "cdata-xml": "out_xml",
                    "cdata": "out_cdata",
                    '"': "out_xml_attribute",
                    "'": "out_xml_attribute",
                }.get(self.state)
            case Writes.ADDRESS:
                return "out_address"
            case Writes.HEADER:
                return "out_header"
            case _:
                return "out_text"

    def _read(self, data: str) -> None:
        if self.writes is Writes.JSON:
            for found in re.finditer(r'\\.|"', data, re.DOTALL):
                if found[0] == '"':
                    self.state = "text" if self.state == "string" else "string"
        elif self.writes is Writes.XML:
            at = 0
            while at < len(data):
                at = self._step(data, at)

    def _step(self, data: str, at: int) -> int:
        """One mark further in XML."""
        state = self.state
        for mark, after in _MARKS[state]:
            if data.startswith(mark, at):
                self.state = after
                if after == "cdata":
                    inside = data[at + len(mark) :].lstrip()
                    self.state = "cdata-xml" if inside.startswith("<") else "cdata"
                return at + len(mark)
        return at + 1


_MARKS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "text": (("<!--", "comment"), ("<![CDATA[", "cdata"), ("<?", "pi"), ("<", "tag")),
    "tag": ((">", "text"), ('"', '"'), ("'", "'")),
    '"': (('"', "tag"),),
    "'": (("'", "tag"),),
    "comment": (("-->", "text"),),
    "cdata": (("]]>", "text"),),
    "cdata-xml": (("]]>", "text"),),
    "pi": (("?>", "text"),),
}


def literal(shape: Shape, *, full: bool) -> Any:
    """Data of this shape for a trial: all of it with texts that need escaping, or as little as there may be."""
    if isinstance(shape, Leaf):
        return _SAMPLES[shape]
    if isinstance(shape, Mapping):
        return {name: literal(inner, full=full) for name, inner in shape.items() if full or inner is Leaf.ANY}
    return [literal(shape[0], full=True)] * 2 if full else []


_SAMPLES: Mapping[Leaf, Any] = {
    Leaf.TEXT: 'Ánh & "Bình" <x> \\ \' ]]> 1',
    Leaf.MOMENT: KnownMoment.of("2026-01-15T08:30:00+07:00", SOME_MOMENT),
    Leaf.NUMBER: 7,
    Leaf.TRUTH: True,
    Leaf.ANY: Foreign("0"),
}
