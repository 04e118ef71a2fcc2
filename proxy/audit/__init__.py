"""The audit log: one JSON line for every grant, denial and outcome, each holding the one before.

    chain        how rows hold each other, and following them
    checkpoints  signatures over all that came before
    head         which row was the last, so that a cut end shows
    files        the files of one log, and room for them
    recovery     where a log ends at a start, and what a crash or somebody else left
    writer       what goes on the disk, in one thread
    file         group commit, for the event loop
    shares       how many denials get a row
    rows         what rows say of a request
    log          `Observer`: what is worth a row
    verify       whether a log is whole
    reading      rows for people and programs

The last two are for whoever reads, also beside a Sidegate that writes.
"""

from proxy.audit.file import MAX_LAG, AuditFile
from proxy.audit.log import AuditLog
from proxy.audit.shares import STRANGERS_EACH_MINUTE
from proxy.audit.writer import Limits

__all__ = ["MAX_LAG", "STRANGERS_EACH_MINUTE", "AuditFile", "AuditLog", "Limits"]
