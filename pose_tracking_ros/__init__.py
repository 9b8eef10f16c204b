"""Track people's poses in camera images with one multi-task network."""

from pkgutil import extend_path

# The generated message modules live in the installed package of the same name: join both.
__path__ = extend_path(__path__, __name__)
