"""What setup.cfg cannot say: all packages under src/, and the plugin beside Twisted's own."""

from setuptools import find_packages, setup

setup(packages=[*find_packages("src"), "twisted.plugins"])
