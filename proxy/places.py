"""Where Sidegate's own files lie, and that no tool may reach them, whatever else it may."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.authorization.paths import Workspace
from proxy.config.loader import Loaded
from proxy.config.model import Config

SOCKET = "admin.sock"


@dataclass(frozen=True, slots=True)
class Places:
    """Absolute paths. `database` is None where the state is on a server."""

    folder: str
    socket: str
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
        "the audit log": places.audit,
    }
    return {what: os.path.realpath(file) for what, file in files.items() if file is not None}


def open_workspace(loaded: Loaded, environ: Mapping[str, str]) -> Workspace | None:
    """The workspace, or None where it does not exist: its tools are then denied."""
    section = loaded.config.autonomy
    forbidden = (*section.forbidden_paths, *own_files(loaded, environ).values())
    try:
        return Workspace.open(section.workspace_dir, forbidden, only=section.workspace_only)
    except OSError:
        return None


def exposed(loaded: Loaded, environ: Mapping[str, str]) -> list[str]:
    """Which of Sidegate's own files the agent could change: a sentence each."""
    workspace = os.path.realpath(loaded.config.autonomy.workspace_dir)
    return [
        f"{what} lies in the workspace, where the agent could change it: move one of the two"
        for what, file in own_files(loaded, environ).items()
        if os.path.commonpath((workspace, file)) == workspace
    ]
