"""Station 3: does the document fit the schema of its kind? libxml2 decides, fast; only what it refuses is explained.

The decision record "fast yes, slow why" has the measurements.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lxml import etree

from gateway.core.problems import Location, Problem, ProblemOutcome, Stopped
from gateway.documents import Checked, Document, locate, xpath_of
from schemas import declarations, names
from schemas.catalog import Catalog

if TYPE_CHECKING:
    import xmlschema

# One is allowed. So many by mistake are explained with everything else; of a heap of them each costs the explainer more
# than an honest message (300 cost as much as 205 of them).
MOST_SIGNATURES = 8
_SHOWN = 3
_SIGNATURE = f"{{{names.DS}}}Signature"


def check(document: Document, catalog: Catalog) -> Checked:
    """The document as checked. Raises Stopped with every schema problem found, each with line, column and XPath."""
    root = document.root
    try:
        kind = catalog.kind_of(root)
    except Stopped as stop:
        raise Stopped(*placed(document.body, _of_no_kind(document, catalog, stop.problems))) from stop
    schema = catalog.schema(kind)
    try:
        fits = schema.validate(root)
    except etree.LxmlError as error:  # libxml2 could not answer: an internal error on some pattern
        problem = Problem("XSD-090", {"reason": type(error).__name__}, Location(xpath=xpath_of(root)))
        raise Stopped(*placed(document.body, [problem])) from error
    if not fits and (extra := root.findall(_SIGNATURE)[MOST_SIGNATURES:]):
        count = len(extra) + MOST_SIGNATURES
        told = [Problem("SIG-003", {"count": count}, Location(xpath=xpath_of(one))) for one in extra[:_SHOWN]]
        raise Stopped(*placed(document.body, told))
    problems = [] if fits else _explained(document, catalog.judge(kind), schema.error_log)
    problems += declarations.declared(document.body, root, catalog.declarations, document.envelope.received_at)
    if problems:
        problems = placed(document.body, problems)
        if failed := [problem for problem in problems if problem.outcome is not ProblemOutcome.NOTE]:
            raise Stopped(*failed)
    return Checked(document=document, kind=kind, problems=(*document.problems, *problems))


def _explained(
    document: Document, judge: xmlschema.XMLSchema10, log: etree._ListErrorLog | None, skip: Collection[str] = ()
) -> list[Problem]:
    """What explains loads xmlschema, a third of a second: only what is refused needs it."""
    from schemas.explain import explain  # noqa: PLC0415

    return explain(document.body, document.root, judge, log, skip)


def _of_no_kind(document: Document, catalog: Catalog, found: Sequence[Problem]) -> list[Problem]:
    """What keeps it from being of any kind, and what the nearest schema has to say about the rest."""
    root = document.root
    if root.tag != names.THONG_DIEP:
        return list(found)
    problems = [problem for problem in found if problem.code != "XSD-007"]  # what is missing says the same, better
    nearest = catalog.nearest(root)
    told = {problem.at.xpath for problem in problems if problem.at is not None}
    judge = catalog.judge(nearest)
    than_phan = root.find(names.THAN_PHAN)
    foreign = nearest is None or any(problem.code == "XSD-006" for problem in problems)
    # Of a payload that nobody knows there is nothing to say.
    inside = (names.THAN_PHAN,) if foreign and than_phan is not None and len(than_phan) else ()
    problems += [
        problem
        for problem in _explained(document, judge, None, inside)
        if problem.at is None or problem.at.xpath not in told
    ]
    return problems or list(found)


def placed(body: bytes, problems: Iterable[Problem]) -> list[Problem]:
    """The problems with line and column found in the bytes, in the order of the document."""
    problems = list(problems)
    wanted = {p.at.xpath for p in problems if p.at is not None and p.at.xpath is not None and p.at.line is None}
    found = locate(body, wanted) if wanted else {}
    done = [_with_place(problem, found) for problem in problems]
    return sorted(done, key=_place)


def _place(problem: Problem) -> tuple[bool, int, int]:
    at = problem.at
    last = problem.code == "XSD-099"  # that there are more is said at the end
    return (last, 0, 0) if at is None else (last, at.line or 0, at.column or 0)


def _with_place(problem: Problem, found: dict[str, Location]) -> Problem:
    at = problem.at
    if at is None or at.xpath is None or at.line is not None or at.xpath not in found:
        return problem
    place = found[at.xpath]
    return replace(problem, at=Location(line=place.line, column=place.column, xpath=at.xpath))
