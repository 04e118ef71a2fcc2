"""The operator's own requests: what Sidegate is to do, and the credentials that it answers with.

A credential never passes through a document, which the redactor would mask: it comes beside it, as
`Clean.issued`, and the codecs here are the only ones that show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

from pydantic import Field, ValidationError

from proxy.actions import Action, Operate, Question
from proxy.config.principals import ToolPattern
from proxy.config.section import Section
from proxy.config.text import Form
from proxy.config.web import ScopePath
from proxy.decision import Malformed
from proxy.exchange import Clean, Inbound
from proxy.protocols.rest import RestCodec, json_object
from proxy.reasons import Reason
from proxy.scope import Autonomy, Minting, Scope
from proxy.values import Json

S = TypeVar("S", bound=Section)

MAX_LIFETIME = 10 * 365 * 86_400
Label = Annotated[str, Form(r"[A-Za-z0-9._-]{0,64}", "up to 64 letters, digits, '.', '_' and '-'")]


class Wish(Section):
    """What an operator may say of a token that is to be: `{"name"?, "routes"?, …}`."""

    name: Label = ""
    routes: Annotated[tuple[ScopePath, ...], Field(strict=False)] | None = None
    tools: Annotated[tuple[ToolPattern, ...], Field(strict=False)] | None = None
    level: Annotated[Autonomy, Field(strict=False)] | None = None
    expires_in: Annotated[float, Field(gt=0, le=MAX_LIFETIME)] | None = None

    @property
    def minting(self) -> Minting:
        """The same, as it is kept."""
        return Minting(self.name, Scope(self.routes, self.tools, self.level), self.expires_in)


@dataclass(frozen=True)
class OperationCodec(RestCodec):
    """Something that Sidegate itself does. Takes at most the captured segment, as `subject`."""

    verb: str
    credential: ClassVar[str] = ""
    """The name under which a credential is shown that was made; empty: none is."""

    async def parse(self, inbound: Inbound) -> Action:
        """The operation."""
        return self.operation(inbound.capture or "", {})

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:  # noqa: ARG002
        """What is to be done, by the request's body; raises Malformed(ARGUMENTS_INVALID)."""
        return Operate(self.verb, subject)

    def with_credential(self, value: Json, issued: str | None) -> Json:
        """An answer, with the credential that was made for it."""
        if not self.credential or issued is None:
            return value
        assert isinstance(value, Mapping)
        return {**value, self.credential: issued}

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """The value, with the credential where one was made."""
        return self.with_credential(value, clean.issued)


class BodyCodec(OperationCodec):
    """An operation with an optional JSON body, which `operation` knows."""

    async def parse(self, inbound: Inbound) -> Action:
        """The operation, and what is said of it."""
        body: Mapping[str, Json] = {}
        if await inbound.body.read():
            body, _ = await json_object(inbound)
        return self.operation(inbound.capture or "", body)


class MintCodec(BodyCodec):
    """An operation that makes a credential, with an optional body that says of what kind."""

    credential: ClassVar[str] = "token"

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The operation, and the wish."""
        return Operate(self.verb, subject, accepted(Wish, body).minting)


class RotateCodec(MintCodec):
    """The replacing of a credential, which keeps its name and its bounds."""

    async def parse(self, inbound: Inbound) -> Action:
        """The operation, which takes no wish, be it an empty one."""
        if await inbound.body.read():
            raise Malformed(Reason.ARGUMENTS_INVALID, "a token keeps its bounds")
        return self.operation(inbound.capture or "", {})

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The operation."""
        if body:
            raise Malformed(Reason.ARGUMENTS_INVALID, "a token keeps its bounds")
        return Operate(self.verb, subject)


class LinkCodec(MintCodec):
    """The making of an operator link, which is a credential of another name, and has no bounds."""

    credential: ClassVar[str] = "link"

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The operation; a bound that is not kept must not be taken in silence."""
        minting = accepted(Wish, body).minting
        if minting != Minting(minting.label):
            raise Malformed(Reason.ARGUMENTS_INVALID, "an operator has no bounds")
        return Operate(self.verb, subject, minting)


class QuestionCodec(BodyCodec):
    """`POST /explain`: the body is the call that is asked about."""

    def operation(self, subject: str, body: Mapping[str, Json]) -> Operate:
        """The question."""
        return Operate(self.verb, subject, Question(body))


def accepted(model: type[S], body: Mapping[str, Json]) -> S:
    """A body as `model` reads it; raises Malformed(ARGUMENTS_INVALID), which repeats no value."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        where = ", ".join(str(each["loc"][0]) for each in error.errors() if each["loc"])
        raise Malformed(Reason.ARGUMENTS_INVALID, f"not accepted: {where}") from error


class PairCodec(OperationCodec):
    """`POST /pair`: the answer that shows the token that a code was traded for."""

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """What a newly paired client needs to know."""
        return {"paired": True, "persisted": True, "token": clean.issued}
