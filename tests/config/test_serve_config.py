"""Flags of launch.serve that no browser or proxy could match."""

import pytest

from ferjax.config.serve_config import ServeConfig
from ferjax.errors import UserError


@pytest.mark.parametrize(
    "name",
    ["https://faces.example.org", "faces.example.org:8443", "faces.example.org/", "*", "", "ä.org"],
)
def test_hosts_are_names_alone(name: str) -> None:
    with pytest.raises(UserError, match=r"--allowed_hosts=.*without https://, port and path"):
        ServeConfig(allowed_hosts=("other.example.org", name))


@pytest.mark.parametrize("address", ["localhost", "proxy.example.org", "127.0.0.1:80", "*", ""])
def test_a_proxy_is_an_address_in_numbers(address: str) -> None:
    with pytest.raises(UserError, match=r"--trusted_proxy=.*Give one such as 127\.0\.0\.1"):
        ServeConfig(trusted_proxy=address)


def test_names_and_addresses_are_taken() -> None:
    for address in ("127.0.0.1", "::1", "172.17.0.0/16"):
        ServeConfig(allowed_hosts=("faces.example.org", "xn--4ca.org"), trusted_proxy=address)
