"""What takes seconds to load, loaded once."""

import pytest


@pytest.fixture(scope="session")
def body():
    """The body as drafts have it."""
    from tests.scans import wearers

    return wearers.body()


@pytest.fixture(scope="session")
def studio():
    """What makes drafts of people, with a small texture."""
    from scans.people.person import Studio

    return Studio(256, "draft")
