"""A worker may be a version of a deployment, which has a name that Temporal takes."""

from __future__ import annotations

import pytest
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion

from flowstone.core.errors import ConfigurationError
from flowstone.engines.temporal.moving import deployed, version_of


def test_a_worker_without_a_build_has_no_version() -> None:
    """Without a build's name, a worker serves whatever there is."""
    assert version_of("shop", "mine", None) is None
    assert deployed(None) is None


@pytest.mark.parametrize(
    ("named", "found"), [(None, "flowstone-shop"), ("shop-eu", "shop-eu")]
)
def test_a_deployment_is_named_by_its_app_or_by_its_operator(
    named: str | None, found: str
) -> None:
    """Each app is a deployment of its own, unless somebody says otherwise."""
    version = version_of("shop", named, "2025.1")
    config = deployed(version)

    assert version == WorkerDeploymentVersion(deployment_name=found, build_id="2025.1")
    assert config is not None
    assert config.default_versioning_behavior == VersioningBehavior.PINNED


@pytest.mark.parametrize("named", ["shop.eu", "shop:eu"])
def test_a_name_that_temporal_refuses_is_refused_at_once(named: str) -> None:
    """The setting is named, and what is wrong with it."""
    with pytest.raises(ConfigurationError, match=r"TEMPORAL_DEPLOYMENT_NAME .* a dot"):
        version_of("shop", named, "1")
