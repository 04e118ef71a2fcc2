"""Commands as processes of this machine, for machines without an engine.

    probe               which level of isolation really holds here, found by running a command
    runtime             `Runtime` of one level, its jobs and what they leave behind
    job                 one command, seen from Sidegate
    supervisors         the processes beside commands, and one that waits ahead
    supervisor_process  one of them, seen from Sidegate
    levels              what is ordered for a command, for each level
    bubblewrap          namespaces and mounts, literally
    syscalls            the system call filter
    leftovers           what a killed supervisor leaves

The process beside each command runs without packages, and its modules import the standard library
only, and little of it, since they are loaded for every command:

    supervisor   the process itself: starts the command, waits, leaves nothing of it
    order        what it is told
    confine      user, Landlock and system call filter of the command
    descendants  all that it started, to be killed
    landlock     what Landlock leaves to it
"""
