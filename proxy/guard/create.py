"""The body of a create call: what a container may be, and nothing beside it.

Engines read JSON with Go's decoder, for which `privileged` is `Privileged` and two `HostConfig` are
one. So keys are matched exactly, duplicates are refused (`strict_json`), values are compared with
their types (to Python True is 1), what hardens must be there, and what goes up is written anew.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from proxy.actions import MOUNT
from proxy.decision import Malformed
from proxy.guard.calls import GUARD_LABEL
from proxy.guard.refusal import Refusal
from proxy.guard.rules import Rules
from proxy.isolation.docker.container import Mount, Profile
from proxy.protocols.strict_json import dumps, loads_object
from proxy.values import Json

_TMP = "/tmp"  # noqa: S108 - inside the container
_LABEL = re.compile(r"sidegate\.[a-z][a-z.-]{0,40}")
_LABEL_VALUE = re.compile(r"[ -~]{0,256}")
_KEY = re.compile(r"[A-Za-z]{1,40}")
_LEAST_MEMORY = 6 << 20  # the engine's own
_LEAST_NANO_CPUS = 10_000_000  # 0.01; the engine takes less, and rounds it down to no limit
_MOST_TEXTS = 32_768
_YES: Json = True
_NO: Json = False
_SMALL = "rw,nosuid,nodev,noexec,size=16m"
# Podman's have no owner, and it makes two more of its own that anyone may fill, unless named.
_PODMAN: dict[str, Json] = {
    _TMP: f"{_SMALL},mode=1777,notmpcopyup",
    "/run": "rw,nosuid,nodev,noexec,notmpcopyup,size=64k,mode=0755",
    "/var/tmp": "ro,nosuid,nodev,noexec,notmpcopyup,size=64k,mode=0755",  # noqa: S108
}
_ULIMITS: Json = [
    {"Name": name, "Soft": most, "Hard": most}
    for name, most in (("nofile", 1024), ("msgqueue", 0), ("core", 0))
]
_STDIN = ("AttachStdin", "OpenStdin", "StdinOnce")


@dataclass(frozen=True, slots=True)
class _Field:
    """What a key may hold: `said` completes "must be …". `needed`: it cannot be left out."""

    fits: Callable[[Json], bool]
    said: str
    needed: bool = True


_Fields = Mapping[str, _Field]


def create_body(data: bytes, rules: Rules) -> bytes | Refusal:
    """The body to create a container with, which has the label of this guard; or why not."""
    try:
        wish = loads_object(data)
    except Malformed:
        return Refusal(400, "the body is not a JSON object that reads in one way only")
    kinds = [kind for kind in rules.kinds if wish.get("Image") == kind.image]
    if not kinds:
        return Refusal(403, "Image must be one that the configuration names (runtime.docker.image)")
    wrong = [next(_wrong(wish, kind), None) for kind in kinds]
    if all(wrong):
        return Refusal(403, f"{wrong[0]}")
    labels = wish.get("Labels", {})
    assert isinstance(labels, dict)
    return dumps({**wish, "Labels": {**labels, GUARD_LABEL: rules.name}})


def _wrong(wish: Mapping[str, Json], kind: Profile) -> Iterator[str]:
    """What keeps it from being of this kind, one sentence after another."""
    yield from _misfits(wish, _container(kind), "")
    if len({dumps(wish[key]) for key in _STDIN if key in wish}) > 1:
        yield "AttachStdin, OpenStdin and StdinOnce must be the same"
    host = wish["HostConfig"]
    assert isinstance(host, dict)
    yield from _misfits(host, _host(kind), "HostConfig.")
    if host["Memory"] != host["MemorySwap"]:
        yield "HostConfig.MemorySwap must be as much as Memory"


def _misfits(value: Mapping[str, Json], fields: _Fields, where: str) -> Iterator[str]:
    for key, held in value.items():
        if key not in fields:
            yield f"{where}{key if _KEY.fullmatch(key) else '…'} is not allowed"
        elif not fields[key].fits(held):
            yield f"{where}{key} must be {fields[key].said}"
    for key, field in fields.items():
        if field.needed and key not in value:
            yield f"{where}{key} is missing; it must be {field.said}"


def _container(kind: Profile) -> _Fields:
    return {
        "Image": _exactly(kind.image),
        "Entrypoint": _Field(lambda value: bool(value) and _texts(value), "a list of texts"),
        "Cmd": _Field(_texts, "a list of texts", needed=False),
        "Env": _Field(_texts, "a list of texts", needed=False),
        "User": _exactly(str(kind.mount.owner), key="user"),
        "WorkingDir": _exactly(_TMP, MOUNT, needed=False),
        "Hostname": _exactly("sandbox", needed=False),
        "Labels": _Field(_are_labels, "texts, by names that begin with sidegate.", needed=False),
        **{key: _exactly(_NO, _YES, needed=False) for key in _STDIN},
        "AttachStdout": _exactly(_YES, needed=False),
        "AttachStderr": _exactly(_YES, needed=False),
        "Tty": _exactly(_NO, needed=False),
        "NetworkDisabled": _exactly(_YES),
        "HostConfig": _Field(lambda value: isinstance(value, dict), "an object"),
    }


def _host(kind: Profile) -> _Fields:
    owner = kind.mount.owner
    return {
        "NetworkMode": _exactly("none"),
        "ReadonlyRootfs": _exactly(*_roots(kind), key="read_only_rootfs"),
        "CapDrop": _exactly(["ALL"]),
        "SecurityOpt": _exactly(["no-new-privileges"]),
        "PidsLimit": _exactly(128),
        "Memory": _within(_LEAST_MEMORY, kind.memory, "memory_limit_mb"),
        "MemorySwap": _within(_LEAST_MEMORY, kind.memory, "memory_limit_mb"),
        "NanoCpus": _within(_LEAST_NANO_CPUS, int(kind.processors * 1_000_000_000), "cpu_limit"),
        "IpcMode": _exactly("none"),
        "Ulimits": _exactly(_ULIMITS),
        "Tmpfs": _exactly(
            {_TMP: f"{_SMALL},uid={owner.uid},gid={owner.gid}"}, _PODMAN, {_TMP: _PODMAN[_TMP]}
        ),
        "LogConfig": _exactly({"Type": "none"}),
        "Init": _exactly(_NO, _YES, needed=False),
        "Mounts": _exactly(*_mounts(kind), key=_mount_key(kind.mount), needed=False),
        **_runtime(kind.engine_runtime),
    }


def _roots(kind: Profile) -> tuple[Json, ...]:
    return (_YES,) if kind.read_only_rootfs else (_YES, _NO)


def _runtime(name: str | None) -> _Fields:
    return {"Runtime": _exactly(name, key="engine_runtime")} if name else {}


def _mount_key(mount: Mount) -> str:
    if mount.source is None:
        return "mount_workspace"
    return "workspace_volume" if mount.volume else "workspace_host_path"


def _mounts(kind: Profile) -> Iterator[Json]:
    """None, or the workspace itself: beneath it the agent may have made a link to anywhere."""
    yield []
    if kind.mount.source is None:
        return
    options: dict[str, Json] = {"BindOptions": {"Propagation": "rprivate"}}
    if kind.mount.volume:
        options = {"VolumeOptions": {"NoCopy": True}}
    for read_only in (True, False) if kind.writes else (True,):
        yield [
            {
                "Type": "volume" if kind.mount.volume else "bind",
                "Source": kind.mount.source,
                "Target": MOUNT,
                "ReadOnly": read_only,
                **options,
            }
        ]


def _exactly(*values: Json, key: str = "", needed: bool = True) -> _Field:
    """One of these, types included; `key` of the configuration says which."""
    forms = [_form(value) for value in values]
    return _Field(lambda value: _form(value) in forms, _said(" or ".join(forms), key), needed)


def _said(text: str, key: str) -> str:
    return f"{text} (runtime.docker.{key})" if key else text


def _form(value: Json) -> str:
    """A text that two values share only where they are the same to every reader of JSON."""
    return json.dumps(value, sort_keys=True)


def _within(least: int, most: int, key: str) -> _Field:
    said = _said(f"from {least} to {most}", key)
    return _Field(lambda value: type(value) is int and least <= value <= most, said)


def _texts(value: Json) -> bool:
    if not isinstance(value, list) or len(value) > _MOST_TEXTS:
        return False
    return all(isinstance(text, str) and "\0" not in text for text in value)


def _are_labels(value: Json) -> bool:
    if not isinstance(value, dict) or len(value) > 16 or GUARD_LABEL in value:
        return False
    return all(
        _LABEL.fullmatch(key) and isinstance(text, str) and _LABEL_VALUE.fullmatch(text)
        for key, text in value.items()
    )
