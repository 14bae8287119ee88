from __future__ import annotations

from falconeri_worker.environment import of_the_container


def test_environment_without_a_bundle_is_handed_on_as_it_is() -> None:
    environ = {"PATH": "/bin", "LD_PRELOAD": "x.so", "FALCONERI_POD_NAME": "p", "EMPTY": ""}
    assert of_the_container(environ) == environ


def test_hidden_variables_come_back_and_added_ones_go() -> None:
    environ = {
        "PATH": "/bin",
        "FALCONERI_HIDDEN_LD_PRELOAD": "x.so",
        "SSL_CERT_FILE": "/falconeri/app/certifi/cacert.pem",
        "FALCONERI_ADDED_SSL_CERT_FILE": "",
    }
    assert of_the_container(environ) == {"PATH": "/bin", "LD_PRELOAD": "x.so"}


def test_variable_that_was_hidden_and_replaced_has_its_first_value_again() -> None:
    environ = {
        "FALCONERI_HIDDEN_SSL_CERT_FILE": "/their/own.pem",
        "SSL_CERT_FILE": "/falconeri/app/certifi/cacert.pem",
        "FALCONERI_ADDED_SSL_CERT_FILE": "",
    }
    assert of_the_container(environ) == {"SSL_CERT_FILE": "/their/own.pem"}
