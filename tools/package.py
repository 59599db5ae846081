"""Builds what is shipped and tries it as a stranger would: ``make package``, ``make bundle``.

The wheel goes into dist/. Beside it a folder is made from which a machine without any network installs everything: the wheels of all
libraries for this kind of machine, each with the hash that is pinned, ``install.sh``, ``deploy/``, ``docs/``, and the bill of materials
(CycloneDX, made by its own tool in an environment of its own). The trial installs from that folder alone, with every index
forbidden, and runs from a folder that is not the checkout: the command must say its version, show its help, and judge the accepted
samples. With ``--bundle`` the folder becomes one file, and its SHA-256 is told.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"

INSTALL = """\
#!/bin/sh
# Cài Liên Thông từ thư mục này, không cần mạng: sh install.sh [thư mục cài], mặc định ./lienthong.
# Installs Liên Thông from this folder, without any network: sh install.sh [where], ./lienthong by default.
# Needs Python {python} with venv, on {machine}.
set -eu
where=${{1:-lienthong}}
here=$(cd "$(dirname "$0")" && pwd)
python=${{PYTHON:-python3}}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != {version})' || {{
  echo "Cần Python {python}; đặt PYTHON=đường dẫn. / Python {python} is needed; set PYTHON=path." >&2
  exit 2
}}
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || {{
  echo "Tệp trong gói đã bị thay đổi; hãy tải lại gói. / A file of the bundle is not as it was made; fetch it again." >&2
  exit 1
}}
"$python" -m venv "$where"
where=$(cd "$where" && pwd)
cd "$here"  # the requirements name the wheels from here
"$where/bin/python" -m pip --disable-pip-version-check --quiet install --no-index --require-hashes -r requirements.txt
rm -rf "$where/share/docs"
mkdir -p "$where/share"
cp -R docs "$where/share/docs"  # the units of systemd name a page of it
"$where/bin/lienthong" --version
"""
# How deploy/Containerfile installs in the folder of a bundle: there is no source to build, but every wheel with its hash.
FROM_WHEELS = """\
COPY requirements.txt ./
COPY wheels wheels
RUN python -m venv /opt/lienthong \\
 && /opt/lienthong/bin/pip install --no-cache-dir --no-index --require-hashes -r requirements.txt
"""


def run(*command: str | Path, at: Path = ROOT, offline: bool = False) -> str:
    """The output of a command; ends the program with the command's words when it fails. ``offline``: no index can be reached."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LIENTHONG"))}
    if offline:
        env = {name: value for name, value in env.items() if not name.startswith(("PIP_", "UV_"))}
        env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    """All steps, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", action="store_true", help="make one file of the folder")
    asked = parser.parse_args()
    for old in DIST.glob("lienthong-*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", DIST, ROOT)
    (wheel,) = DIST.glob("*.whl")
    print(f"dist/{wheel.name}")
    with tempfile.TemporaryDirectory(prefix="lienthong-package-") as temporary:
        elsewhere = Path(temporary)
        folder = bundle(wheel)
        print(run("sh", folder / "install.sh", elsewhere / "venv", at=elsewhere, offline=True).strip())
        binaries = elsewhere / "venv" / "bin"
        for page in told_pages():
            if not (elsewhere / "venv" / page).is_file():
                sys.exit(f"install.sh does not install {page}, which a unit of systemd names")
        run(binaries / "python", "-m", "pip", "--disable-pip-version-check", "check", at=elsewhere)
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
        if asked.bundle:
            components = bill_of_materials(binaries / "python", folder, elsewhere)
            print(f"sbom.cdx.json: {components} components")
            whole = packed(folder)
            print(f"dist/{whole.name}: {whole.stat().st_size / 1e6:.0f} MB, SHA-256 {digest_of_file(whole)}")


def bundle(wheel: Path) -> Path:
    """A folder in dist/ that installs without any index: wheels with hashes, ``install.sh``, ``deploy/``, ``docs/``."""
    machine = f"{sys.platform}-{os.uname().machine}"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = DIST / f"{wheel.name.split('-py3')[0]}-python{python}-{machine}"
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    pins = ROOT / "requirements" / "run.txt"
    run(*pip, "download", "--require-hashes", "--only-binary", ":all:", "--dest", wheels, "-r", pins)
    shutil.copyfile(wheel, wheels / wheel.name)
    lines = [f"./wheels/{file.name} --hash=sha256:{digest_of_file(file)}" for file in sorted(wheels.iterdir())]
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", "utf-8")
    words = {"python": python, "machine": machine, "version": tuple(sys.version_info[:2])}
    (folder / "install.sh").write_text(INSTALL.format(**words), "utf-8")
    shutil.copytree(
        ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("etc")
    )  # what prepare.sh has made here
    shutil.copytree(ROOT / "docs", folder / "docs")
    build = folder / "deploy" / "Containerfile"
    build.write_text(from_wheels(build.read_text("utf-8"), python), "utf-8")
    summed(folder)
    return folder


def told_pages() -> set[str]:
    """The pages that units name as their documentation, below the folder that install.sh is given."""
    units = "".join(unit.read_text("utf-8") for unit in (ROOT / "deploy" / "systemd").glob("*.service"))
    return set(re.findall(r"^Documentation=file:///opt/lienthong/(.+)$", units, re.MULTILINE))


def from_wheels(containerfile: str, python: str) -> str:
    """The Containerfile as it builds in the folder of a bundle, on the Python that its wheels are for."""
    text, found = re.subn(
        r"^COPY pyproject\.toml .*? \.\n(?=\n)", lambda _: FROM_WHEELS, containerfile, flags=re.MULTILINE | re.DOTALL
    )
    text, named = re.subn(r"^ARG PYTHON=.*$", f"ARG PYTHON={python}-slim", text, flags=re.MULTILINE)
    if (found, named) != (1, 1):
        sys.exit("deploy/Containerfile does not build as it did; see from_wheels() in tools/package.py")
    return text


def bill_of_materials(python: Path, folder: Path, elsewhere: Path) -> int:
    """Writes what the installed environment is made of beside the wheels; gives the number of its components."""
    venv.create(elsewhere / "sbom", with_pip=True)
    tools = elsewhere / "sbom" / "bin"
    pins = ROOT / "requirements" / "bundle.txt"
    run(
        tools / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "install",
        "--require-hashes",
        "-r",
        pins,
    )
    made = folder / "sbom.cdx.json"
    run(tools / "cyclonedx-py", "environment", "--output-reproducible", "--validate", "-o", made, python)
    found = json.loads(made.read_text("utf-8"))["components"]
    have = {component["name"].lower().replace("_", "-") for component in found}
    shipped = {file.name.partition("-")[0].lower().replace("_", "-") for file in (folder / "wheels").iterdir()}
    if missing := {name.replace(".", "-") for name in shipped} - {name.replace(".", "-") for name in have}:
        sys.exit(f"sbom.cdx.json does not name {', '.join(sorted(missing))}")
    summed(folder)
    return len(found)


def summed(folder: Path) -> None:
    """Writes SHA256SUMS over every other file."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "SHA256SUMS")
    lines = [f"{digest_of_file(file)}  {file.relative_to(folder)}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(lines), "utf-8")


def packed(folder: Path) -> Path:
    """The folder as one file."""
    whole = folder.with_name(folder.name + ".tar.gz")
    with tarfile.open(whole, "w:gz", compresslevel=1) as archive:  # wheels are compressed already
        archive.add(folder, folder.name)
    return whole


def digest_of_file(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    main()
