"""Which calls there are."""

import json
from urllib.parse import parse_qs, quote

import pytest
from guarding import NAME, OURS, RULES
from hypothesis import given
from hypothesis import strategies as st

from proxy.guard.calls import Call, Verb, call_of
from proxy.guard.head import Head
from proxy.guard.refusal import Refusal

PATH = f"/v1.41/containers/{OURS}"
STREAMS = "detachKeys=&logs=0&stdin=1&stdout=1&stderr=1&stream=1"


def of(method: str, target: str, **more: object) -> Call | Refusal:
    path, _, query = target.partition("?")
    return call_of(Head(method, path, query, **more), RULES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "target", "verb"),
    [
        ("GET", "/version", Verb.VERSION),
        ("GET", "/v1.41/version", Verb.VERSION),
        ("GET", "/_ping", Verb.PING),
        ("GET", "/v1.41/info", Verb.INFO),
        ("GET", "/v1.52/images/sandbox:1/json", Verb.IMAGE),
        ("GET", f"{PATH}/json", Verb.INSPECT),
        ("POST", f"{PATH}/start", Verb.START),
        ("POST", f"{PATH}/wait", Verb.WAIT),
        ("POST", f"{PATH}/wait?condition=not-running", Verb.WAIT),
        ("POST", f"{PATH}/kill", Verb.KILL),
        ("POST", f"{PATH}/kill?signal=SIGKILL", Verb.KILL),
        ("POST", f"{PATH}/kill?signal=9", Verb.KILL),
        ("DELETE", f"{PATH}?force=1&v=1", Verb.REMOVE),
        ("DELETE", f"/v1.41/containers/{NAME}?force=1", Verb.REMOVE),
    ],
)
def test_a_call_of_a_sandboxs_life_is_known(method: str, target: str, verb: Verb) -> None:
    found = of(method, target)

    assert isinstance(found, Call)
    assert (found.verb, found.target()) == (verb, target)


def test_an_attachment_asks_for_the_connection_and_no_other_call_does() -> None:
    assert isinstance(of("POST", f"{PATH}/attach?{STREAMS}", upgrade=True), Call)
    assert isinstance(of("POST", f"{PATH}/attach?{STREAMS}"), Refusal)
    assert isinstance(of("POST", f"{PATH}/start", upgrade=True), Refusal)
    assert isinstance(of("GET", "/version", upgrade=True), Refusal)


def test_a_creation_has_a_body_of_json_and_no_other_call_does() -> None:
    target = f"/v1.41/containers/create?name={NAME}"

    assert isinstance(of("POST", target, length=2, json=True), Call)
    assert isinstance(of("POST", target, length=2), Refusal)
    assert isinstance(of("POST", target, length=0, json=True), Refusal)
    assert isinstance(of("POST", f"{PATH}/start", length=2, json=True), Refusal)
    assert isinstance(of("DELETE", PATH, length=2, json=True), Refusal)


def test_the_id_goes_up_in_the_place_of_a_name() -> None:
    found = of("DELETE", f"/v1.41/containers/{NAME}?force=1&v=1")

    assert isinstance(found, Call)
    assert found.subject == NAME
    assert found.target(OURS) == f"{PATH}?force=1&v=1"


OTHER = [
    *("/info/", "/events", "/auth", "/build", "/commit", "/session", "/grpc", "/swarm", "/nodes"),
    *("/plugins", "/secrets", "/configs", "/services", "/tasks", "/networks", "/volumes"),
    *("/system/df", "/volumes/create", "/networks/create", "/distribution/sandbox:1/json"),
    *("/images/json", "/images/create", "/images/load", "/images/prune", "/images/search"),
    *("/images/other/json", "/images/sandbox:1", "/images/sandbox:1/history", "/images/get"),
    *("/images/sandbox:1/../other/json", "/images/sandbox:1/json/", "/images/SANDBOX:1/json"),
    *("/images/sandbox:1/tag", "/images/sandbox:1/push", "/images/sandbox:1/get"),
    *("/containers/prune", "/containers/create/", "/containers//create", "/containers/Create"),
    *(f"/containers/{OURS}/{verb}" for verb in ("exec", "logs", "archive", "export", "update")),
    *(f"/containers/{OURS}/{verb}" for verb in ("rename", "restart", "stop", "top", "stats")),
    *(f"/containers/{OURS}/{verb}" for verb in ("changes", "resize", "pause", "unpause", "copy")),
    *(f"/containers/{OURS}/{verb}" for verb in ("attach/ws", "START", "start/", "checkpoints")),
    *(f"/containers/{OURS[:12]}/start", f"/containers/{OURS.upper()}/start"),
    *(f"/containers/{OURS}a/start", "/containers/other/start", "/containers//start"),
    *(
        f"/containers/{NAME.upper()}/start",
        f"/containers/{NAME}0/start",
        f"//containers/{OURS}/start",
    ),
    *(
        f"/containers/./{OURS}/start",
        f"/containers/x/../{OURS}/start",
        f"/containers/{OURS};/start",
    ),
    *(f"/exec/{OURS}/start", f"/exec/{OURS}/json", f"/containers/{OURS}#/start"),
    *(f"/../v1.41/containers/{OURS}/start", f"/containers/{OURS}/start\n", ""),
]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", OTHER)
def test_any_other_call_is_refused(method: str, path: str) -> None:
    found = of(method, f"/v1.41{path}")

    assert isinstance(found, Refusal)
    assert found.status == 403
    assert isinstance(of(method, f"/v1.41{path}", length=2, json=True), Refusal)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/version"),
        ("DELETE", "/_ping"),
        ("POST", f"{PATH}/json"),
        ("GET", f"{PATH}/start"),
        ("GET", f"{PATH}/attach"),
        ("DELETE", f"{PATH}/wait"),
        ("GET", PATH),
        ("POST", PATH),
        ("DELETE", "/v1.41/images/sandbox:1/json"),
        ("POST", "/v1.41/containers/json"),
        ("GET", "/v1.41/containers/create"),
    ],
)
def test_a_call_by_another_method_is_refused(method: str, path: str) -> None:
    found = of(method, path, length=2 if method == "POST" else 0, json=True)

    assert isinstance(found, Refusal)


@pytest.mark.parametrize(
    "version",
    [
        *("", "/v1.40", "/v1.24", "/v1.9", "/v1.041", "/v2.41", "/v1.100", "/V1.41", "/v1.41.0"),
        *("/v1.41/v1.41", "/v1", "/1.41", "/v1.4", "/v1.٤١", "//v1.41", "/v1.41/"),
    ],
)
def test_a_version_is_one_that_hardens(version: str) -> None:
    """Before 1.41 a container got the control groups of its host."""
    assert isinstance(of("GET", f"{version}/containers/{OURS}/json"), Refusal)


QUERIES = [
    ("GET", f"{PATH}/json?size=1"),
    ("GET", "/version?x=1"),
    ("GET", "/v1.41/images/sandbox:1/json?manifests=1"),
    ("POST", f"{PATH}/start?checkpoint=x"),
    ("POST", f"{PATH}/start?checkpoint-dir=/etc"),
    ("POST", f"{PATH}/start?detachKeys=x"),
    ("POST", f"{PATH}/wait?condition="),
    ("POST", f"{PATH}/wait?condition=x"),
    ("POST", f"{PATH}/wait?condition=not-running&condition=removed"),
    ("POST", f"{PATH}/wait?Condition=removed"),
    ("POST", f"{PATH}/wait?condition=not%2drunning"),
    ("POST", f"{PATH}/wait?condition=not-running;x=1"),
    ("POST", f"{PATH}/wait?&condition=removed"),
    ("POST", f"{PATH}/wait?condition=removed&"),
    ("POST", f"{PATH}/wait?condition"),
    ("POST", f"{PATH}/kill?signal="),
    ("POST", f"{PATH}/kill?signal=0"),
    ("POST", f"{PATH}/kill?signal=65"),
    ("POST", f"{PATH}/kill?signal=9&signal=15"),
    ("POST", f"{PATH}/kill?signal=KILL%00"),
    ("POST", f"{PATH}/kill?signal=KILL+X"),
    ("DELETE", f"{PATH}?link=1"),
    ("DELETE", f"{PATH}?force=1&force=0"),
    ("DELETE", f"{PATH}?force=yes"),
    ("DELETE", f"{PATH}?force=1&v=1&link=true"),
    ("DELETE", f"{PATH}?force"),
    ("DELETE", f"{PATH}?FORCE=1"),
]
CREATE_QUERIES = [
    *(
        "",
        "name=",
        "name=other",
        f"name={NAME}&name={NAME}",
        f"name={NAME}&platform=x",
        "platform=x",
    ),
    *(f"Name={NAME}", f"name=/{NAME}", f"name={NAME.upper()}", f"name={NAME}%20", f"name={NAME}0"),
    *(f"name=sidegate-{'g' * 32}", f"name={OURS}", "fromImage=x", f"name={NAME};"),
]
ATTACH_QUERIES = [
    *("logs=1", "detachKeys=ctrl-p", "stream=0", "stdin=2", "stdin=1&stdin=1", "stderr=%31", "x=1"),
    *("Stdin=1", "stdin", "stdin=true&", "logs=0&logs=1", "detachKeys"),
]


@pytest.mark.parametrize(("method", "target"), QUERIES)
def test_a_query_says_what_is_known_and_says_it_once(method: str, target: str) -> None:
    found = of(method, target)

    assert isinstance(found, Refusal)
    assert found.status == 400


@pytest.mark.parametrize("query", CREATE_QUERIES)
def test_a_container_is_named_as_sidegate_names_it(query: str) -> None:
    found = of("POST", f"/v1.41/containers/create?{query}", length=2, json=True)

    assert isinstance(found, Refusal)


@pytest.mark.parametrize("query", ATTACH_QUERIES)
def test_an_attachment_is_to_the_streams_alone(query: str) -> None:
    assert isinstance(of("POST", f"{PATH}/attach?{query}", upgrade=True), Refusal)


def filters_of(call: Call | Refusal) -> object:
    assert isinstance(call, Call)
    query = parse_qs(call.target().partition("?")[2], strict_parsing=True)
    assert set(query) <= {"all", "filters"}
    return json.loads(query["filters"][0])


def listed(filters: object) -> Call | Refusal:
    text = filters if isinstance(filters, str) else quote(json.dumps(filters), safe="")
    return of("GET", f"/v1.41/containers/json?all=1&filters={text}")


def test_a_list_is_of_the_guards_own() -> None:
    own = "sidegate.guard=ours"

    assert filters_of(listed({"label": ["sidegate.boot=x"]})) == {"label": ["sidegate.boot=x", own]}
    assert filters_of(listed({})) == {"label": [own]}
    assert filters_of(of("GET", "/v1.41/containers/json")) == {"label": [own]}
    assert filters_of(listed({"label": ["sidegate.guard=theirs"]})) == {
        "label": ["sidegate.guard=theirs", own]
    }


def test_a_sweep_finds_what_was_made_in_anothers_name() -> None:
    """Else a container that a broken Sidegate labelled so would outlive it, and take up room."""
    sweep = "%7B%22label%22:+%5B%22sidegate.owner%3Dx%22%5D%7D"

    assert filters_of(listed(sweep)) == {"label": ["sidegate.guard=ours"]}
    assert filters_of(listed({"label": ["sidegate.owner=x", "sidegate.boot=y"]})) == {
        "label": ["sidegate.boot=y", "sidegate.guard=ours"]
    }


@pytest.mark.parametrize(
    "filters",
    [
        {"status": ["running"]},
        {"label": ["sidegate.owner=x"], "name": ["other"]},
        {"Label": ["sidegate.owner=x"]},
        {"label": {"sidegate.owner=x": True}},
        {"label": "sidegate.owner=x"},
        {"label": [1]},
        {"label": [None]},
        {"label": ["com.docker.compose.project=x"]},
        {"label": ["sidegate.owner=x"] * 9},
        {"label": ["sidegate.owner=" + "x" * 300]},
        {"label": ['sidegate.owner=x","other']},
        {"label!": ["sidegate.guard=ours"]},
        ["label"],
        "",
        "x",
        "%7B%7D%7B%7D",
        "%7B%22label%22:%5B%5D,%22label%22:%5B%5D%7D",
        "%ff",
        "%7B%7D;all=0",
        "%zz",
        "null",
    ],
    ids=str,
)
def test_a_list_of_others_is_refused(filters: object) -> None:
    assert isinstance(listed(filters), Refusal)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80))
def test_whatever_the_filters_the_label_is_among_them(text: str) -> None:
    found = of("GET", f"/v1.41/containers/json?filters={text}")

    if isinstance(found, Call):
        filters = filters_of(found)
        assert isinstance(filters, dict)
        assert list(filters) == ["label"]
        assert "sidegate.guard=ours" in filters["label"]


@given(
    st.sampled_from(["GET", "POST", "DELETE"]), st.text("/v1.4containersjson?=&%;abf0", max_size=60)
)
def test_no_other_target_is_a_call(method: str, text: str) -> None:
    known = text == "info" or "containers/json" in text
    assert isinstance(of(method, f"/v1.41/{text}"), Refusal) or known
