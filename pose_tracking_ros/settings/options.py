"""Settings as options of a command line."""

from __future__ import annotations

import argparse
import dataclasses

from pose_tracking_ros.settings.limits import limits_of


def add_settings(parser: argparse.ArgumentParser, settings_class: type, *names: str) -> None:
    """Add an option for each setting: `--a-name` for `a_name`, with its default and description.

    Args:
        parser: gets them.
        settings_class: whose settings.
        names: of settings that are text or a number.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(settings_class)}
    for name in names:
        limits, default = limits_of(settings_class, name), defaults[name]
        parser.add_argument(
            f'--{name.replace("_", "-")}',
            type=type(default),
            choices=limits.choices or None,
            default=default,
            # argparse takes % for the start of a format.
            help=limits.description.replace('%', '%%'),
        )
