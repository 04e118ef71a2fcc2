import asyncio

from peers.forwarder import authorized


async def test_the_token_is_added_and_all_else_stays_as_it_was() -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"abc"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, authorized(server.sockets[0].getsockname()[1], "t") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /x HTTP/1.1\r\nHost:  evil\r\nConnection: keep-alive\r\nA:\tb \r\n\r\nabc"
        )
        assert await reader.read() == b"HTTP/1.1 204 No Content\r\n\r\n"
        writer.close()
    added = b"Authorization: Bearer t\r\nConnection: close\r\n"
    assert heads == [b"POST /x HTTP/1.1\r\nHost:  evil\r\nA:\tb \r\n" + added + b"\r\nabc"]


async def test_a_client_that_left_is_seen_behind() -> None:
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server, authorized(server.sockets[0].getsockname()[1], "t") as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        writer.close()
        async with asyncio.timeout(2):
            await left.wait()
