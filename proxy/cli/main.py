"""The `sidegate` command.

Machine output goes to stdout, everything else to stderr. `command` holds what the commands share,
`operator_cli` and `approvals_cli` those that speak to a running Sidegate, `policy_cli` those that
ask about its rules, `secrets_cli` those about the secret store, `audit_cli` those about its log,
`mcp_cli` those about the tools of MCP servers.
"""

import asyncio
import os

import click

from proxy.assembly import VERSION, serve
from proxy.cli import approvals as approvals_cli
from proxy.cli import audit as audit_cli
from proxy.cli import guard as guard_cli
from proxy.cli import mcp as mcp_cli
from proxy.cli import operator as operator_cli
from proxy.cli import policy as policy_cli
from proxy.cli import secrets as secrets_cli
from proxy.cli.command import CONFIG, UNAVAILABLE, UNSAFE, config_option, configured, fail, finish
from proxy.config import masked, schema
from proxy.config.cautions import cautions
from proxy.config.loader import Loaded
from proxy.decision import ConfigError
from proxy.isolation.native.probe import Finding
from proxy.network.bind import Binding, bindings, unsafe
from proxy.places import Places, exposed
from proxy.redaction import rules_of
from proxy.runtimes import Setting, find_isolation
from proxy.runtimes import cautions as runtime_cautions


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="sidegate")
@config_option
@click.pass_context
def main(context: click.Context, path: str | None) -> None:
    """A security sidecar for AI agents."""
    context.obj = path


for command in (
    operator_cli.pair,
    operator_cli.status,
    operator_cli.tokens,
    operator_cli.inbox,
    approvals_cli.approvals,
    approvals_cli.stop_all,
    approvals_cli.stops,
    approvals_cli.resume,
    policy_cli.explain,
    policy_cli.policy,
    secrets_cli.secrets,
    audit_cli.audit,
    mcp_cli.mcp,
    guard_cli.docker_guard,
):
    main.add_command(command)


@main.command("serve")
@configured
def serve_command(loaded: Loaded) -> None:
    """Serve until stopped."""
    bound = _safe_bindings(loaded)
    finish(serve(loaded, bound, os.environ, _isolation(loaded)))


@main.command()
@configured
def check(loaded: Loaded) -> None:
    """Validate the configuration and print it, with secrets masked."""
    _check_rules(loaded)
    for binding in _safe_bindings(loaded):
        if binding.note:
            click.echo(f"sidegate: {binding.note}", err=True)
    setting = Setting(loaded.config, None, "", os.environ)
    for sentence in (*cautions(loaded.config), *runtime_cautions(setting, _isolation(loaded))):
        click.echo(f"sidegate: caution: {sentence}", err=True)
    click.echo(masked.effective(loaded.config), nl=False)


@main.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of the configuration."""
    click.echo(schema.text(), nl=False)


def _check_rules(loaded: Loaded) -> None:
    """Whether the rules for secrets are some."""
    try:
        rules_of(loaded.config, Places.of(loaded.config, os.environ).folder)
    except ConfigError as error:
        fail(CONFIG, *error.problems)


def _isolation(loaded: Loaded) -> Finding | None:
    """What commands are isolated by on this machine; where it is too little, this ends here."""
    try:
        return asyncio.run(find_isolation(loaded, os.environ))
    except OSError as error:
        fail(UNSAFE, f"commands cannot be isolated: {error}")


def _safe_bindings(loaded: Loaded) -> tuple[Binding, ...]:
    """The addresses to serve at, judged; what is unsafe ends here."""
    try:
        bound = bindings(loaded.config)
    except OSError as error:
        fail(UNAVAILABLE, str(error))
    problems = [*unsafe(loaded.config, bound), *exposed(loaded, os.environ)]
    if problems:
        fail(UNSAFE, *problems)
    return bound
