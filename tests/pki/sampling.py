"""The samples as tests see them: every file with what its side-car says must happen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FOLDERS = ("accepted", "rejected", "undetermined")


@dataclass(frozen=True)
class Expected:
    """One problem that must be reported."""

    code: str
    line: int | None = None
    column: int | None = None
    xpath: str | None = None
    on_record: bool = False

    def __str__(self) -> str:
        return f"{self.code} {self.line}:{self.column} {self.xpath or '-'}"


@dataclass(frozen=True)
class Sample:
    """One file of samples/ and its side-car."""

    name: str  # rejected/SIG-002-khong-ky.xml
    sender: str
    outcome: str  # accepted, rejected, undetermined
    alone: str  # the same without records and door
    problems: tuple[Expected, ...]
    after: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return SAMPLES / self.name

    @property
    def body(self) -> bytes:
        """Its bytes."""
        return self.path.read_bytes()

    @property
    def without_records(self) -> tuple[Expected, ...]:
        """The problems that judging alone finds."""
        return tuple(problem for problem in self.problems if not problem.on_record)


@cache
def sample(name: str) -> Sample:
    """The sample of this name: ``accepted/HS01-nop-ho-so-toi-thieu.xml``, with or without ``.xml``."""
    name = name.removesuffix(".xml") + ".xml"
    row = tomllib.loads((SAMPLES / name).with_suffix(".toml").read_text("utf-8"))
    return Sample(
        name=name,
        sender=row["sender"],
        outcome=row["outcome"],
        alone=row.get("alone", row["outcome"]),
        problems=tuple(Expected(**problem) for problem in row.get("problems", ())),
        after=tuple(row.get("after", ())),
    )


def samples(*folders: str) -> list[Sample]:
    """All samples of these folders, of all when none is named."""
    return [
        sample(str(path.relative_to(SAMPLES)))
        for folder in folders or FOLDERS
        for path in sorted((SAMPLES / folder).rglob("*.xml"))
    ]


def before(one: Sample) -> list[Sample]:
    """What must be on record before it, in order, itself not included."""
    found: list[Sample] = []
    for name in one.after:
        for earlier in (*before(sample(name)), sample(name)):
            if earlier not in found:
                found.append(earlier)
    return found
