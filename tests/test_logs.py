"""What stands on stderr, line by line."""

import contextlib
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from proxy import logs

ROOT = Path(__file__).parent.parent
SECRET = "s3cret"
SENTENCE = f"the {SECRET} of the agent"


class Log:
    """The log as configured here, on a stream of its own."""

    def __init__(self) -> None:
        self._stream = io.StringIO()

    def configure(self, redact: logs.Redact) -> None:
        with contextlib.redirect_stderr(self._stream):
            logs.configure(redact)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


def redact(text: str) -> str:
    return text.replace(SECRET, "[redacted]")


@pytest.fixture
def log() -> Iterator[Log]:
    """A log that is redacted; everything is as it was after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configured = Log()
    configured.configure(redact)
    yield configured
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_line_is_json_with_time_and_level(log: Log) -> None:
    structlog.get_logger().warning("stopping", running=3)

    (line,) = log.lines()
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
    assert line == {"event": "stopping", "level": "warning", "running": 3}


def test_libraries_log_in_the_same_form(log: Log) -> None:
    logging.getLogger("some.library").error("broken %s", "pipe")

    (line,) = log.lines()
    del line["timestamp"]
    assert line == {"event": "broken pipe", "level": "error"}


def test_debug_lines_are_not_logged(log: Log) -> None:
    structlog.get_logger().debug("ours")
    logging.getLogger("some.library").debug("theirs")

    assert log.lines() == []


def test_configuring_again_logs_each_line_once(log: Log) -> None:
    log.configure(redact)
    structlog.get_logger().info("once")

    assert len(log.lines()) == 1


def fail() -> None:
    raise ValueError(f"token {SECRET}")


def log_exception(logger: Any) -> None:
    try:
        fail()
    except ValueError:
        logger.exception("failed")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda log: log.info(SENTENCE), id="in the event"),
        pytest.param(lambda log: log.info("the %s", SECRET), id="in an argument of the event"),
        pytest.param(lambda log: log.info("event", key=SECRET), id="as a value"),
        pytest.param(log_exception, id="in a traceback"),
        pytest.param(
            lambda _: logging.getLogger("lib").info("the %s", SECRET), id="in a library's line"
        ),
        pytest.param(
            lambda _: log_exception(logging.getLogger("lib")), id="in a library's traceback"
        ),
        pytest.param(lambda log: log.info("event", key={"a": SECRET}), id="in a mapping"),
        pytest.param(lambda log: log.info("event", key=["a", [SECRET]]), id="in a list of lists"),
        pytest.param(lambda log: log.info("event", key=(SECRET,)), id="in a tuple"),
        pytest.param(lambda log: log.info("event", key=ValueError(SECRET)), id="in an exception"),
        pytest.param(lambda log: log.info("event", key=SECRET.encode()), id="in bytes"),
        pytest.param(lambda log: log.info("event", key=Path(SECRET)), id="in another object"),
    ],
)
def test_no_secret_gets_into_the_log(act: Callable[[Any], None], log: Log) -> None:
    act(structlog.get_logger())

    text = json.dumps(log.lines())
    assert "[redacted]" in text
    assert SECRET not in text


HOSTILE = "a\r\nb\u2028\x1b[2J\x1b]0;title\x07"


def test_input_makes_no_line_of_its_own(log: Log) -> None:
    structlog.get_logger().info(HOSTILE, key=HOSTILE)

    assert [(line["event"], line["key"]) for line in log.lines()] == [(HOSTILE, HOSTILE)]


STATEMENTS = {
    "a line": "log.info('listening', port=3000)",
    "in a value": f"log.info('event', key={HOSTILE!r})",
    "in the event": f"log.info({HOSTILE!r})",
    "in a library's line": f"logging.getLogger('lib').info('%s', {HOSTILE!r})",
}


@pytest.fixture(scope="module")
def shown() -> Mapping[str, str]:
    """What a terminal is sent by a process that logs on it, by statement."""
    program = "\n".join(
        (
            "import logging, structlog, sys; from proxy import logs",
            "logs.configure(str); log = structlog.get_logger()",
            *(f"{statement}; sys.stderr.write('\\0')" for statement in STATEMENTS.values()),
        )
    )
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, stderr=theirs)
    os.close(theirs)
    pieces = os.read(ours, 65536).decode().split("\0")
    os.close(ours)
    return dict(zip(STATEMENTS, pieces, strict=False))


def test_terminal_shows_the_same_lines(shown: Mapping[str, str]) -> None:
    line = json.loads(shown["a line"])

    assert (line["event"], line["level"], line["port"]) == ("listening", "info", 3000)


@pytest.mark.parametrize("place", ["in a value", "in the event", "in a library's line"])
def test_input_does_not_command_the_terminal(place: str, shown: Mapping[str, str]) -> None:
    assert not re.search(r"\x1b(?!\[[0-9;]*m)|\x07", shown[place])
    assert len(shown[place].splitlines()) == 1
