"""The operator's own requests: what Sidegate is to do, and the credentials that it answers with.

A credential never passes through a document, which the redactor would mask: it comes beside it, as
`Clean.issued`, and the codecs here are the only ones that show it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from proxy.actions import Action, Json, Operate
from proxy.config.principals import ToolPattern
from proxy.config.section import Section
from proxy.config.text import Form
from proxy.config.web import ScopePath
from proxy.decision import Malformed
from proxy.exchange import Clean, Inbound
from proxy.protocols.rest import RestCodec, json_object
from proxy.reasons import Reason
from proxy.scope import Autonomy, Minting, Scope

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

    async def parse(self, inbound: Inbound) -> Action:
        """The operation."""
        return Operate(self.verb, inbound.capture or "")


class MintCodec(OperationCodec):
    """An operation that makes a credential, with an optional JSON body that says of what kind."""

    async def parse(self, inbound: Inbound) -> Action:
        """The operation, and the wish."""
        if not await inbound.body.read():
            return Operate(self.verb, inbound.capture or "", Minting())
        body, _ = await json_object(inbound)
        try:
            wish = Wish.model_validate(body)
        except ValidationError as error:
            where = ", ".join(str(each["loc"][0]) for each in error.errors() if each["loc"])
            raise Malformed(Reason.ARGUMENTS_INVALID, f"not accepted: {where}") from error
        return Operate(self.verb, inbound.capture or "", wish.minting)

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """The value, with the credential that was made."""
        assert isinstance(value, Mapping)
        return {**value, "token": clean.issued} if clean.issued else value


class RotateCodec(MintCodec):
    """The replacing of a credential, which keeps its name and its bounds."""

    async def parse(self, inbound: Inbound) -> Action:
        """The operation, which takes no wish."""
        if await inbound.body.read():
            raise Malformed(Reason.ARGUMENTS_INVALID, "a token keeps its bounds")
        return Operate(self.verb, inbound.capture or "")


class LinkCodec(MintCodec):
    """The making of an operator link, which is a credential of another name, and has no bounds."""

    async def parse(self, inbound: Inbound) -> Action:
        """The operation; a bound that is not kept must not be taken in silence."""
        action = await super().parse(inbound)
        assert isinstance(action, Operate)
        if action.minting != Minting(action.minting.label if action.minting else ""):
            raise Malformed(Reason.ARGUMENTS_INVALID, "an operator has no bounds")
        return action

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """The value, with the link."""
        assert isinstance(value, Mapping)
        return {**value, "link": clean.issued}


class PairCodec(OperationCodec):
    """`POST /pair`: the answer that shows the token that a code was traded for."""

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """What a newly paired client needs to know."""
        return {"paired": True, "persisted": True, "token": clean.issued}
