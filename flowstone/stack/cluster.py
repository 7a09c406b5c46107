"""Where PostgreSQL's data lie, whose they are, and how they come to be."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flowstone.core.errors import ConfigurationError
from flowstone.stack.account import Account, account_for, can_reach
from flowstone.stack.binaries import ELSEWHERE
from flowstone.stack.folder import State, alive, read_state

__all__ = ["USER", "Cluster", "delete_cluster", "find_cluster"]

USER = "flowstone"

_INSIDE = "cluster"
_OWNER_NOTE = "owner"
_STATE_OF_PLACE = "place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One PostgreSQL data directory in a home that only its account may enter."""

    home: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    def create(
        self,
        programs: Path,
        password: str,
        *,
        held: int,
        environment: Mapping[str, str],
    ) -> None:
        """Make the data directory, complete or not at all.

        It is made beside its place and moved: what an interrupted start left is no
        data directory, and is made again.
        """
        new = self.home / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        secret = self._secret(password)
        try:
            self._initdb(programs, new, secret, held, environment)
        finally:
            secret.unlink()
        new.rename(self.data)

    def _secret(self, password: str) -> Path:
        # beside the home and not in it: whoever can enter the home must not be able
        # to say, by a link, where another account writes
        secret = self.home.with_name("password")
        secret.unlink(missing_ok=True)
        handle = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(password)
            if self.account is not None:
                os.fchown(handle, self.account.user, self.account.group)
        return secret

    def _initdb(
        self,
        programs: Path,
        new: Path,
        secret: Path,
        held: int,
        environment: Mapping[str, str],
    ) -> None:
        account = self.account
        done = subprocess.run(  # noqa: S603 - the program that was found
            [
                *(programs / "initdb", "-D", new, "-U", USER, f"--pwfile={secret}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                "--no-instructions",
            ],
            user=None if account is None else account.user,
            group=None if account is None else account.group,
            extra_groups=None if account is None else [],
            cwd="/",
            env=environment,
            pass_fds=[held],  # it may outlive its owner: the folder is not free then
            start_new_session=True,  # an interrupt is for the owner to act on
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            told = done.stdout.decode(errors="replace").strip()
            raise ConfigurationError(
                problems=[f"PostgreSQL could not create its data:\n{told}"]
            )

    def forget_stale_pid(self) -> None:
        """Remove the note of a server that is no more, where that is certain.

        PostgreSQL takes any live process with the noted id and the same user for its
        predecessor; in a container that starts anew, that is often a stranger. The
        folder is locked here, so a server of ours cannot be meant.
        """
        note = self.data / "postmaster.pid"
        try:
            pid = int(note.read_text().split()[0])
            words = Path(f"/proc/{pid}/cmdline").read_bytes() if alive(pid) else b""
        except (FileNotFoundError, IndexError, ValueError):
            return  # nothing noted, or no /proc to ask: PostgreSQL decides
        if bytes(self.data) not in words:
            note.unlink(missing_ok=True)


def find_cluster(folder: Path, state: State, *, elsewhere: Path = ELSEWHERE) -> Cluster:
    """Find the folder's data, or make a home for new ones and note it in the state.

    New ones lie in the folder if the account can reach it. If not (below root's home),
    they get a home elsewhere; changing other folders' permissions is not ours to do.
    """
    inside = Cluster(home=folder / _INSIDE, account=None)
    noted = state.get(_STATE_OF_PLACE)
    if noted is not None:
        return _noted(folder, Path(str(noted)))
    account = account_for(inside.data)
    if can_reach(folder, account):
        return _home_in(folder, account)
    if inside.data.exists():
        raise ConfigurationError(
            problems=[
                f"PostgreSQL's data are in {str(inside.home)!r}, where the account that "
                "they belong to can no longer go. Let it enter the folders above."
            ]
        )
    place = Path(tempfile.mkdtemp(prefix="flowstone-data-", dir=elsewhere))
    place.chmod(0o711)
    (place / _OWNER_NOTE).write_text(str(folder))
    state[_STATE_OF_PLACE] = str(place)
    return _home_in(place, account)


def _home_in(place: Path, account: Account | None) -> Cluster:
    home = place / _INSIDE
    home.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(home, account.user, account.group)
    return Cluster(home=home, account=account)


def _noted(folder: Path, place: Path) -> Cluster:
    note = place / _OWNER_NOTE
    if not note.exists():
        raise ConfigurationError(
            problems=[
                f"The data of {str(folder)!r} were in {str(place)!r}, and are gone. "
                "Restore them, or remove the folder to start with none."
            ]
        )
    owner = Path(note.read_text())
    if owner != folder:
        if owner.is_dir() and read_state(owner).get(_STATE_OF_PLACE) == str(place):
            raise ConfigurationError(
                problems=[
                    f"{str(folder)!r} is a copy of {str(owner)!r}, whose data in "
                    f"{str(place)!r} it cannot share. Remove the copy's state.json to "
                    "start it with none."
                ]
            )
        note.write_text(str(folder))  # the folder was moved
    return _home_in(place, account_for(place / _INSIDE / "data"))


def delete_cluster(folder: Path, state: State) -> None:
    """Delete the folder's data, wherever they lie; never those of another folder."""
    shutil.rmtree(folder / _INSIDE, ignore_errors=True)
    noted = state.get(_STATE_OF_PLACE)
    if noted is not None:
        note = Path(str(noted)) / _OWNER_NOTE
        if note.exists() and note.read_text() == str(folder):
            shutil.rmtree(note.parent, ignore_errors=True)
