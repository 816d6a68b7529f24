"""The demonstration: a server of its own, real data, and every kind of end."""

from outlast.demo.show import show

__all__ = ["show"]
