"""What pyproject.toml cannot say: all packages under src/, the plugin among Twisted's, the files of static/ among ours."""

from setuptools import find_packages, setup

setup(packages=[*find_packages("src"), "twisted.plugins", "webspaced.static"])
