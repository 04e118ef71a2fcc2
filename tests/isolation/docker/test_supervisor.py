"""The supervisor's text under real shells of this machine, and the reader of its trailers."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.isolation.docker.supervisor import FRAME_BYTES, READY, SUPERVISOR, Trailers, frame
from proxy.isolation.run import STDERR, STDOUT

NONCE = "0123456789abcdef" * 2
HERE = {"PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C.UTF-8"}
SHELLS = [
    pytest.param(
        argv,
        id=argv[0],
        marks=pytest.mark.skipif(not shutil.which(argv[0]), reason="no such shell"),
    )
    for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"])
]
in_each_shell = pytest.mark.parametrize("shell", SHELLS)
ALL_BYTES = os.fsdecode(bytes(range(1, 256)))


@dataclass(frozen=True)
class Done:
    code: int | None
    out: bytes
    err: bytes


def done(
    shell: list[str],
    argv: tuple[str, ...],
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    base: Mapping[str, str] = HERE,
) -> Done:
    """What a supervisor makes of a command."""
    line = frame(argv, env or {}, NONCE, stdin=bool(stdin))
    assert line is not None
    ended = subprocess.run(
        [*shell, "-c", SUPERVISOR],
        input=line + stdin,
        capture_output=True,
        check=False,
        env=base,
        timeout=20,
    )
    assert ended.stdout.startswith(READY + READY)
    trailers = Trailers(NONCE)
    out = trailers.feed(STDOUT, ended.stdout.removeprefix(READY + READY))
    err = trailers.feed(STDERR, ended.stderr)
    return Done(trailers.code, out, err)


def shown(*words: str) -> tuple[str, ...]:
    """A command that writes its arguments, each ended by NUL."""
    code = "import os, sys; os.write(1, b''.join(os.fsencode(a) + b'\\0' for a in sys.argv[1:]))"
    return (sys.executable, "-c", code, *words)


ENVIRONMENT = (
    sys.executable,
    "-c",
    "import os; os.write(1, b''.join(b'%b=%b\\0' % each for each in os.environb.items()))",
)


def environment(made: Done) -> dict[str, str]:
    pairs = (each.partition(b"=") for each in made.out.split(b"\0")[:-1])
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


class TestTheSupervisor:
    @in_each_shell
    def test_passes_arguments_on_as_they_are(self, shell: list[str]) -> None:
        words = (
            *("", " ", "-n", "--", "=", "a=b", "*", "?", "~", "$HOME", "$(id)", "`id`", "${x:-y}"),
            *(
                "'",
                "''",
                "it's",
                '"',
                "\\",
                "\\'",
                "\\n",
                "a\nb",
                "\n",
                "\n\n",
                "ends\n",
                "\r",
                "\t",
            ),
            *(";", "&&", "|", "#", "!", "(", ")", "}", "grüße", "a\\", ALL_BYTES, "x" * 10_000),
        )

        made = done(shell, shown(*words))

        assert made == Done(0, b"".join(os.fsencode(each) + b"\0" for each in words), b"")

    @given(
        st.lists(
            st.binary(max_size=30).filter(lambda word: b"\0" not in word), min_size=1, max_size=5
        )
    )
    def test_passes_any_bytes_on(self, words: list[bytes]) -> None:
        argv = ("/usr/bin/printf", "%s|", *map(os.fsdecode, words))

        made = done(["sh"], argv)

        assert made.out == b"".join(word + b"|" for word in words)

    @in_each_shell
    def test_adds_nothing_to_the_environment(self, shell: list[str]) -> None:
        made = environment(done(shell, ENVIRONMENT))
        made.pop("_", None)  # bash tells every program its own path
        made.pop("SHLVL", None)  # and how deep it stands

        assert made == HERE

    @in_each_shell
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TOKEN", "a'b\"c$d`e\\f\ng"),
            ("EMPTY", ""),
            ("IFS", "a"),
            ("ENV", "/etc/passwd"),
            ("LC_ALL", "xx_YY.UTF-8"),
            ("LANG", "de_DE"),
            ("PS4", "$(id)"),
            ("PATH", "/bin:/usr/bin"),
            ("HOME", "/root"),
            ("PWD", "/elsewhere"),
            ("CDPATH", "/"),
            ("MAIL", "/x"),
            ("TERM", "dumb"),
            ("COLUMNS", "x"),
            ("LD_LIBRARY_PATH", "/x"),
        ],
    )
    def test_gives_a_variable_to_the_command_as_it_is(
        self, shell: list[str], name: str, value: str
    ) -> None:
        made = done(shell, ENVIRONMENT, {name: value})

        assert (made.code, made.err) == (0, b"")
        assert environment(made)[name] == value

    @in_each_shell
    def test_leaves_the_images_locale_to_the_command(self, shell: list[str]) -> None:
        made = done(shell, ENVIRONMENT, base={**HERE, "LC_ALL": "C.UTF-8"})

        assert environment(made)["LC_ALL"] == "C.UTF-8"

    @in_each_shell
    def test_runs_the_program_that_the_path_names(self, shell: list[str], tmp_path: Path) -> None:
        (tmp_path / "cat").write_text("#!/bin/sh\necho mine\n")
        (tmp_path / "cat").chmod(0o755)

        assert done(shell, ("cat",), {"PATH": f"/x:{tmp_path}:/bin"}).out == b"mine\n"

    @in_each_shell
    def test_runs_nothing_that_the_path_does_not_name(self, shell: list[str]) -> None:
        made = done(shell, ("cat", "/etc/passwd"), {"PATH": "/nowhere"})

        assert (made.code, made.out) == (127, b"")
        assert b"not found" in made.err

    @in_each_shell
    @pytest.mark.parametrize("word", ["exit", ":", "eval", "sg_find", "exec", "trap"])
    def test_takes_no_command_for_one_of_its_own(self, shell: list[str], word: str) -> None:
        assert done(shell, (word, "5")).code == 127

    @in_each_shell
    def test_tells_a_file_that_is_no_program(self, shell: list[str]) -> None:
        assert done(shell, ("/etc/passwd",)).code == 126

    @in_each_shell
    def test_tells_what_ended_the_command(self, shell: list[str]) -> None:
        assert done(shell, ("sh", "-c", "kill -9 $$")).code == 137
        assert done(shell, ("sh", "-c", "kill -15 $$")).code == 143

    @pytest.mark.parametrize("code", range(256))
    def test_tells_every_exit_code(self, code: int) -> None:
        assert done(["sh"], ("sh", "-c", f"exit {code}")).code == code

    @in_each_shell
    def test_leaves_what_follows_the_line_to_the_command(self, shell: list[str]) -> None:
        data = os.urandom(1 << 16) + b"\n\n" + bytes(5 << 20)

        assert done(shell, ("cat",), stdin=data).out == data

    @in_each_shell
    def test_gives_a_command_without_input_none(self, shell: list[str]) -> None:
        link = done(shell, ("readlink", "/proc/self/fd/0"))

        assert link.out == b"/dev/null\n"
        assert done(shell, ("cat",)) == Done(0, b"", b"")

    @in_each_shell
    def test_keeps_its_own_streams_to_itself(self, shell: list[str]) -> None:
        listed = done(shell, ("ls", "/proc/self/fd"))

        assert listed.out.split() == [b"0", b"1", b"2", b"3"]  # the last is the folder itself

    @in_each_shell
    def test_answers_for_a_command_that_closes_its_streams(self, shell: list[str]) -> None:
        assert done(shell, ("sh", "-c", "exec <&- >&- 2>&-; exit 7")) == Done(7, b"", b"")

    @in_each_shell
    def test_says_nothing_of_its_own(self, shell: list[str]) -> None:
        made = done(shell, ("sh", "-c", "echo out; echo err >&2; kill -11 $$"))

        assert made == Done(139, b"out\n", b"err\n")

    @in_each_shell
    def test_passes_signals_on_as_they_were(self, shell: list[str]) -> None:
        status = done(shell, ("cat", "/proc/self/status")).out.decode()
        here = subprocess.run(
            ["cat", "/proc/self/status"], check=True, capture_output=True, text=True
        )
        fields = ("SigBlk", "SigIgn", "SigCgt")

        assert [line for line in status.splitlines() if line.startswith(fields)] == [
            line for line in here.stdout.splitlines() if line.startswith(fields)
        ]


class TestAFrame:
    @pytest.mark.parametrize(
        "argv",
        [
            pytest.param(("",), id="nothing to execute"),
            pytest.param(("-a", "b"), id="an option of exec"),
            pytest.param(("ls", "a\0b"), id="a NUL"),
            pytest.param(("ls", "\ud800"), id="no character"),
            pytest.param(("ls", "x" * FRAME_BYTES), id="too long"),
        ],
    )
    def test_carries_no_command_that_would_become_another(self, argv: tuple[str, ...]) -> None:
        assert frame(argv, {}, NONCE, stdin=False) is None

    @pytest.mark.parametrize(
        "name", ["_", "UID", "PPID", "OPTIND", "RANDOM", "BASH_ENV", "SHELLOPTS", "sg_nonce"]
    )
    def test_carries_no_variable_that_a_shell_keeps_for_itself(self, name: str) -> None:
        assert frame(("ls",), {name: "x"}, NONCE, stdin=False) is None

    def test_is_one_line(self) -> None:
        line = frame(("ls", "a\nb\n"), {"A": "\n"}, NONCE, stdin=True)

        assert line is not None
        assert line.count(b"\n") == 1
        assert line.endswith(b"\n")


@st.composite
def cut(draw: st.DrawFn) -> tuple[list[tuple[int, bytes]], dict[int, bytes], int]:
    """Two streams in pieces, what the command wrote on each, and its code."""
    code = draw(st.integers(0, 255))
    mark = b"\0" + NONCE.encode()
    noise = st.sampled_from(
        [b"a", b"\0", b"-\n", b" ", b"7", mark, mark + b" ", mark + b" 12", mark[:9]]
    )
    written = {each: b"".join(draw(st.lists(noise, max_size=8))) for each in (STDOUT, STDERR)}
    pieces = []
    for stream, data in written.items():
        whole = data + mark + b" %d\n" % code + b"after"
        ends = sorted(draw(st.sets(st.integers(1, len(whole)), max_size=10)) | {len(whole)})
        pieces.append([(stream, whole[a:b]) for a, b in zip([0, *ends], ends, strict=False)])
    turns = draw(st.permutations([n for n, each in enumerate(pieces) for _ in each]))
    queues = [iter(each) for each in pieces]
    return [next(queues[turn]) for turn in turns], written, code


class TestTrailers:
    @given(cut())
    def test_are_found_however_the_streams_are_cut(
        self, case: tuple[list[tuple[int, bytes]], dict[int, bytes], int]
    ) -> None:
        pieces, written, code = case
        trailers, read = Trailers(NONCE), {STDOUT: b"", STDERR: b""}

        for stream, data in pieces:
            read[stream] += trailers.feed(stream, data)

        assert (read, trailers.code) == (written, code)

    @given(st.lists(st.sampled_from([b"a", b"\0", b"\0" + NONCE.encode()[:7], b"\0" * 40])))
    def test_lose_nothing_where_there_is_none(self, pieces: list[bytes]) -> None:
        trailers = Trailers(NONCE)

        read = b"".join(trailers.feed(STDOUT, each) for each in pieces)

        assert read + b"".join(data for _, data in trailers.rest()) == b"".join(pieces)
        assert trailers.code is None

    def test_of_one_stream_are_not_enough(self) -> None:
        trailers = Trailers(NONCE)
        trailers.feed(STDOUT, b"\0%b 0\n" % NONCE.encode())

        assert trailers.code is None

    @pytest.mark.parametrize("tail", [b"x", b" x\n", b" 1234\n", b" -1\n", b" \n"])
    def test_with_anything_else_in_them_are_output(self, tail: bytes) -> None:
        trailers = Trailers(NONCE)
        data = b"\0" + NONCE.encode() + tail

        assert trailers.feed(STDOUT, data) == data

    def test_hold_back_no_more_than_their_length(self) -> None:
        trailers = Trailers(NONCE)

        assert trailers.feed(STDOUT, b"a\0b" + b"\0" + NONCE.encode()) == b"a\0b"
        assert trailers.feed(STDOUT, b"c") == b"\0" + NONCE.encode() + b"c"
