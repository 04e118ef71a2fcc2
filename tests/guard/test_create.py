"""What a container may be: the body of a create call, field by field."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from guarding import BODY, GIB, HOST, KIND, MOUNT, RULES, body, with_kind, with_mount
from hypothesis import given
from hypothesis import strategies as st

from proxy.guard.create import create_body
from proxy.guard.refusal import Refusal
from proxy.guard.rules import Rules
from proxy.isolation.owner import Owner

VOLUME: dict[str, Any] = {
    "Type": "volume",
    "Source": "work",
    "Target": "/workspace",
    "ReadOnly": True,
    "VolumeOptions": {"NoCopy": True},
}


def judged(value: object, rules: Rules = RULES) -> Any:
    """What goes up, or the refusal."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    found = create_body(data, rules)
    return found if isinstance(found, Refusal) else json.loads(found)


def refused(value: object, rules: Rules = RULES) -> str:
    found = judged(value, rules)
    assert isinstance(found, Refusal), found
    return found.sentence


def mounted(*mounts: object) -> dict[str, Any]:
    return body({"Mounts": list(mounts)})


def test_it_is_what_was_asked_for_with_the_guards_label() -> None:
    expected = {**BODY, "Labels": {**BODY["Labels"], "sidegate.guard": "ours"}}

    assert judged(body()) == expected


def test_it_is_written_anew() -> None:
    spaced = json.dumps(body(), indent=4).replace("HostConfig", "Host\\u0043onfig").encode()

    found = create_body(spaced, RULES)

    assert isinstance(found, bytes)
    assert b"\n" not in found
    assert b"\\u0043" not in found
    assert json.loads(found) == judged(body())


STDIN = dict.fromkeys(("AttachStdin", "OpenStdin", "StdinOnce"), True)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(body(**STDIN), id="with standard input"),
        pytest.param(body({"Init": False}, Cmd=[], **STDIN), id="one started ahead"),
        pytest.param(body({"Mounts": []}, WorkingDir="/tmp"), id="nothing mounted"),
        pytest.param(mounted(MOUNT | {"ReadOnly": True}), id="the workspace to read only"),
        pytest.param(body(Env=[], Cmd=["", "\t\n", "\u2028", "a" * 100_000]), id="any text"),
        pytest.param(body({"Memory": GIB, "MemorySwap": GIB}), id="as much memory as there may be"),
        pytest.param(
            body(Labels=..., Hostname=..., Env=..., Cmd=..., WorkingDir=...),
            id="without what is harmless",
        ),
    ],
)
def test_what_sidegate_sends_is_let_through(value: object) -> None:
    assert isinstance(judged(value), dict)


@pytest.mark.parametrize("key", [key for key in HOST if key not in ("Init", "Mounts")])
def test_what_hardens_must_be_there(key: str) -> None:
    assert f"HostConfig.{key} is missing" in refused(body({key: ...}))


@pytest.mark.parametrize("key", ["User", "NetworkDisabled", "HostConfig", "Entrypoint"])
def test_what_confines_must_be_there(key: str) -> None:
    assert f"{key} is missing" in refused(body(**{key: ...}))


@pytest.mark.parametrize("key", HOST)
@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.swapcase])
def test_a_key_in_another_case_is_no_key(key: str, spelled: Any) -> None:
    """Go's decoder would take it for the key."""
    assert "is not allowed" in refused(body({spelled(key): HOST[key]}))
    assert "is not allowed" in refused(body({key: ..., spelled(key): HOST[key]}))


@pytest.mark.parametrize("key", BODY)
def test_a_top_key_in_another_case_is_no_key(key: str) -> None:
    assert isinstance(judged(body(**{key.lower(): BODY[key]})), Refusal)
    assert isinstance(judged(body(**{key: ..., key.upper(): BODY[key]})), Refusal)


@pytest.mark.parametrize("key", [*BODY, *HOST])
@pytest.mark.parametrize("value", [None, 0, 1.5, "x", {}, {"x": 1}, [None], [1], -1, True, [[]]])
def test_a_value_of_another_type_is_none(key: str, value: object) -> None:
    """But where the value means what it should: an input that is open, an init that is there."""
    if value is True and key in ("NetworkDisabled", "AttachStdout", "AttachStderr", "Init"):
        return
    if (value is True and key == "ReadonlyRootfs") or (value == {} and key == "Labels"):
        return
    changed = body({key: value}) if key in HOST else body(**{key: value})

    assert isinstance(judged(changed), Refusal)


DUPLICATES = [
    b'{"Image":"sandbox:1",' + json.dumps(body()).encode()[1:],
    json.dumps(body()).encode()[:-1] + b',"HostConfig":{"Privileged":true}}',
    json.dumps(body()).encode()[:-1] + b',"Host\\u0043onfig":{"Privileged":true}}',
    json.dumps(body()).replace('"PidsLimit": 128', '"PidsLimit":128,"PidsLimit":0').encode(),
    json.dumps(body()).replace('"Labels": {', '"Labels":{"sidegate.boot":"x",').encode(),
]


@pytest.mark.parametrize("data", DUPLICATES, ids=range(len(DUPLICATES)))
def test_a_key_that_is_there_twice_is_refused(data: bytes) -> None:
    assert "reads in one way only" in refused(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}{}",
        b"{} trailing",
        json.dumps(body()).encode() + b"\0",
        b"\xef\xbb\xbf" + json.dumps(body()).encode(),
        json.dumps(body()).encode("utf-16"),
        json.dumps(body()).replace("echo", "\\ud800").encode(),
        json.dumps(body()).replace("echo", "\xff").encode("latin-1"),
        json.dumps(body()).replace("128", "NaN").encode(),
        json.dumps(body()).replace("128", "1e999").encode(),
        json.dumps(body()).replace("128", "9" * 5000).encode(),
        b'{"HostConfig":' + b"[" * 100_000,
        b"{'Image':'sandbox:1'}",
        json.dumps(body()).encode()[:-1] + b",}",
        b"/* */" + json.dumps(body()).encode(),
    ],
    ids=range(19),
)
def test_what_is_no_plain_json_is_refused(data: bytes) -> None:
    assert "reads in one way only" in refused(data)


UNKNOWN_HOST: list[tuple[str, object]] = [
    ("Privileged", True),
    ("Privileged", False),
    ("Binds", ["/:/host"]),
    ("Binds", []),
    ("CapAdd", ["SYS_ADMIN"]),
    ("Capabilities", ["ALL"]),
    ("Devices", [{"PathOnHost": "/dev/sda"}]),
    ("DeviceRequests", [{"Count": -1}]),
    ("DeviceCgroupRules", ["a *:* rwm"]),
    ("PidMode", "host"),
    ("UTSMode", "host"),
    ("UsernsMode", "host"),
    ("CgroupnsMode", "host"),
    ("CgroupParent", "/"),
    ("Cgroup", "container:x"),
    ("Sysctls", {"kernel.msgmax": "1"}),
    ("ExtraHosts", ["a:127.0.0.1"]),
    ("Links", ["other:db"]),
    ("VolumesFrom", ["other"]),
    ("VolumeDriver", "local"),
    ("OomKillDisable", True),
    ("OomScoreAdj", -1000),
    ("RestartPolicy", {"Name": "always"}),
    ("AutoRemove", True),
    ("ContainerIDFile", "/etc/passwd"),
    ("PortBindings", {"80/tcp": [{"HostPort": "80"}]}),
    ("PublishAllPorts", True),
    ("Dns", ["1.1.1.1"]),
    ("GroupAdd", ["docker"]),
    ("MaskedPaths", []),
    ("ReadonlyPaths", []),
    ("ShmSize", 1 << 40),
    ("StorageOpt", {"size": "1T"}),
    ("CpuQuota", -1),
    ("CpuRealtimeRuntime", 950000),
    ("CpusetCpus", "0"),
    ("BlkioWeight", 1000),
    ("KernelMemory", 0),
    ("Isolation", "process"),
    ("Runtime", "runc"),
    ("Annotations", {"run.oci.handler": "wasm"}),
    ("ConsoleSize", [1, 1]),
    ("", ""),
]


@pytest.mark.parametrize(("key", "value"), UNKNOWN_HOST)
def test_what_is_not_named_is_not_allowed(key: str, value: object) -> None:
    assert "is not allowed" in refused(body({key: value}))


UNKNOWN: list[tuple[str, object]] = [
    ("Volumes", {"/host": {}}),
    ("Volumes", {}),
    ("NetworkingConfig", {"EndpointsConfig": {"host": {}}}),
    ("NetworkingConfig", {}),
    ("Healthcheck", {"Test": ["CMD-SHELL", "true"]}),
    ("Shell", ["/bin/sh"]),
    ("OnBuild", ["RUN true"]),
    ("ExposedPorts", {"80/tcp": {}}),
    ("MacAddress", "02:42:ac:11:00:02"),
    ("Domainname", "x"),
    ("StopSignal", "SIGKILL"),
    ("StopTimeout", 0),
    ("ArgsEscaped", True),
    ("Platform", "linux/arm64"),
    ("Name", "other"),
    ("Config", {}),
    ("Memory", 0),
    ("Privileged", True),
    ("HostConfig ", {}),
    ("\u017fidegate", 1),
    ("__proto__", {}),
]


@pytest.mark.parametrize(("key", "value"), UNKNOWN)
def test_what_is_not_named_at_the_top_is_not_allowed(key: str, value: object) -> None:
    assert "is not allowed" in refused(body(**{key: value}))


HOST_VALUES: list[tuple[str, object]] = [
    *(("NetworkMode", mode) for mode in ("host", "bridge", "default", "", "container:x", "NONE")),
    ("ReadonlyRootfs", False),
    ("ReadonlyRootfs", 1),
    ("CapDrop", []),
    ("CapDrop", ["all"]),
    ("CapDrop", ["ALL", "ALL"]),
    ("CapDrop", ["NET_RAW"]),
    ("CapDrop", "ALL"),
    ("SecurityOpt", []),
    ("SecurityOpt", ["no-new-privileges:false"]),
    ("SecurityOpt", ["no-new-privileges", "seccomp=unconfined"]),
    ("SecurityOpt", ["no-new-privileges", "apparmor=unconfined"]),
    ("SecurityOpt", ["no-new-privileges", "label=disable"]),
    ("SecurityOpt", ["systempaths=unconfined"]),
    *(("PidsLimit", limit) for limit in (0, -1, 127, 129, 128.0, "128", 1 << 63, True)),
    *(("Memory", limit) for limit in (0, -1, 1 << 31, 1.0, "536870912", True, None)),
    *(("MemorySwap", limit) for limit in (-1, 0, 1 << 30, float(1 << 29))),
    *(("NanoCpus", limit) for limit in (0, -1, 1, 9_999_999, 1_000_000_001, 5e8, "1", True)),
    *(("IpcMode", mode) for mode in ("host", "private", "shareable", "", "container:x")),
    ("Ulimits", []),
    ("Ulimits", [{**HOST["Ulimits"][0], "Hard": 1048576}, *HOST["Ulimits"][1:]]),
    ("Ulimits", [{**HOST["Ulimits"][0], "name": "core"}, *HOST["Ulimits"][1:]]),
    ("Ulimits", [*HOST["Ulimits"], {"Name": "nproc", "Soft": -1, "Hard": -1}]),
    ("Ulimits", [{"Name": "nofile", "Soft": 1024.0, "Hard": 1024}, *HOST["Ulimits"][1:]]),
    ("Ulimits", HOST["Ulimits"][:1]),
    ("Tmpfs", {}),
    ("Tmpfs", {"/tmp": ""}),
    ("Tmpfs", {"/tmp": "rw,exec,size=16m,uid=1000,gid=1001"}),
    ("Tmpfs", {"/tmp": "rw,nosuid,nodev,noexec,size=16g,uid=1000,gid=1001"}),
    ("Tmpfs", {"/tmp": "rw,nosuid,nodev,noexec,size=16m,uid=0,gid=0"}),
    ("Tmpfs", {"/tmp": "rw,nosuid,nodev,noexec,size=16m,uid=1000,gid=1001,exec"}),
    ("Tmpfs", {**HOST["Tmpfs"], "/etc": "rw"}),
    ("Tmpfs", {"/": HOST["Tmpfs"]["/tmp"]}),
    ("LogConfig", {}),
    ("LogConfig", {"Type": "json-file"}),
    ("LogConfig", {"Type": "syslog", "Config": {"syslog-address": "tcp://1.2.3.4:5"}}),
    ("LogConfig", {"Type": "none", "type": "syslog"}),
    ("LogConfig", {"Type": "none", "Config": {}}),
    ("Init", "true"),
    ("Init", 0),
    ("Init", None),
    ("Mounts", None),
    ("Mounts", {}),
]


@pytest.mark.parametrize(("key", "value"), HOST_VALUES)
def test_a_weaker_value_is_refused(key: str, value: object) -> None:
    assert f"HostConfig.{key} must be" in refused(body({key: value})) or key == "MemorySwap"
    assert isinstance(judged(body({key: value})), Refusal)


MOUNTS: list[tuple[str, list[object]]] = [
    ("beneath it", [MOUNT | {"Source": "/srv/workspace/sub"}]),
    ("dots", [MOUNT | {"Source": "/srv/workspace/.."}]),
    ("a dot", [MOUNT | {"Source": "/srv/workspace/."}]),
    ("a slash", [MOUNT | {"Source": "/srv/workspace/"}]),
    ("two slashes", [MOUNT | {"Source": "//srv/workspace"}]),
    ("above", [MOUNT | {"Source": "/srv"}]),
    ("the root", [MOUNT | {"Source": "/"}]),
    ("the engine's socket", [MOUNT | {"Source": "/var/run/docker.sock"}]),
    ("nothing", [MOUNT | {"Source": ""}]),
    ("case", [MOUNT | {"Source": "/srv/Workspace"}]),
    ("NUL", [MOUNT | {"Source": "/srv/workspace\0/x"}]),
    ("twice", [MOUNT, MOUNT]),
    ("and another", [MOUNT, MOUNT | {"Source": "/", "Target": "/host"}]),
    ("elsewhere", [MOUNT | {"Target": "/etc"}]),
    ("elsewhere by a slash", [MOUNT | {"Target": "/workspace/"}]),
    ("shared", [MOUNT | {"BindOptions": {"Propagation": "rshared"}}]),
    ("no propagation", [MOUNT | {"BindOptions": {}}]),
    ("more options", [MOUNT | {"BindOptions": {"Propagation": "rprivate", "NonRecursive": True}}]),
    ("created", [MOUNT | {"BindOptions": {"Propagation": "rprivate", "CreateMountpoint": True}}]),
    ("options in lower case", [MOUNT | {"bindoptions": {"Propagation": "rshared"}}]),
    ("source in lower case", [MOUNT | {"source": "/"}]),
    ("type", [MOUNT | {"Type": "Bind"}]),
    ("npipe", [MOUNT | {"Type": "npipe"}]),
    ("tmpfs", [{"Type": "tmpfs", "Target": "/workspace"}]),
    ("cluster", [{"Type": "cluster", "Source": "x", "Target": "/workspace"}]),
    ("a number for a flag", [MOUNT | {"ReadOnly": 0}]),
    ("no flag", [{key: MOUNT[key] for key in MOUNT if key != "ReadOnly"}]),
    ("consistency", [MOUNT | {"Consistency": "cached"}]),
    ("volume options", [MOUNT | {"VolumeOptions": {"DriverConfig": {"Name": "local"}}}]),
    ("a volume", [VOLUME]),
    ("null", [None]),
    ("text", ["/srv/workspace:/workspace"]),
    ("nested", [[MOUNT]]),
]


@pytest.mark.parametrize("mounts", [each for _, each in MOUNTS], ids=[name for name, _ in MOUNTS])
def test_only_the_workspace_itself_is_mounted(mounts: list[object]) -> None:
    assert "HostConfig.Mounts must be" in refused(mounted(*mounts))


VALUES: list[tuple[str, object]] = [
    *(
        ("User", user)
        for user in (
            *("", "0", "0:0", "root", "1000", "1000:", ":1000", "0:1000", "1000:0", "00:1"),
            *(
                "1000:root",
                "nobody",
                "1000:1001:2",
                "-1:1",
                "+1:1",
                " 1:1",
                "1:1\n",
                "4294967295:1",
            ),
            *("1000:1000", "1001:1001", "1000:105", "65534:65534", "1000:01001", "1000:1001 "),
            *("1000:4294967295", "4294967296:1", "\u0661:1", "1e3:1", "0x1:1", "1_0:1"),
        )
    ),
    ("User", 1000),
    ("User", ["1000:1001"]),
    ("Image", "other"),
    ("Image", "sandbox"),
    ("Image", "sandbox:1 "),
    ("Image", "docker.io/library/sandbox:1"),
    ("Image", "sandbox:1@sha256:" + "0" * 64),
    ("Image", ""),
    ("WorkingDir", "/proc/self/fd/8"),
    ("WorkingDir", "/"),
    ("WorkingDir", "/workspace/sub"),
    ("WorkingDir", "/workspace/.."),
    ("Entrypoint", []),
    ("Entrypoint", "sh"),
    ("Entrypoint", [["sh"]]),
    ("Entrypoint", ["sh", None]),
    ("Cmd", "x"),
    ("Cmd", ["a\0b"]),
    ("Cmd", [""] * 40_000),
    ("Env", {"A": "b"}),
    ("Env", [1]),
    ("Hostname", "host"),
    ("Tty", True),
    ("Tty", 0),
    ("AttachStdout", False),
    ("OpenStdin", True),
    ("StdinOnce", True),
    ("NetworkDisabled", False),
    ("NetworkDisabled", 1),
    ("NetworkDisabled", "true"),
    ("Labels", {"com.docker.compose.project": "other"}),
    ("Labels", {"sidegate.guard": "theirs"}),
    ("Labels", {"Sidegate.guard": "theirs"}),
    ("Labels", {"sidegate.owner": 1}),
    ("Labels", {"sidegate.owner": None}),
    ("Labels", {"sidegate.owner": "x\ny"}),
    ("Labels", {"sidegate.": "x"}),
    ("Labels", {"sidegate": "x"}),
    ("Labels", {f"sidegate.{'x' * number}": "y" for number in range(1, 20)}),
    ("Labels", ["sidegate.owner"]),
    ("HostConfig", []),
    ("HostConfig", {}),
]


@pytest.mark.parametrize(("key", "value"), VALUES)
def test_another_value_is_refused(key: str, value: object) -> None:
    assert key in refused(body(**{key: value}))


def test_with_a_volume_it_is_that_volume() -> None:
    rules = with_mount(source="work", volume=True)

    assert judged(mounted(VOLUME), rules)["HostConfig"]["Mounts"] == [VOLUME]
    changes: tuple[dict[str, Any], ...] = (
        {"Source": "other"},
        {"Source": ""},
        {"Source": "/"},
        {"Type": "bind"},
        {"VolumeOptions": {}},
        {"VolumeOptions": {"NoCopy": False}},
        {"VolumeOptions": {"NoCopy": True, "Subpath": "link"}},
        {"VolumeOptions": {"NoCopy": True, "DriverConfig": {"Options": {"device": "/"}}}},
        {"VolumeOptions": {"NoCopy": True, "Labels": {}}},
    )
    for change in changes:
        assert isinstance(judged(mounted(VOLUME | change), rules), Refusal)
    assert isinstance(judged(mounted(MOUNT), rules), Refusal)


def test_who_is_configured_is_who_it_runs_as() -> None:
    assert isinstance(judged(body(), with_mount(owner=Owner(1000, 1001))), dict)
    assert isinstance(judged(body(), with_mount(owner=Owner(1000, 1002))), Refusal)
    tmpfs = {"/tmp": "rw,nosuid,nodev,noexec,size=16m,uid=1000,gid=105"}
    grouped = body({"Tmpfs": tmpfs}, User="1000:105")
    assert isinstance(judged(grouped, with_mount(owner=Owner(1000, 105))), dict)
    assert isinstance(judged(grouped), Refusal)


def test_a_runtime_is_the_configured_one_and_cannot_be_left_out() -> None:
    rules = with_kind(engine_runtime="runsc")

    assert isinstance(judged(body({"Runtime": "runsc"}), rules), dict)
    assert "Runtime is missing" in refused(body(), rules)
    assert isinstance(judged(body({"Runtime": "runc"}), rules), Refusal)


def test_an_image_that_is_meant_for_one_runtime_does_not_get_anothers() -> None:
    strict = replace(KIND, image="strict:1", engine_runtime="runsc")
    rules = replace(RULES, kinds=(KIND, strict))

    assert isinstance(judged(body(), rules), dict)
    assert isinstance(judged(body({"Runtime": "runsc"}), rules), Refusal)
    assert isinstance(judged(body(Image="strict:1"), rules), Refusal)


def test_two_kinds_of_one_image_are_both_allowed() -> None:
    rules = replace(RULES, kinds=(replace(KIND, engine_runtime="runsc"), KIND))

    assert isinstance(judged(body(), rules), dict)
    assert isinstance(judged(body({"Runtime": "runsc"}), rules), dict)


def test_a_root_that_may_be_written_has_to_be_configured() -> None:
    assert isinstance(
        judged(body({"ReadonlyRootfs": False}), with_kind(read_only_rootfs=False)), dict
    )


def test_a_tool_that_only_reads_does_not_get_the_workspace_to_write() -> None:
    reads, sees_nothing = with_kind(writes=False), with_mount(source=None)

    assert isinstance(judged(mounted(MOUNT | {"ReadOnly": True}), reads), dict)
    assert isinstance(judged(mounted(MOUNT), reads), Refusal)
    assert isinstance(judged(mounted(MOUNT | {"ReadOnly": True}), sees_nothing), Refusal)
    assert isinstance(judged(mounted(), sees_nothing), dict)


def test_no_sandbox_is_no_container() -> None:
    assert refused(body(), replace(RULES, kinds=())) == refused(body(Image="other"))


_LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
_ANY = st.recursive(
    _LEAF, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=9), some)
)


@given(st.data())
def test_whatever_is_changed_what_is_let_through_hardens(data: st.DataObject) -> None:
    """Of what it is that hardens this is a second account, which shares nothing with the first."""
    wish = copy.deepcopy(BODY)
    for _ in range(data.draw(st.integers(1, 3))):
        inside = data.draw(st.sampled_from([wish, wish["HostConfig"]]))
        if not isinstance(inside, dict):
            return
        keys = st.sampled_from([*inside, "Privileged", "Binds", "x"])
        inside[data.draw(keys)] = data.draw(
            _ANY | st.sampled_from([*BODY.values(), *HOST.values()])
        )
    found = judged(wish)

    if isinstance(found, dict):
        host, uid = found["HostConfig"], found["User"].split(":")
        assert found.keys() <= {*BODY}
        assert host.keys() <= {*HOST}
        assert found["NetworkDisabled"] is True
        assert all(0 < int(number) < 1 << 32 for number in uid)
        assert found["Labels"]["sidegate.guard"] == "ours"
        assert (host["NetworkMode"], host["IpcMode"]) == ("none", "none")
        assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
        assert host["ReadonlyRootfs"] is True
        assert host["PidsLimit"] == 128
        assert 0 < host["Memory"] == host["MemorySwap"] <= GIB
        assert 10_000_000 <= host["NanoCpus"] <= 1_000_000_000
        assert host.get("Mounts", []) in ([], [MOUNT], [MOUNT | {"ReadOnly": True}])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (body(User="5:5"), 'User must be "1000:1001" (runtime.docker.user)'),
        (body(User=...), 'User is missing; it must be "1000:1001" (runtime.docker.user)'),
        (body(Image="other"), "that the configuration names (runtime.docker.image)"),
        (body({"ReadonlyRootfs": False}), "ReadonlyRootfs must be true (runtime.docker.read_only"),
        (body({"Memory": 2 * GIB}), f"to {GIB} (runtime.docker.memory_limit_mb)"),
        (body({"NanoCpus": 2_000_000_000}), "to 1000000000 (runtime.docker.cpu_limit)"),
        (mounted(MOUNT | {"Source": "/"}), "(runtime.docker.workspace_host_path)"),
        (body({"Runtime": "runc"}), "HostConfig.Runtime is not allowed"),
        (body({"PidsLimit": 5}), "HostConfig.PidsLimit must be 128"),
    ],
    ids=range(9),
)
def test_a_refusal_names_the_key_of_the_configuration_where_there_is_one(
    value: object, sentence: str
) -> None:
    said = refused(value)

    assert sentence in said
    assert ("(runtime.docker." in said) == ("(runtime.docker." in sentence)


def test_so_it_is_with_a_volume_a_runtime_and_no_workspace() -> None:
    runtime, volume = with_kind(engine_runtime="runsc"), with_mount(source="work", volume=True)

    assert refused(body(), runtime).endswith('"runsc" (runtime.docker.engine_runtime)')
    assert refused(body(), volume).endswith(" (runtime.docker.workspace_volume)")
    assert refused(body(), with_mount(source=None)).endswith(" (runtime.docker.mount_workspace)")


def test_a_refusal_repeats_no_value_and_no_strange_key() -> None:
    assert "hunter2" not in refused(body(Hostname="hunter2"))
    assert "hunter2" not in refused(body(**{"\nhunter2": 1}))
    assert "hunter2" not in refused(body(Image="hunter2"))
