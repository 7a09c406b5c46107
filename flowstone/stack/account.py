"""Whose rights PostgreSQL runs with, since it refuses those of root."""

import contextlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Account", "account_for", "can_reach"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user, by numbers, for a child process to become."""

    user: int
    group: int


def account_for(data: Path) -> Account | None:
    """Choose the account that serves the data; None is this process's own.

    Root hands over to whoever owns the data already, and to nobody for new ones.
    """
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(FileNotFoundError):
        found = data.lstat()
        if found.st_uid != 0:
            return Account(user=found.st_uid, group=found.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(user=65534, group=65534)
    return Account(user=nobody.pw_uid, group=nobody.pw_gid)


def can_reach(path: Path, account: Account | None) -> bool:
    """Say whether the account may go through every folder from the root to `path`."""
    if account is None:
        return True
    real = path.resolve()
    return all(_may_enter(p, account) for p in (real, *real.parents))


def _may_enter(path: Path, account: Account) -> bool:
    found = path.stat()
    if found.st_uid == account.user:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.group:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)
