"""Builds what is shipped and tries it as a stranger would: ``make package``.

The wheel goes into dist/. It is then installed into a new environment, with the pinned requirements it names, and run from
a folder that is not the checkout: the command must say its version, show its help, and judge the accepted samples.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, at: Path = ROOT) -> str:
    """The output of a command; ends the program with the command's words when it fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LIENTHONG"))}
    done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    """All steps, one after the other."""
    dist = ROOT / "dist"
    for old in dist.glob("lienthong-*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT)
    (wheel,) = dist.glob("*.whl")
    print(f"dist/{wheel.name}")
    with tempfile.TemporaryDirectory(prefix="lienthong-package-") as folder:
        elsewhere = Path(folder)
        venv.create(elsewhere / "venv", with_pip=True)
        binaries = elsewhere / "venv" / "bin"
        pip = (binaries / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        run(*pip, "--require-hashes", "-r", ROOT / "requirements" / "run.txt", at=elsewhere)
        run(*pip, "--no-deps", wheel, at=elsewhere)
        run(binaries / "python", "-m", "pip", "--disable-pip-version-check", "check", at=elsewhere)
        print(run(binaries / "lienthong", "--version", at=elsewhere).strip())
        for arguments in (["--help"], ["--lang", "en", "check", "--help"]):
            run(binaries / "lienthong", *arguments, at=elsewhere)
        samples = sorted((ROOT / "samples" / "accepted").glob("*.xml"))
        config = ROOT / "samples" / "lienthong.toml"
        run(binaries / "lienthong", "--config", config, "check", *samples, at=elsewhere)
        print(f"lienthong check: {len(samples)} samples accepted")
        count = "from gateway.web.manual import BUILT, files; print(len(files(BUILT)))"
        carried = int(run(binaries / "python", "-c", count, at=elsewhere))
        if (carried > 0) != (ROOT / "gateway" / "web" / "site").exists():
            sys.exit("the wheel does not carry the site that `make site` has built")
        print(f"site: {carried} files" if carried else "site: none; `make site` builds it")


if __name__ == "__main__":
    main()
