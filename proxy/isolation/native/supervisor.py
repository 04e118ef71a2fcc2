"""The process beside each command: starts it, waits, and leaves nothing of it.

    python -I -S -c "…; main()" CONTROL

Every process that the command ever starts stays a descendant of this one, whatever it does to get
away, and is killed when the command ends or the control socket does: the kernel closes that however
Sidegate ends. To the socket goes, in lines of JSON, `{"error": "…"}` where the program could not be
started; `{"ended": N}`, its exit code; and `{"cleared": true}`, when nothing of it is left. The
counterpart is `supervisor_process`.
"""

import os
import select
import sys

from proxy.isolation.native.confine import adopt_orphans, become, confine, stay
from proxy.isolation.native.descendants import check_kernel, kill_all
from proxy.isolation.native.order import CLEARED, LENGTH_BYTES, Order

TYPE_CHECKING = False
if TYPE_CHECKING:  # the module takes long to load
    from typing import NoReturn

_REAP_MILLISECONDS = 500
_NOT_STARTED, _LOST = 125, 137


def main() -> None:
    """Do the one order."""
    stay()
    control = int(sys.argv[1])
    order = _received(control)
    if order is None:
        _tell(control, f'{{"{CLEARED}": true}}')
        return
    try:
        adopt_orphans()
        check_kernel()
        if order.tmp is not None:
            _make(order.tmp, order.ids)
    except OSError as error:
        _explain(control, error)
        _tell(control, f'{{"{CLEARED}": true}}')
        return
    _supervise(order, control)


def _supervise(order: Order, control: int) -> "NoReturn":
    supervisor = os.getpid()
    command = os.fork()
    if command == 0:
        _become(order, control, supervisor)
    try:
        _let_streams_go()
        code = _watched(command, control)
        _tell(control, f'{{"ended": {code}}}')
    finally:
        kill_all()
        if order.tmp is not None:
            _remove(order.tmp, order.ids)
        _tell(control, f'{{"{CLEARED}": true}}')
        os._exit(0)  # at once: there is nothing that Python could still see to


def _received(control: int) -> Order | None:
    """The order; None where Sidegate ends or needs none before there is one."""
    head = _read(control, LENGTH_BYTES)
    body = _read(control, int.from_bytes(head, "big")) if head else b""
    return Order.unpacked(body) if body else None


def _read(control: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(control, size - len(data))
        if not piece:
            return b""
        data += piece
    return data


def _explain(control: int, error: BaseException) -> None:
    import json  # noqa: PLC0415 - for failures: it takes longer to load than all the rest

    _tell(control, json.dumps({"error": f"{type(error).__name__}: {error}"}))


def _tell(control: int, line: str) -> None:
    try:  # noqa: SIM105 - contextlib loads slowly
        os.write(control, f"{line}\n".encode())
    except OSError:
        pass  # Sidegate is gone


def _make(tmp: bytes, ids: tuple[int, int] | None) -> None:
    os.mkdir(tmp, 0o700)
    if ids is not None:
        os.chown(tmp, *ids)


def _become(order: Order, control: int, supervisor: int) -> "NoReturn":
    """Become the command; never returns."""
    try:
        os.setsid()
        _provide(order.files)
        os.set_inheritable(control, order.tells)
        confine(order, supervisor)
        if order.folder is not None:
            os.close(order.folder)
        os.execve(order.argv[0], order.argv, order.env)  # noqa: S606 - no shell: that is the point
    except BaseException as error:  # noqa: BLE001 - nothing here may go on as the supervisor
        _explain(control, error)
    finally:
        os._exit(_NOT_STARTED)


def _provide(files: dict[int, bytes]) -> None:
    for descriptor, data in files.items():
        made = os.memfd_create("order")
        with open(made, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(made, 0, os.SEEK_SET)
        os.dup2(made, descriptor)


def _let_streams_go() -> None:
    """So that they end when the command and all that it started have let them go."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _watched(command: int, control: int) -> int:
    """The exit code of the command, or of a killed one where it is wanted no more."""
    poll = select.poll()
    poll.register(os.pidfd_open(command), select.POLLIN)
    poll.register(control, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(_REAP_MILLISECONDS)}
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == command:
                code = os.waitstatus_to_exitcode(ended[1])
                return code if code >= 0 else 128 - code
        if control in ready:
            return _LOST


def _remove(folder: bytes, ids: tuple[int, int] | None) -> None:
    """Whatever is in it, however deep, by programs that know how.

    As its owner: another process of that user may have put a link in its place.
    """
    for argv in ((b"/bin/chmod", b"-R", b"u+rwx"), (b"/bin/rm", b"-rf")):
        child = os.fork()
        if child == 0:
            try:
                if ids is not None:
                    become(*ids)
                os.execve(argv[0], [*argv, b"--", folder], {})  # noqa: S606 - no shell
            finally:
                os._exit(_NOT_STARTED)
        os.waitpid(child, 0)
