import pytest

from service.access.addresses import user_of_address


@pytest.mark.parametrize(
    ("address", "user"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix:", "unix:"),
        ("x" * 100, "x" * 64),
    ],
)
def test_an_address_is_a_user(address, user):
    assert user_of_address(address) == user
