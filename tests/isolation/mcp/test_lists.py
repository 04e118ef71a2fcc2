"""What a list shows: everything that its caller may use, in the names that he is to use."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from doubles import Clock
from linking import Linked

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.lists import LISTS, Item, listed, rewritten
from proxy.isolation.mcp.upstreams import McpServer, Upstreams
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import LEGACY, MODERN, Client, Era, Group, McpTalk, OwnTool, Rpc
from proxy.protocols.mcp.names import Names
from proxy.reasons import Layer, Reason
from proxy.values import Json

EVERYTHING = frozenset(Group)
SHELL = OwnTool("shell", "Run a command.", {"type": "object"})
DOWN = Deny(Reason.MCP_UNAVAILABLE)
Page = dict[str, Json] | Failure | Deny


def tool(name: Json, **more: Json) -> Item:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


@dataclass
class World:
    """Servers that answer with pages in turn, and a learner that trusts all but `untrusted`."""

    pages: Mapping[str, Sequence[Page]]
    own: tuple[OwnTool, ...] = ()
    untrusted: frozenset[str] = frozenset()
    visible: Callable[[str], bool] = lambda _: True
    allow: frozenset[Group] = EVERYTHING
    asked: dict[str, list[Request]] = field(default_factory=dict)
    learned: dict[str, list[str]] = field(default_factory=dict)

    async def ask(self, server: McpServer, request: Request) -> Response | Deny:
        requests = self.asked.setdefault(server.name, [])
        requests.append(request)
        pages = self.pages[server.name]
        page = pages[min(len(requests), len(pages)) - 1]
        return page if isinstance(page, Deny) else Response(request.id, page)

    async def learn(self, server: str, tools: Sequence[Item]) -> Collection[str]:
        names = [str(tool["name"]) for tool in tools]
        self.learned[server] = names
        return [name for name in names if name not in self.untrusted]

    @property
    def names(self) -> Names:
        return Names(tuple(self.pages), frozenset(tool.name for tool in self.own))

    async def result(
        self, method: str = "tools/list", era: Era = Era.LEGACY, params: Item | None = None
    ) -> Mapping[str, Json] | Failure | Deny:
        link = Linked(lambda _: None)
        servers = {name: McpServer(name, link, self.allow, Clock()) for name in sorted(self.pages)}
        client = Client(era, LEGACY[-1] if era is Era.LEGACY else MODERN[-1])
        talk = McpTalk(
            Rpc(Request(7, method, params or {}), client),
            "ann",
            dict.fromkeys(self.pages, self.allow),
            self.own,
            self.visible,
        )
        return await listed(talk, Upstreams(servers), self.names, self.ask, self)

    async def shown(self, method: str = "tools/list") -> list[Json]:
        result = await self.result(method)
        assert isinstance(result, Mapping)
        assert result.keys() == {LISTS[method]}
        items = result[LISTS[method]]
        assert isinstance(items, list)
        return items

    async def shown_names(self) -> list[str]:
        return [str(each["name"]) for each in await self.shown() if isinstance(each, Mapping)]


# One server


async def test_the_tools_of_one_server_have_their_own_names() -> None:
    add = tool("add", title="Add", annotations={"readOnlyHint": True}, _meta={"x": 1}, new=[1])
    world = World({"one": [{"tools": [add]}]})

    assert await world.shown() == [add]


async def test_own_tools_come_first_and_a_clash_is_told_apart() -> None:
    world = World({"one": [{"tools": [tool("shell"), tool("add")]}]}, own=(SHELL,))

    first, *rest = await world.shown()

    assert first == {
        "name": "shell",
        "description": "Run a command.",
        "inputSchema": {"type": "object"},
    }
    assert [each["name"] for each in rest if isinstance(each, Mapping)] == ["one__shell", "add"]


@pytest.mark.parametrize("method", LISTS)
async def test_modern_clients_are_told_not_to_keep_a_list(method: str) -> None:
    world = World({"one": [{LISTS[method]: [], "ttlMs": 60000, "cacheScope": "public"}]})

    assert await world.result(method, Era.MODERN) == {
        LISTS[method]: [],
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
    }


async def test_a_list_has_one_page() -> None:
    world = World({"one": [{"tools": [tool("add")]}]})

    failure = await world.result(params={"cursor": "x"})

    assert isinstance(failure, Failure)
    assert failure.code == -32602
    assert world.asked == {}


@pytest.mark.parametrize("problem", [DOWN, Failure(-32601, "no"), Deny(Reason.MCP_LATE)])
async def test_what_the_only_server_lacks_is_the_answer(problem: Page) -> None:
    assert await World({"one": [problem]}).result() == problem


async def test_own_tools_are_there_whatever_the_server_lacks() -> None:
    assert await World({"one": [DOWN]}, own=(SHELL,)).shown_names() == ["shell"]


async def test_own_tools_are_no_prompts() -> None:
    assert await World({"one": [{"prompts": []}]}, own=(SHELL,)).shown("prompts/list") == []


# Several servers


TWO: Mapping[str, Sequence[Page]] = {
    "one": [{"tools": [tool("add")]}],
    "two": [{"tools": [tool("add"), tool("mul")]}],
}


async def test_the_tools_of_several_servers_are_told_apart() -> None:
    assert await World(TWO).shown_names() == ["one__add", "two__add", "two__mul"]


@pytest.mark.parametrize("problem", [DOWN, Failure(-32601, "no"), {"tools": "none"}, {}])
async def test_a_server_that_lists_nothing_hides_nothing(problem: Page) -> None:
    world = World({**TWO, "one": [problem]})

    assert await world.shown_names() == ["two__add", "two__mul"]


async def test_where_no_server_lists_anything_the_first_problem_is_the_answer() -> None:
    assert await World({"one": [DOWN], "two": [Failure(-1, "no")]}).result() == DOWN


async def test_a_server_is_asked_for_its_groups_only() -> None:
    world = World(TWO, allow=frozenset({Group.PROMPTS}))

    assert await world.shown() == []
    assert world.asked == {}


async def test_prompts_and_resources_of_several_servers_are_told_apart() -> None:
    pages: Mapping[str, Sequence[Page]] = {
        name: [
            {
                "prompts": [{"name": "ask"}],
                "resources": [{"uri": "file:///a", "name": "a"}],
                "resourceTemplates": [{"uriTemplate": "file:///{x}", "name": "x"}],
            }
        ]
        for name in ("one", "two")
    }

    assert await World(pages).shown("prompts/list") == [{"name": "one__ask"}, {"name": "two__ask"}]
    assert await World(pages).shown("resources/list") == [
        {"uri": "one+file:///a", "name": "a"},
        {"uri": "two+file:///a", "name": "a"},
    ]
    assert await World(pages).shown("resources/templates/list") == [
        {"uriTemplate": "one+file:///{x}", "name": "x"},
        {"uriTemplate": "two+file:///{x}", "name": "x"},
    ]


# What is not shown


async def test_only_what_may_be_called_is_shown() -> None:
    world = World(TWO, visible=lambda name: name == "two.add")

    assert await world.shown_names() == ["two__add"]


@pytest.mark.parametrize("method", ["prompts/list", "resources/list", "resources/templates/list"])
async def test_who_may_not_use_what_is_listed_is_shown_nothing(method: str) -> None:
    use = "prompts/get" if method == "prompts/list" else "resources/read"
    item = {"name": "a", "uri": "a:", "uriTemplate": "a:{b}"}
    page: Page = {LISTS[method]: [item]}
    world = World({"one": [page], "two": [page]}, visible=lambda name: name == f"two.{use}")

    assert len(await world.shown(method)) == 1
    assert [*world.asked] == ["two"]


async def test_what_is_not_trusted_is_not_shown_and_all_is_learned() -> None:
    world = World(TWO, untrusted=frozenset({"mul"}), visible=lambda name: name != "one.add")

    assert await world.shown_names() == ["two__add"]
    assert world.learned == {"one": ["add"], "two": ["add", "mul"]}


@pytest.mark.parametrize(
    "item",
    [
        *("add", None, ["add"], {}, tool(None), tool(1), tool(""), tool("a b")),
        *(tool("prompts/get"), tool("sampling/createMessage")),
        *(tool("\u202eadd"), tool("ädd"), tool("a" * 129), tool("add\n")),
    ],
)
async def test_what_no_rule_can_name_is_not_shown(item: Json) -> None:
    world = World({"one": [{"tools": [item, tool("add")]}]})

    assert await world.shown() == [tool("add")]
    assert world.learned == {"one": ["add"]}


# Pages


def numbered(first: int, count: int, **more: Json) -> Page:
    return {"tools": [tool(f"t{number}") for number in range(first, first + count)], **more}


async def test_pages_are_put_together() -> None:
    world = World({"one": [numbered(0, 2, nextCursor="a"), numbered(2, 2, nextCursor="b"), {}]})
    world.pages = {"one": [*world.pages["one"][:2], numbered(4, 1)]}

    assert await world.shown_names() == ["t0", "t1", "t2", "t3", "t4"]
    assert [each.params for each in world.asked["one"]] == [{}, {"cursor": "a"}, {"cursor": "b"}]
    assert len({each.id for each in world.asked["one"]}) == 3


async def test_a_page_that_is_missing_is_a_list_that_is() -> None:
    assert await World({"one": [numbered(0, 2, nextCursor="a"), DOWN]}).result() == DOWN


@pytest.mark.parametrize("cursor", [None, 1, ["a"]])
async def test_what_is_no_cursor_is_the_end(cursor: Json) -> None:
    world = World({"one": [numbered(0, 1, nextCursor=cursor)]})

    assert await world.shown_names() == ["t0"]
    assert len(world.asked["one"]) == 1


@pytest.mark.parametrize(
    ("page", "pages", "shown"),
    [
        pytest.param(numbered(0, 1, nextCursor="a"), 64, 64, id="pages without end"),
        pytest.param(numbered(0, 2600, nextCursor="a"), 2, 5000, id="many tools"),
        pytest.param(
            {"tools": [tool("t0", x="a" * (4 << 20))], "nextCursor": "a"}, 4, 4, id="large tools"
        ),
    ],
)
async def test_a_list_is_bounded(page: Page, pages: int, shown: int) -> None:
    world = World({"one": [page]})

    assert len(await world.shown()) == shown
    assert len(world.asked["one"]) == pages


async def test_several_lists_are_bounded_together() -> None:
    world = World({"one": [numbered(0, 3000)], "two": [numbered(0, 3000)]})

    assert len(await world.shown()) == 5000


# What fails


class Broken(World):
    async def ask(self, server: McpServer, request: Request) -> Response | Deny:
        raise Denied(Layer.ISOLATION, Reason.MCP_UNREADABLE)


class Stateless(World):
    async def learn(self, server: str, tools: Sequence[Item]) -> Collection[str]:
        raise OSError("no state")


async def test_an_answer_that_breaks_off_is_none() -> None:
    assert await Broken(TWO).result() == Deny(Reason.MCP_UNREADABLE)


async def test_without_a_state_nothing_is_trusted() -> None:
    with pytest.raises(OSError, match="no state"):
        await Stateless(TWO).result()


# URIs in results

ONE, SEVERAL = Names(("one",), frozenset()), Names(("one", "two"), frozenset())
LINK: Item = {"type": "resource_link", "uri": "file:///a", "name": "a"}
EMBEDDED: Item = {"type": "resource", "resource": {"uri": "file:///a", "text": "uri"}}
TEXT: Item = {"type": "text", "text": "file:///a"}


@pytest.mark.parametrize(
    "result",
    [
        {"content": [TEXT, LINK, EMBEDDED], "structuredContent": {"uri": "file:///a"}},
        {"contents": [{"uri": "file:///a", "text": "x"}]},
        {"messages": [{"role": "user", "content": LINK}, {"role": "user", "content": [EMBEDDED]}]},
        {"uri": "file:///a"},
    ],
)
def test_uris_of_several_servers_are_told_apart(result: Item) -> None:
    changed = rewritten(result, SEVERAL, "one")

    text = str(result).replace("'uri': 'file", "'uri': 'one+file")
    kept = str(result.get("structuredContent", ""))
    assert str(changed) == text.replace(kept.replace("file", "one+file"), kept) if kept else text
    assert rewritten(result, ONE, "one") == result


@pytest.mark.parametrize(
    "result",
    [
        {"content": "text"},
        {"content": [1, None, "a", [LINK]]},
        {"messages": {"uri": 1}},
        {"resource": None, "uri": ["file:///a"]},
    ],
)
def test_what_has_another_form_is_left_as_it_is(result: Item) -> None:
    assert rewritten(result, SEVERAL, "one") == result
