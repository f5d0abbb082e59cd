"""Which names a server answers to.

A web page can let its own name point at this machine and then ask what listens there as if it were its own
server (DNS rebinding). It cannot choose the Host that the browser sends, which is the page's name.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit


class Hosts:
    """The names by which a server may be asked."""

    def __init__(self, address: str, said: str, names: Collection[str] = ()):
        """address: where it listens, as the user `said` it. names: others by which it is known; without any
        a server that listens at more than this machine alone answers to all.
        """
        self._any = not names and not is_loopback(address)
        self._names = {name.lower() for name in ("localhost", address, said, *names)}

    def __contains__(self, header: str | None) -> bool:
        """Whether a request with this Host is answered; one without comes from no browser."""
        if self._any or not header:
            return True
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self._names or is_loopback(name)


def is_loopback(name: str) -> bool:
    """Whether it is an address of this machine alone."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
