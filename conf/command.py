"""Turns a dataclass and a function into a Hydra command with help, typo suggestions and one-line errors.

The dataclass is the whole truth about a command's keys: type, default, unit and meaning. Presets that combine keys
live beside this file as YAML groups (`conf/<group>/<option>.yaml`).
"""

import dataclasses
import difflib
import functools
import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

Config = TypeVar("Config")

FOLDER = Path(__file__).resolve().parent


class UserError(Exception):
    """A mistake the user can mend. One line: the file or key, its value, and the mend. Printed without a traceback."""


def key(default: Any, help: str) -> Any:
    """A configuration key with its default and a one-line help text that states the unit."""
    metadata = {"help": help}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def required(help: str) -> Any:
    """A configuration key that the user must give."""
    return key(MISSING, help)


def command(name: str, config: type[Config], groups: tuple[str, ...] = ()) -> Callable[[Callable[[Config], Any]], Callable[[], None]]:
    """Decorator: make `function(config)` the Hydra command `python -m name`.

    `groups` names the YAML groups under `conf/` whose options the command accepts (`group=option`); their keys are
    merged into the root of the configuration, before the command line. What the function returns is what a sweeper sees.
    """

    def decorate(function: Callable[[Config], Any]) -> Callable[[], None]:
        _register(name, config, groups)

        def run(cfg: DictConfig) -> Any:
            missing = sorted(OmegaConf.missing_keys(cfg))
            if missing:
                raise UserError(f"missing key {missing[0]!r}: give {missing[0]}=...; see `python -m {name} --help`")
            return function(typing.cast(Config, OmegaConf.to_object(cfg)))

        # Errors are caught inside Hydra's job, which would print a traceback, and outside, where typos are found.
        job = hydra.main(config_path=str(FOLDER), config_name=name, version_base="1.3")(_in_one_line(run))

        @functools.wraps(function)
        @_in_one_line
        def main() -> None:
            _refuse_typos(config, groups, sys.argv[1:], name)
            job()

        return main

    return decorate


def _in_one_line(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return call


def _register(name: str, config: type, groups: tuple[str, ...]) -> None:
    store = ConfigStore.instance()
    store.store(name=f"{name}.schema", node=config)
    store.store(group="hydra/help", name=name, node={"app_name": name, "header": "", "footer": "", "template": _help(name, config, groups)})
    optional = [{f"optional {group}": None} for group in groups]
    overrides = [{"override hydra/help": name}, {"override hydra/job_logging": "stdout"}]
    # Hydra stays out of the way: no chdir, no folders of its own; what a run needs to be repeated, it writes itself.
    quiet = {"output_subdir": None, "run": {"dir": "."}, "sweep": {"dir": "outputs/sweeps", "subdir": "."}, "job": {"chdir": False}}
    store.store(name=name, node={"defaults": [f"{name}.schema", "_self_", *optional, *overrides], "hydra": quiet})


def _help(name: str, config: type, groups: tuple[str, ...]) -> str:
    lines = [f"python -m {name} [key=value ...]", "", inspect.getdoc(config) or "", "", "Keys:"]
    rows = list(_rows(config))
    width = max(len(left) for left, _ in rows)
    lines += [f"  {left.ljust(width)}  {text}" for left, text in rows]
    for group in groups:
        options = sorted(path.stem for path in (FOLDER / group).glob("*.yaml"))
        lines += ["", f"Presets: {group}=" + "|".join(options)]
    lines += ["", "Sweeps: add -m and give lists, key=a,b,c. Everything composed: --cfg job."]
    return "\n".join(lines).replace("$", "$$") + "\n"


def _rows(config: type, prefix: str = "") -> typing.Iterator[tuple[str, str]]:
    for field in dataclasses.fields(config):
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        text = field.metadata.get("help", "")
        if dataclasses.is_dataclass(default) and not isinstance(default, type):
            yield from _rows(type(default), f"{prefix}{field.name}.")
            continue
        shown = "REQUIRED" if default == MISSING else "null" if default is None else str(default)
        yield f"{prefix}{field.name}={shown}", text


def _names(config: type, prefix: str = "") -> typing.Iterator[tuple[str, bool]]:
    """Every dotted key, and whether it is a dictionary, under which anything goes."""
    for field in dataclasses.fields(config):
        made = field.default_factory
        yield prefix + field.name, made is not dataclasses.MISSING and isinstance(made(), dict)
        if dataclasses.is_dataclass(made):
            yield from _names(typing.cast(type, made), f"{prefix}{field.name}.")


def _refuse_typos(config: type, groups: tuple[str, ...], arguments: list[str], command: str) -> None:
    keys = dict(_names(config))
    names = [*keys, *groups]
    for argument in arguments:
        given = argument.split("=", 1)[0]
        if "=" not in argument or given.startswith(("-", "+", "~", "hydra")):
            continue
        if given in names or any(given.startswith(f"{name}.") for name, free in keys.items() if free):
            continue
        close = difflib.get_close_matches(given, names, n=1)
        mend = f"did you mean {close[0]!r}?" if close else f"see `python -m {command} --help`"
        raise UserError(f"unknown key {given!r}: {mend}")
