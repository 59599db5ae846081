"""Two revisions in turn: ``python bench/compare.py REV [REV]`` measures REV against the other one (the working tree by default).

Each revision is checked out beside the other and runs its own sources with this environment's packages; rounds alternate, so that
whatever the machine does, it does to both. What is not committed is measured as the working tree has it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def one(tree: Path, cases: str, messages: int) -> list[dict[str, Any]]:
    """One round of a tree's own benchmark, or of ours over its sources where it knows no cases."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, str(tree / "bench" / "run.py"), "--json", "--rounds", "1", "--messages", str(messages)]
    told = "--cases" in (tree / "bench" / "run.py").read_text("utf-8")
    command += ["--cases", cases] if told else ["--sizes", ",".join(case.split()[0] for case in cases.split(","))]
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Two revisions in turn; read the last column.")
    parser.add_argument("revisions", nargs="+", metavar="REV", help="one or two; one is compared with the working tree")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=1500)
    parser.add_argument("--cases", default="4,20")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lienthong-compare-") as name:
        trees: list[tuple[str, Path]] = []
        for number, revision in enumerate(given.revisions[:2]):
            tree = Path(name) / str(number)
            subprocess.run(
                ["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(tree), revision], check=True
            )
            trees.append((revision, tree))
        if len(trees) == 1:
            trees.append(("working tree", ROOT))
        found: dict[str, list[list[dict[str, Any]]]] = {label: [] for label, _ in trees}
        try:
            for _ in range(given.rounds):
                for label, tree in trees:
                    found[label].append(one(tree, given.cases, given.messages))
        finally:
            for _, tree in trees:
                if tree != ROOT:
                    subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=False)
    (first, _), (second, _) = trees
    sys.stdout.write(
        f"| | {first}: ratio, per s | {second}: ratio, per s | {second} ÷ {first}, CPU |\n|---|---|---|---|\n"
    )
    for place, case in enumerate(given.cases.split(",")):
        ratio, rate, spent = (
            {label: statistics.median(pick(rounds[place]) for rounds in found[label]) for label in found}
            for pick in (
                lambda row: float(row["ratio"]),
                lambda row: statistics.median(row["per_second"]),
                lambda row: statistics.median(row["product_us"]),
            )
        )
        cells = [f"{ratio[label]:.1f}, {rate[label]:,.0f}" for label in (first, second)]
        sys.stdout.write(f"| {case.strip()} | {' | '.join(cells)} | {spent[second] / spent[first]:.2f} |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
