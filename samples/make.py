"""Makes every sample with its side-car: accepted/, rejected/, undetermined/, journeys/.

    python samples/make.py            make what is missing or has changed
    python samples/make.py --check    say what is not as the recipes have it, change nothing
    python samples/make.py --all      make everything anew (after the keys were made anew)

Signatures differ from one making to the next, so a file stays as it is while its recipe stays as it is: ``made.toml`` keeps
the SHA-256 of what went in (the unsigned document, signer and variant) and of what came out.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from recipes import catalogue, signatures  # noqa: E402
from recipes.people import instant  # noqa: E402
from recipes.sample import ACCEPTED, Expected, Sample, located  # noqa: E402
from recipes.xmltext import places  # noqa: E402

MADE = HERE / "made.toml"
HEAD = "# Tệp này do samples/make.py viết ra; sửa ở samples/recipes. / Written by samples/make.py; mend it in samples/recipes.\n"


@dataclass(frozen=True)
class Made:
    """One sample as written."""

    path: str  # accepted/….xml
    went_in: str
    body: bytes
    side_car: str


def unsigned(sample: Sample) -> tuple[bytes, str | None]:
    """The document before signing, and as text where it is one."""
    if sample.body is not None:
        return sample.body, None
    assert sample.root is not None
    text = sample.written(sample.root())
    return text.encode(), text


def make(sample: Sample, known: dict[str, dict[str, str]], *, anew: bool) -> Made:
    """The sample's files, taking the ones that are there while nothing that went in has changed."""
    path = f"{sample.folder or sample.outcome}/{sample.name}.xml"
    document, _ = unsigned(sample)
    signer = f"{sample.signer}:{signatures.fingerprint(sample.signer)}:{sample.variant}" if sample.signer else "-"
    finish = recipe_of(sample.finish) if sample.finish else "-"
    told = [signer, sample.at or "-", finish]
    went_in = hashlib.sha256(b"\0".join([document, *(part.encode() for part in told)])).hexdigest()
    file = HERE / path
    row = known.get(path, {})
    if not anew and row.get("in") == went_in and file.exists() and _sha(file.read_bytes()) == row.get("out"):
        body = file.read_bytes()
    else:
        body = document
        if sample.signer:
            assert sample.at is not None
            body = signatures.signed(document, sample.signer, sample.variant, instant(sample.at))
        if sample.finish:
            body = sample.finish(body)
    return Made(path, went_in, body, side_car(sample, body))


def recipe_of(work: Callable[[bytes], bytes]) -> str:
    """What a function does, as text: its source, and the values that it closes over."""
    values = [cell.cell_contents for cell in work.__closure__ or ()]
    inner = [recipe_of(value) if callable(value) else repr(value) for value in values]
    return "\n".join([inspect.getsource(work), *inner])


def side_car(sample: Sample, body: bytes) -> str:
    """The TOML that says what must happen."""
    lines = [HEAD.rstrip(), f"why_vi = {_quoted(sample.why_vi)}", f"why_en = {_quoted(sample.why_en)}"]
    lines.append(f"sender = {_quoted(sample.sender.id)}  # ai gửi / who is at the door")
    lines.append(f"outcome = {_quoted(sample.outcome)}")
    if sample.alone:
        lines.append(f"alone = {_quoted(sample.alone)}  # không có cơ sở dữ liệu / without the records")
    if sample.after:
        names = ", ".join(_quoted(catalogue.path_of(name)) for name in sample.after)
        lines.append(f"after = [{names}]  # phải gửi trước / on record before")
    root = sample.root() if sample.root else None
    text = body.decode("utf-8", "replace") if sample.placed_in_body else unsigned(sample)[1] or ""
    for expected in (located(one, text, root) for one in (*sample.problems, *_unseen(sample, text))):
        lines += ["", "[[problems]]", *_problem(expected)]
    return "\n".join(lines) + "\n"


_ADDRESSES = ("DuongDan", "DuongDanTaiTepTin", "DuongDanTepTinKetQua")


def _unseen(sample: Sample, text: str) -> list[Expected]:
    """The remark that an accepted message gets for each file that lies elsewhere."""
    if sample.outcome != ACCEPTED or not any(f"{name}>" in text for name in _ADDRESSES):
        return []
    paths = (path for path in places(text) if path.rpartition(":")[2].partition("[")[0] in _ADDRESSES)
    return [Expected("XSD-250", xpath=path) for path in paths]


def _problem(expected: Expected) -> list[str]:
    lines = [f"code = {_quoted(expected.code)}"]
    if expected.line is not None:
        lines += [f"line = {expected.line}", f"column = {expected.column}"]
    if expected.xpath is not None:
        lines.append(f"xpath = {_quoted(expected.xpath)}")
    if expected.on_record:
        lines.append("on_record = true  # chỉ thấy khi có cơ sở dữ liệu / found with the records only")
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def known() -> dict[str, dict[str, str]]:
    """What made.toml says."""
    return tomllib.loads(MADE.read_text("utf-8")) if MADE.exists() else {}


def strangers(wanted: set[str]) -> list[Path]:
    """Files in the folders of the samples that no recipe makes."""
    there = [path for folder in catalogue.FOLDERS for path in (HERE / folder).rglob("*") if path.is_file()]
    return [path for path in there if str(path.relative_to(HERE)) not in wanted]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Make the samples and their side-cars.")
    parser.add_argument("--all", action="store_true", help="make everything anew")
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    arguments = parser.parse_args()
    before, rows, wanted, differs = known(), {}, set(), []
    for sample in catalogue.samples():
        made = make(sample, before, anew=arguments.all)
        rows[made.path] = {"in": made.went_in, "out": _sha(made.body)}
        for path, data in ((made.path, made.body), (made.path.removesuffix(".xml") + ".toml", made.side_car.encode())):
            wanted.add(path)
            differs += _put(HERE / path, data, dry=arguments.check)
    for path, data in catalogue.other_files():
        wanted.add(path)
        differs += _put(HERE / path, data, dry=arguments.check)
    for stranger in strangers(wanted):
        differs.append(f"{stranger.relative_to(HERE)}: no recipe makes it")
        if not arguments.check:
            stranger.unlink()
    table = "".join(f'["{path}"]\nin = "{row["in"]}"\nout = "{row["out"]}"\n' for path, row in sorted(rows.items()))
    differs += _put(MADE, (HEAD + table).encode(), dry=arguments.check)
    sys.stdout.write("".join(f"{line}\n" for line in differs) or "every sample is as the recipes have it\n")
    return 1 if arguments.check and differs else 0


def _put(path: Path, data: bytes, *, dry: bool) -> list[str]:
    if path.exists() and path.read_bytes() == data:
        return []
    if not dry:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return [f"{path.relative_to(HERE)}: {'differs' if dry else 'written'}"]


if __name__ == "__main__":
    sys.exit(main())
