"""The empty registry of the tests of learn, made once here too."""

from tests.learn.conftest import empty_registry  # noqa: F401 - a fixture
