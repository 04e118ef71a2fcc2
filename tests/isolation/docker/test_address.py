import pytest

from proxy.isolation.docker.address import address_caution, check_address


@pytest.mark.parametrize(
    "host",
    [
        "unix:///var/run/docker.sock",
        "unix:///run/user/1000/docker.sock",
        "unix:///run/user/1000/podman/podman.sock",
        "tcp://127.0.0.1:2375",
        "tcp://engine:2376",
        "tcp://[::1]:2375",
        "http://localhost:2375",
        "https://engine.example:2376",
    ],
)
def test_an_address_of_an_engine_is_taken_as_it_is(host: str) -> None:
    assert check_address(host) == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        "/var/run/docker.sock",
        "unix://",
        "unix:///",
        "unix://var/run/docker.sock",
        "unix:var/run/docker.sock",
        "unix:/var/run/docker.sock",
        "fd://",
        "ssh://root@engine",
        "npipe:////./pipe/docker_engine",
        "tcp://",
        "tcp://engine",
        "tcp://engine:99999",
        "tcp://engine:x",
        "tcp://:2375",
        "tcp://[::1",
        "https://engine:2376/v1.41",
        "tcp://engine:2376/",
        "tcp://engine:2376?x",
        "tcp://user:word@engine:2376",
        "engine:2375",
    ],
)
def test_anything_else_is_refused_with_the_forms_there_are(host: str) -> None:
    with pytest.raises(OSError, match="it must be unix:///absolute/path, tcp://"):
        check_address(host)


@pytest.mark.parametrize(
    ("host", "environ"),
    [
        ("unix:///var/run/docker.sock", {}),
        ("tcp://127.0.0.1:2375", {}),
        ("tcp://127.8.8.8:2375", {}),
        ("tcp://[::1]:2375", {}),
        ("http://localhost:2375", {}),
        ("https://engine:2376", {}),
        ("tcp://engine:2376", {"DOCKER_TLS_VERIFY": "1"}),
    ],
)
def test_an_engine_that_nobody_can_listen_to_is_fine(host: str, environ: dict[str, str]) -> None:
    assert address_caution(check_address(host), environ) is None


@pytest.mark.parametrize(
    ("host", "environ"),
    [
        ("tcp://engine:2375", {}),
        ("tcp://engine:2375", {"DOCKER_TLS_VERIFY": "0"}),
        ("http://10.0.0.1:2375", {}),
        ("tcp://localhost.example:2375", {}),
        ("tcp://[2001:db8::1]:2375", {}),
    ],
)
def test_an_engine_that_others_can_listen_to_is_warned_of(
    host: str, environ: dict[str, str]
) -> None:
    said = address_caution(check_address(host), environ)

    assert said is not None
    assert host in said
    assert "DOCKER_TLS_VERIFY" in said
