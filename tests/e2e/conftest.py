from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.site import Site, open_site
from tests.kube.cluster import FakeKubernetes


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One installation for all tests; each has jobs and buckets of its own."""
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def fake(site: Site) -> FakeKubernetes:
    """The hooks of the fake cluster, for what can't be asked of a real one."""
    if site.place.fake is None:
        pytest.skip("FALCONERI_TEST_KUBECONFIG: a real cluster can't be made to do this")
    return site.place.fake
