"""Where Sidegate's own files lie, and that no tool may reach them, whatever else it may."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.authorization.paths.workspace import Workspace
from proxy.beneath import Opening, best_opening, walk_beneath
from proxy.config.cautions import cautions as config_cautions
from proxy.config.loader import Loaded
from proxy.config.model import Config
from proxy.state.opening import MASTER_KEY_FILE

SOCKET = "admin.sock"
STOP = "STOP"
"""A file of this name in the state folder stops everything."""


@dataclass(frozen=True, slots=True)
class Places:
    """Absolute paths. `database` is None where the state is on a server."""

    folder: str
    socket: str
    stop: str
    key: str
    audit: str
    database: str | None

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str]) -> "Places":
        """Those of this configuration; what is relative lies in the state folder."""
        chosen = config.state_dir or environ.get("STATE_DIRECTORY") or "."
        folder = os.path.abspath(chosen)
        database = config.state.path
        return cls(
            folder,
            os.path.join(folder, SOCKET),
            os.path.join(folder, STOP),
            os.path.join(folder, config.secrets.key_file),
            os.path.join(folder, config.audit.path),
            os.path.join(folder, database) if database is not None else None,
        )


def own_files(loaded: Loaded, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Sidegate's own files by what they are."""
    places = Places.of(loaded.config, environ)
    files = {
        "the state folder": places.folder,
        "the configuration": loaded.name,
        "the database": places.database,
        "the master key": places.key,
        f"the file of {MASTER_KEY_FILE}": environ.get(MASTER_KEY_FILE) or None,
        "the audit log": places.audit,
        **{f"the file of {key}": path for key, path in loaded.secret_files.items()},
    }
    return {what: os.path.realpath(file) for what, file in files.items() if file is not None}


def _beside_audit(loaded: Loaded, environ: Mapping[str, str]) -> set[str]:
    """What lies beside the audit log and belongs to it."""
    log = os.path.realpath(Places.of(loaded.config, environ).audit)
    names = ("head", "head.new", *range(1, loaded.config.audit.max_files + 1))
    return {f"{log}.{name}" for name in names}


def open_workspace(
    loaded: Loaded, environ: Mapping[str, str], opening: Opening | None = None
) -> Workspace | None:
    """The workspace, or None where it does not exist: its tools are then denied.

    `opening`: how files are opened beneath it; None: as well as this kernel can.
    """
    section = loaded.config.autonomy
    own = {*own_files(loaded, environ).values(), *_beside_audit(loaded, environ)}
    folder = os.path.realpath(section.workspace_dir)
    around = {file for file in own if os.path.commonpath((folder, file)) == file}
    forbidden = (*section.forbidden_paths, *(own - around))
    try:
        return Workspace.open(
            section.workspace_dir,
            forbidden,
            around=around,
            only=section.workspace_only,
            allowed=[(root.path, root.access == "rw") for root in section.allowed_roots],
            ignore=section.ignore,
            opening=opening or best_opening(),
        )
    except OSError:
        return None


def cautions(loaded: Loaded, workspace: Workspace | None) -> list[str]:
    """What the operator should know of the rules, and of how tools reach files: a sentence each."""
    section = loaded.config.autonomy
    absent = [root.path for root in section.allowed_roots if not os.path.isdir(root.path)]
    said = config_cautions(loaded.config)
    said += [f"there is no folder {path}, which autonomy.allowed_roots names" for path in absent]
    if workspace is not None and workspace.main.opening is walk_beneath:
        said.append("the kernel has no openat2, or hides it: paths are walked one by one")
    return said


def exposed(loaded: Loaded, environ: Mapping[str, str]) -> list[str]:
    """Which of Sidegate's own files the agent could change: a sentence each."""
    workspace = os.path.realpath(loaded.config.autonomy.workspace_dir)
    return [
        f"{what} lies in the workspace, where the agent could change it: move one of the two"
        for what, file in own_files(loaded, environ).items()
        if os.path.commonpath((workspace, file)) == workspace
    ]
