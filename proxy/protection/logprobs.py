"""What a model's pieces repeat beside themselves: their tokens, as texts and as bytes (OpenAI)."""

from proxy.protection.structure import TOKENS, decoded

_NAME = "logprobs"


def without_logprobs(data: str) -> str:
    """A JSON text whose members of that name are null: in them a text stands in pieces again.

    What of it is a secret is known too late for each, so none of them is shown.
    """
    if _NAME not in data:
        return data
    shown: list[str] = []
    at = depth = inside = begin = 0  # `inside`: the depth in which such a value began, from 1
    named = False
    for token in TOKENS.finditer(data):
        first = token[0][0]
        depth += first in "[{"
        if not inside and named and first in "[{":
            inside, begin = depth, token.start()
        elif first in "]}" and depth == inside:
            shown += (data[at:begin], "null")
            at, inside = token.end(), 0
        depth -= first in "]}"
        named = bool(token[2]) and decoded(token[1]) == _NAME
    return "".join((*shown, data[at:]))
