"""A URL that is put together from what was encoded before is the one that ``requests`` would have sent."""

from __future__ import annotations

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_yandex_conv.api.wire import Request, TokenRequest, encode_id
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.exchange import Exchange
from airflow_provider_yandex_conv.routes import Routes

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda one: one.strip() not in {"", ".", ".."}
)


def exchange(request, base_url="https://ai.example.net/v1", **endpoint):
    return Exchange(Endpoint(base_url=base_url, **endpoint), request, client_request_id="c", within=1.0)


def url_of(one):
    return Routes(verify=True).find(one).url_of(one)


def by_requests(base_url, request):
    prepared = requests.PreparedRequest()
    prepared.prepare_url(f"{base_url}/{request.path}", dict(request.query))
    return prepared.url


@given(IDS, st.dictionaries(IDS, st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_id_and_query_come_out_as_requests_writes_them(thing, query):
    request = Request("GET", f"conversations/{encode_id('conversation_id', thing)}/items", query=query)
    assert url_of(exchange(request)) == by_requests("https://ai.example.net/v1", request)


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:8765", "HTTPS://Ai.Example.NET:443/v1", "https://пример.рф/в/v1", "http://[::1]:1/a%20b/v1"],
)
def test_any_base_url_comes_out_as_requests_writes_it(base_url):
    request = Request("GET", "conversations/a%2Fb")
    assert url_of(exchange(request, base_url)) == by_requests(base_url, request)


def test_each_origin_has_its_own_way(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "iam.example.net")
    routes = Routes(verify=True)
    token = TokenRequest(method="POST", url="https://iam.example.net/tokens?of=me")
    for _ in range(2):
        assert routes.find(exchange(Request("GET", "a"))).proxy == "http://proxy:3128"
        assert routes.find(exchange(token)).proxy is None
    assert url_of(exchange(token)) == "https://iam.example.net/tokens?of=me"


def test_the_environment_is_read_once(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/first.pem")
    routes = Routes(verify=True)
    routes.find(exchange(Request("GET", "a")))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/second.pem")
    assert routes.find(exchange(Request("GET", "b"))).verify == "/first.pem"
