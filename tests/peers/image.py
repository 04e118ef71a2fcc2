"""An image with Node and the file system server, of what `deploy/peers` installed here."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from peers.installed import MODULES, NODE

IMAGE = "sidegate-node:test"
COMMAND = ["/bin/node", "/opt/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"]
_LIBRARY = re.compile(r"(/[^ ]+) \(0x")


def make(host: str) -> None:
    """Make the image, unless the engine has it."""
    env = {"PATH": os.environ["PATH"], "DOCKER_HOST": host}
    look = ["docker", "image", "inspect", IMAGE]
    if subprocess.run(look, env=env, capture_output=True, check=False, timeout=30).returncode == 0:
        return
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder))
        tar = ["tar", "-C", folder, "--owner=0", "--group=0", "--numeric-owner", "-c", "."]
        change = ["--change", "WORKDIR /workspace", "--change", 'CMD ["/bin/node"]']
        take = ["docker", "import", *change, "-", IMAGE]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
            subprocess.run(
                take, env=env, stdin=packing.stdout, capture_output=True, check=True, timeout=120
            )


def _fill(root: Path) -> None:
    listed = subprocess.run(["ldd", str(NODE)], capture_output=True, text=True, check=True)
    for library in _LIBRARY.findall(listed.stdout):
        place = root / library.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    (root / "bin").mkdir()
    shutil.copy(NODE, root / "bin" / "node")
    ignored = shutil.ignore_patterns("node", "node-linux-*", "conformance", "server-everything")
    shutil.copytree(MODULES, root / "opt" / "node_modules", ignore=ignored, symlinks=True)
    for name in ("workspace", "tmp", "etc"):
        (root / name).mkdir()
