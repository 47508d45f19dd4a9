"""Counting of requests by address, and limits from the flags."""

import pytest

from ferjax.config.serve_config import ServeConfig
from ferjax.errors import UserError
from ferjax.serve.limits import RequestRate, limits_of


def test_a_minute_of_requests_at_once_then_as_they_come_back() -> None:
    now = 0.0
    rate = RequestRate(6, clock=lambda: now)
    assert [rate.seconds_to_wait("10.0.0.1") for _ in range(7)] == [0] * 6 + [11]
    assert rate.seconds_to_wait("10.0.0.2") == 0
    # Refused requests cost nothing: one request comes back every ten seconds.
    now = 10.5
    assert rate.seconds_to_wait("10.0.0.1") == 0
    assert rate.seconds_to_wait("10.0.0.1") > 0
    now = 1000.0
    assert [rate.seconds_to_wait("10.0.0.1") for _ in range(7)].count(0) == 6


def test_a_household_of_ipv6_counts_as_one_and_ipv4_in_ipv6_as_itself() -> None:
    rate = RequestRate(1, clock=lambda: 0.0)
    assert rate.seconds_to_wait("2001:db8:1:2:aaaa::1") == 0
    assert rate.seconds_to_wait("2001:db8:1:2:bbbb::2") > 0
    assert rate.seconds_to_wait("2001:db8:1:3::1") == 0
    assert rate.seconds_to_wait("::ffff:10.0.0.1") == 0
    assert rate.seconds_to_wait("::ffff:10.0.0.2") == 0
    assert rate.seconds_to_wait("fe80::1%eth0") == 0


def test_no_limit_and_forgotten_addresses() -> None:
    free = RequestRate(0)
    assert not any(free.seconds_to_wait("10.0.0.1") for _ in range(10_000))
    rate = RequestRate(1, clock=lambda: 0.0)
    for k in range(10_001):
        assert rate.seconds_to_wait(f"10.0.{k // 256}.{k % 256}") == 0
    # The address that was away longest is forgotten, so that memory does not grow.
    assert rate.seconds_to_wait("10.0.0.0") == 0


def test_flags_become_limits_and_wrong_ones_are_named() -> None:
    limits = limits_of(ServeConfig(max_upload_mb=3, max_frames=7))
    assert (limits.upload_bytes, limits.all_bytes, limits.frames) == (3_000_000, 24_000_000, 7)
    with pytest.raises(UserError, match="--port=70000: expected at most 65535"):
        ServeConfig(port=70000)
    with pytest.raises(UserError, match="--max_pixels=0: expected at least 1"):
        ServeConfig(max_pixels=0)
    with pytest.raises(UserError, match="two networks"):
        ServeConfig(workdir="run", weights="fernet-ferplus")
