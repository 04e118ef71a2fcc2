"""The tools of the reference server that need more than one round: what they ask for, and when."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from peers.reference_content import schema, text

_KEY = secrets.token_bytes(32)
Answers = Mapping[str, Any]
Round = Callable[[Answers, str | None, Mapping[str, Any]], dict[str, Any]]


def form(message: str, name: str, kind: str = "string") -> dict[str, Any]:
    """Ask a user for one thing."""
    params = {"message": message, "requestedSchema": schema(**{name: {"type": kind}})}
    return {"method": "elicitation/create", "params": params}


def sampling(words: str, most: int = 100) -> dict[str, Any]:
    """Ask a model."""
    messages = [{"role": "user", "content": text(words)}]
    return {
        "method": "sampling/createMessage",
        "params": {"messages": messages, "maxTokens": most},
    }


_ROOTS = {"method": "roots/list", "params": {}}


def sealed(state: str) -> str:
    """A state that nobody else can make."""
    return f"{state}.{hmac.new(_KEY, state.encode(), hashlib.sha256).hexdigest()}"


def opened(state: str | None) -> str:
    """The state that was sealed, "" where there is none."""
    if state is None:
        return ""
    content = state.rpartition(".")[0]
    if not hmac.compare_digest(sealed(content), state):
        raise MCPError(-32602, "this state is not ours")
    return content


def more(requests: Mapping[str, Any], state: str | None = None) -> dict[str, Any]:
    """Ask for more before going on."""
    asked: dict[str, Any] = {"resultType": "input_required", "inputRequests": requests}
    return asked if state is None else {**asked, "requestState": sealed(state)}


def done(words: str) -> dict[str, Any]:
    """The end of a call."""
    return {"resultType": "complete", "content": [text(words)]}


def _named(answers: Answers, key: str) -> str | None:
    content = getattr(answers.get(key), "content", None)
    return None if not isinstance(content, dict) else str(next(iter(content.values()), ""))


def elicitation(answers: Answers, _: str | None, _may: Mapping[str, Any]) -> dict[str, Any]:
    name = _named(answers, "user_name")
    if name is None:
        return more({"user_name": form("What is your name?", "name")})
    return done(f"Hello, {name}!")


def capital(answers: Answers, _: str | None, _may: Mapping[str, Any]) -> dict[str, Any]:
    if "capital_question" not in answers:
        return more({"capital_question": sampling("What is the capital of France?")})
    return done(f"The model says: {answers['capital_question'].content.text}")


def roots(answers: Answers, _: str | None, _may: Mapping[str, Any]) -> dict[str, Any]:
    if "client_roots" not in answers:
        return more({"client_roots": _ROOTS})
    return done(" ".join(str(root.uri) for root in answers["client_roots"].roots))


def confirmed(answers: Answers, state: str | None, _may: Mapping[str, Any]) -> dict[str, Any]:
    if opened(state) != "confirming" or "confirm" not in answers:
        return more({"confirm": form("Please confirm", "ok", "boolean")}, "confirming")
    return done("state-ok")


def several(answers: Answers, state: str | None, _may: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {
        "user_name": form("What is your name?", "name"),
        "greeting": sampling("Generate a greeting", 50),
        "client_roots": _ROOTS,
    }
    if opened(state) != "several" or not wanted.keys() <= answers.keys():
        return more(wanted, "several")
    return done("all of them")


def rounds(answers: Answers, state: str | None, _may: Mapping[str, Any]) -> dict[str, Any]:
    match opened(state):
        case "one" if "step1" in answers:
            return more({"step2": form("Step 2: What is your favorite color?", "color")}, "two")
        case "two" if "step2" in answers:
            return done("both steps")
        case _:
            return more({"step1": form("Step 1: What is your name?", "name")}, "one")


def capable(answers: Answers, _: str | None, may: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {}
    if "sampling" in may:
        wanted["question"] = sampling("Anything?")
    if "elicitation" in may:
        wanted["name"] = form("What is your name?", "name")
    return done("nothing to ask") if not wanted or answers else more(wanted)


_P = "test_input_required_result_"
ROUNDS: Mapping[str, Round] = {
    f"{_P}elicitation": elicitation,
    f"{_P}sampling": capital,
    f"{_P}list_roots": roots,
    f"{_P}request_state": confirmed,
    f"{_P}tampered_state": confirmed,
    f"{_P}multiple_inputs": several,
    f"{_P}multi_round": rounds,
    f"{_P}capabilities": capable,
    "test_streaming_elicitation": elicitation,
}
