"""Helm and kubeconform, as tests run them. ``make test`` builds both (``harness/charts.py``). Everything here blocks."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

import yaml

from tests.chart_values import CHART, Values

HELM_VARIABLE, KUBECONFORM_VARIABLE = "WEBSPACED_TEST_HELM", "WEBSPACED_TEST_KUBECONFORM"
PATIENCE = 120
Document = dict[str, Any]


def program(variable: str) -> str:
    """Give the path of a program; skips the test where it is not there."""
    path = os.environ.get(variable)
    if not path:
        message = f"no helm or kubeconform ({variable}): run them by `make test`"
        raise SkipTest(message)
    return path


class Refused(AssertionError):
    """Helm said no."""


class Helm:
    """Helm with a home of its own, for one namespace; with a kubeconfig it reaches a cluster."""

    def __init__(self, folder: Path, namespace: str = "hosting", kubeconfig: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.absolute()
        self._namespace = namespace
        self._kubeconfig = kubeconfig or folder / "none"

    def run(self, *arguments: str, values: Values | None = None) -> str:
        """Run it and give what it wrote. Raises `Refused` with its words."""
        done = self._run(arguments, values)
        if done.returncode:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def _run(self, arguments: Sequence[str], values: Values | None) -> subprocess.CompletedProcess[str]:
        command = [program(HELM_VARIABLE), *arguments, "--namespace", self._namespace]
        homes = {f"HELM_{name}_HOME": str(self._folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **homes, "KUBECONFIG": str(self._kubeconfig)}
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=self._folder) as file:
            if values is not None:
                json.dump(values, file)
                file.flush()
                command += ["--values", file.name]
            return subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                timeout=PATIENCE,
            )  # fmt: skip

    def rendered(self, values: Values, release: str = "web") -> list[Document]:
        """Give all objects of a release."""
        return documents(self.run("template", release, str(CHART), values=values))

    def release(self, action: str, values: Values, *more: str, release: str = "web") -> str:
        """Install or upgrade a release; gives the notes."""
        return self.run(action, release, str(CHART), *more, values=values)


def documents(text: str) -> list[Document]:
    """Give the objects of a text."""
    return [document for document in yaml.safe_load_all(text) if document]


def one(objects: Sequence[Document], kind: str, suffix: str = "") -> Document:
    """Give the one object of a kind whose name ends so."""
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"].endswith(suffix))
    return found


def conforms(objects: Sequence[Document], schemas: Path) -> list[str]:
    """Give what kubeconform finds wrong with objects, by strict schemas in a folder."""
    template = f"{schemas}/{{{{.Group}}}}_{{{{.ResourceAPIVersion}}}}_{{{{.ResourceKind}}}}.json"
    command = [program(KUBECONFORM_VARIABLE), "-strict", "-output", "json", "-verbose", "-schema-location", template]
    text = yaml.safe_dump_all(objects)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=PATIENCE)
    told = json.loads(done.stdout)["resources"]
    good = [each for each in told if each["status"] == "statusValid"]
    if len(good) == len(objects) and not done.returncode:
        return []
    return [f"{each['kind']} {each['name']}: {each['status']} {each['msg']}" for each in told if each not in good]
