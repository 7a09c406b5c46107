"""The peers: each with an environment of its own below `peers/`, made on demand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["made_peers", "make_peers"]

_PEERS = Path(__file__).parent / "peers"


def make_peers() -> None:
    """Make the environment of every peer, as its requirements say."""
    for requirements in sorted(_PEERS.glob("*/requirements.txt")):
        environment = requirements.parent / ".venv"
        print(f"{requirements.parent.name}: {environment}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        install = [environment / "bin/python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "-r", requirements], check=True)


def made_peers() -> dict[str, list[str]]:
    """Give the command of each peer that has its environment."""
    return {
        script.parent.name: [str(script.parent / ".venv/bin/python"), str(script)]
        for script in sorted(_PEERS.glob("*/peer.py"))
        if (script.parent / ".venv/bin/python").exists()
    }
