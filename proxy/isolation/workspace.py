"""Read, write and list files, on the descriptors that the grant carries and on nothing else."""

import asyncio
import contextlib
import os
import secrets
import stat
from dataclasses import replace
from typing import assert_never

from proxy.actions import FileList, FilePlan, FileRead, FileWrite, OpenPath
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document, Grant
from proxy.isolation.executor import Backend
from proxy.isolation.room import Room
from proxy.reasons import Reason
from proxy.values import Json

MAX_FILE = 1 << 20
MAX_ENTRIES = 10_000


class WorkspaceFiles:
    """`Backend` for files. The work is done in a thread: a disk may be slow.

    A thread cannot be cancelled, so it works on a descriptor of its own: the one in the grant is
    closed when the caller leaves, and its number may soon be that of another file.
    """

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()

    async def run(self, plan: FilePlan, grant: Grant) -> Decision[Content]:  # noqa: ARG002
        """Do what the plan says with its open file."""
        if isinstance(plan, FileWrite) and (refused := self._room.refused()):
            return refused
        file = replace(plan.file, descriptor=os.dup(plan.file.descriptor))
        return await asyncio.shield(asyncio.to_thread(_work, replace(plan, file=file)))


def _work(plan: FilePlan) -> Decision[Content]:
    try:
        match plan:
            case FileRead():
                return _read(plan.file)
            case FileWrite():
                return _write(plan.file, plan.content)
            case FileList():
                return _list(plan.file)
        assert_never(plan)
    except OSError as error:
        return Deny(Reason.FILE_FAILED, evidence=str(error))
    finally:
        plan.file.close()


def _read(file: OpenPath) -> Decision[Content]:
    data = bytearray()
    while chunk := os.read(file.descriptor, 65536):
        data += chunk
        if len(data) > MAX_FILE:
            return Deny(Reason.FILE_TOO_LARGE)
    try:
        return Allow(Document({"content": data.decode("utf-8")}))
    except UnicodeDecodeError:
        return Deny(Reason.FILE_NOT_TEXT)


def _write(file: OpenPath, content: str) -> Decision[Content]:
    """Put a new file in place of the old, whole or not at all."""
    try:
        data = content.encode("utf-8")
    except UnicodeEncodeError:
        return Deny(Reason.FILE_NOT_TEXT)
    temporary = f".sidegate-{secrets.token_hex(8)}"
    descriptor = os.open(
        temporary,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
        0o600,
        dir_fd=file.descriptor,
    )
    try:
        with os.fdopen(descriptor, "wb") as new:
            _dress(descriptor, file)
            new.write(data)
            new.flush()
            os.fsync(descriptor)
        os.rename(temporary, file.leaf, src_dir_fd=file.descriptor, dst_dir_fd=file.descriptor)
    except BaseException:
        os.unlink(temporary, dir_fd=file.descriptor)
        raise
    return Allow(Document({"bytes_written": len(data)}))


def _dress(descriptor: int, file: OpenPath) -> None:
    """Give a new file the mode and owner of the one it replaces, or else of its folder."""
    try:
        model = os.stat(file.leaf, dir_fd=file.descriptor, follow_symlinks=False)
        mode = stat.S_IMODE(model.st_mode) & 0o777  # a replaced program keeps no set-user-id bit
    except FileNotFoundError:
        model = os.fstat(file.descriptor)
        mode = 0o644
    os.fchmod(descriptor, mode)
    if os.geteuid() == 0:
        os.fchown(descriptor, model.st_uid, model.st_gid)


def _list(file: OpenPath) -> Decision[Content]:
    entries: list[Json] = []
    truncated = False
    with os.scandir(file.descriptor) as found:
        for number, entry in enumerate(found):
            if number == MAX_ENTRIES:
                truncated = True
                break
            if file.hides(entry.name):
                continue
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                entries.append(_entry(entry))
    entries.sort(key=lambda entry: str(entry["name"]) if isinstance(entry, dict) else "")
    return Allow(Document({"entries": entries, "truncated": truncated}))


def _entry(entry: "os.DirEntry[str]") -> Json:
    status = entry.stat(follow_symlinks=False)
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "link"))
    kind = next((name for test, name in kinds if test(status.st_mode)), "other")
    name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return {"name": name, "type": kind, "size": status.st_size}


_: type[Backend[FilePlan]] = WorkspaceFiles
