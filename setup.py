"""Lets older pip install in editable mode; everything is declared in pyproject.toml."""

from setuptools import setup

setup()
