"""A real server that dies, hangs, loads, refuses and comes back."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from redis_server import Server, running

from proxy.config.model import StateConfig
from proxy.state.redis.connection import Connection, Reply, reading

pytestmark = pytest.mark.redis

ECHO = "return ARGV[1]"
COUNT = "return redis.call('INCR', KEYS[1] .. 'count')"
READ = "return redis.call('GET', KEYS[1] .. 'count')"
LOOPBACK = ip_address("127.0.0.1")
SOON = 5.0
"""Within which a verb must have failed; on a machine that is busy, too."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def connection(server: Server) -> AsyncIterator[Connection]:
    connection = Connection(server.section)
    yield connection
    await connection.aclose()


async def refused(connection: Connection, why: str, script: str = COUNT) -> None:
    async with asyncio.timeout(SOON):
        with pytest.raises(OSError, match=why):
            await connection.run(script)


async def answers(connection: Connection) -> bytes:
    """What the server says as soon as it is back."""
    async with asyncio.timeout(20):
        while True:
            try:
                return bytes(await connection.run(ECHO, "back"))
            except OSError:
                await asyncio.sleep(0.01)


def sockets(server: Server) -> int:
    """How many others are connected."""
    with server.client() as client:
        return len(client.client_list()) - 1


# What is said and answered.


@pytest.mark.parametrize(
    ("argument", "stored"),
    [
        ("", b""),
        ("é\0\n", "é\0\n".encode()),
        ("\udcff", b"\xed\xb3\xbf"),
        (b"\x00\xff", b"\x00\xff"),
        (None, b""),
        (1_700_000_000.125, b"1700000000.125"),
        (0.1 + 0.2, b"0.30000000000000004"),
        (7, b"7"),
    ],
)
async def test_argument_arrives_as_it_is(
    argument: str | bytes | float | None, stored: bytes, connection: Connection
) -> None:
    assert await connection.run(ECHO, argument) == stored


async def test_script_that_fails_is_an_os_error(connection: Connection) -> None:
    await refused(connection, "cannot be used: it answers: .*no luck", "error('no luck')")
    await refused(connection, "it answers", "this is no script")


async def test_script_that_the_server_has_forgotten_is_sent_again(
    server: Server, connection: Connection
) -> None:
    assert await connection.run(COUNT) == 1
    with server.client() as client:
        client.script_flush()

    assert await connection.run(COUNT) == 2


async def test_answers_go_to_whoever_asked(connection: Connection) -> None:
    asked = [f"{number}" for number in range(500)]
    answered = await asyncio.gather(*(connection.run(ECHO, each) for each in asked))

    assert answered == [each.encode() for each in asked]


async def test_sockets_are_few_however_many_ask(server: Server, connection: Connection) -> None:
    await asyncio.gather(*(connection.run(ECHO, "x") for _ in range(500)))

    assert 1 < sockets(server) <= 32


async def test_closing_closes_every_socket(server: Server) -> None:
    connection = Connection(server.section)
    await asyncio.gather(*(connection.run(ECHO, "x") for _ in range(10)))
    await connection.aclose()
    await connection.aclose()

    assert sockets(server) == 0
    await refused(connection, "it was closed")


@pytest.mark.parametrize("reply", [None, 7, [], [None], [b"x"], [[b"1"]]])
def test_reply_that_no_sidegate_stored_is_an_os_error(reply: Reply) -> None:
    with pytest.raises(OSError, match="no sidegate wrote"), reading():
        float(reply[0])


# A server that is away.


async def test_server_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    connection = Connection(StateConfig(url=f"unix://{tmp_path}/redis.sock"))

    await refused(connection, f"the state at unix://{tmp_path}/redis.sock .* cannot be reached")
    await connection.aclose()


async def test_host_that_does_not_answer_is_an_os_error() -> None:
    """It takes the connection, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        connection = Connection(StateConfig(url=f"redis://127.0.0.1:{port}/0"))

        await refused(connection, "does not answer")
        await connection.aclose()


async def test_server_that_hangs_is_an_os_error_and_is_used_when_it_wakes(
    server: Server, connection: Connection
) -> None:
    await asyncio.gather(*(connection.run(ECHO, "x") for _ in range(5)))
    server.signal(signal.SIGSTOP)
    async with asyncio.timeout(SOON):
        hung = (connection.run(ECHO, "x") for _ in range(50))
        found = await asyncio.gather(*hung, return_exceptions=True)
    server.signal(signal.SIGCONT)

    assert {type(each) for each in found} == {OSError}
    assert await answers(connection) == b"back"


async def test_server_that_died_is_used_as_soon_as_it_is_back(
    server: Server, connection: Connection
) -> None:
    for _ in range(3):
        await asyncio.gather(*(connection.run(ECHO, "x") for _ in range(5)))
        server.kill()
        await refused(connection, "cannot be reached")
        server.start()

        # Every socket of before is dead; none of them costs a verb.
        answered = await asyncio.gather(*(connection.run(ECHO, "x") for _ in range(20)))
        assert set(answered) == {b"x"}


async def test_server_that_still_loads_its_data_is_an_os_error(tmp_path: Path) -> None:
    slow = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    with running(tmp_path / "redis", *slow) as server:
        with server.client() as client, client.pipeline() as many:
            for number in range(1000):
                many.set(f"{number}", "x" * 100)
            many.execute()
            client.save()
        server.kill()
        server.start(loading=True)
        connection = Connection(server.section)
        await refused(connection, "still loading its data")
        assert await answers(connection) == b"back"
        await connection.aclose()


# One that does not want to.


async def test_replica_of_a_server_is_an_os_error_for_who_writes(
    server: Server, connection: Connection
) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")
        await refused(connection, "may only be read")
        client.replicaof("NO", "ONE")

    assert await connection.run(COUNT) == 1


async def test_server_without_memory_is_an_os_error_until_it_has_some(
    server: Server, connection: Connection
) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "1")
        await refused(connection, "out of memory")
        client.config_set("maxmemory", "0")

    assert await connection.run(COUNT) == 1


@pytest.mark.parametrize("password", [None, "tr0ub4dor", ""])
async def test_wrong_password_is_an_os_error_that_does_not_tell_it(
    password: str | None, server: Server
) -> None:
    with server.client() as client:
        client.config_set("requirepass", "right horse")
    secret = None if password is None else SecretStr(password)
    connection = Connection(StateConfig(url=server.section.url, password=secret))

    with pytest.raises(OSError, match="refuses the user or the password") as caught:
        await connection.run(ECHO, "x")
    assert "tr0ub4dor" not in str(caught.value)
    await connection.aclose()


async def test_password_and_user_are_sent(server: Server) -> None:
    with server.client() as client:
        client.acl_setuser(
            "gate",
            enabled=True,
            passwords=["+p@ss/ word"],
            keys=["{sidegate}:*"],
            categories=["+@all"],
        )
        client.config_set("requirepass", "other")
    connection = Connection(
        StateConfig(url=server.section.url, username="gate", password=SecretStr("p@ss/ word"))
    )

    assert await connection.run(COUNT) == 1
    await refused(connection, "it answers|may not do", "return redis.call('SET', 'other', 1)")
    await connection.aclose()


async def test_network_and_database_number_are_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(tmp_path / "redis", "--port", str(port), "--bind", "127.0.0.1") as server:
        connection = Connection(StateConfig(url=f"redis://127.0.0.1:{port}/3"))
        await connection.run(COUNT)
        await connection.aclose()

        with server.client() as client:
            assert client.info("keyspace").keys() == {"db3"}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1 that nobody has signed but itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    own, secret = tmp_path / "own.pem", tmp_path / "key.pem"
    own.write_bytes(signed.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return own, secret


@pytest.mark.parametrize("trusted", [True, False])
async def test_server_is_spoken_to_through_tls_where_its_certificate_is_trusted(
    trusted: bool,  # noqa: FBT001
    certificate: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, secret = map(str, certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", own)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    files = ("--tls-cert-file", own, "--tls-key-file", secret, "--tls-auth-clients", "no")
    with running(tmp_path / "redis", "--tls-port", str(port), *files):
        connection = Connection(StateConfig(url=f"rediss://127.0.0.1:{port}"))
        if trusted:
            assert await connection.run(COUNT) == 1
        else:
            await refused(connection, "its certificate is not trusted")
        await connection.aclose()


# What was begun.


async def test_verb_whose_answer_was_lost_ran_once_or_not_at_all(
    server: Server, connection: Connection
) -> None:
    """It is for the caller to ask again: a code that was redeemed must not be redeemed twice."""
    await connection.run(COUNT)
    server.signal(signal.SIGSTOP)
    await refused(connection, "does not answer")
    server.signal(signal.SIGCONT)

    await answers(connection)
    assert int(await connection.run(READ)) in {1, 2}


async def test_verb_that_is_cancelled_leaves_its_answer_to_nobody(
    server: Server, connection: Connection
) -> None:
    await asyncio.gather(*(connection.run(ECHO, "x") for _ in range(5)))
    server.signal(signal.SIGSTOP)
    hanging = [asyncio.create_task(connection.run(ECHO, f"late {each}")) for each in range(20)]
    await asyncio.sleep(0.05)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    server.signal(signal.SIGCONT)

    asked = [f"{number}" for number in range(100)]
    answered = await asyncio.gather(*(connection.run(ECHO, each) for each in asked))
    assert answered == [each.encode() for each in asked]


async def test_closing_waits_for_what_was_begun(server: Server) -> None:
    connection = Connection(server.section)
    begun = [asyncio.create_task(connection.run(COUNT)) for _ in range(50)]
    await asyncio.sleep(0)
    await connection.aclose()

    assert sorted(await asyncio.gather(*begun)) == list(range(1, 51))


async def test_closing_does_not_wait_for_a_server_that_hangs(server: Server) -> None:
    connection = Connection(server.section)
    await connection.run(ECHO, "x")
    server.signal(signal.SIGSTOP)
    begun = asyncio.create_task(connection.run(ECHO, "x"))
    await asyncio.sleep(0)
    async with asyncio.timeout(SOON):
        await connection.aclose()
    server.signal(signal.SIGCONT)

    with pytest.raises(OSError, match="does not answer"):
        await begun
