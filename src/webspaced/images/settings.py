"""The settings of the image server; ``python -m webspaced.images.settings sample`` and ``markdown`` print its pages."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from webspaced.images.core.manifest import Manifest
from webspaced.images.core.version import Version
from webspaced.images.kinds import ACCESS, DIRECTORIES, MANIFESTS, PINS, REPOSITORY, WITHDRAWN, ImageName
from webspaced.settings import Address, Schema
from webspaced.settings.declared import Check, Computed, Values
from webspaced.settings.fields import secret, section, setting
from webspaced.settings.kinds import ADDRESS, OPTIONAL_PATH, PATH, SECRET, WEB_URL, duration, integer, listing
from webspaced.settings.printing import Pages, print_asked
from webspaced.settings.service import ServiceSettings, operators_address

GIB = 1024**3


@attrs.frozen(kw_only=True)
class Tls:
    """The server's own certificate. Without one it speaks plain HTTP, for a proxy such as Traefik before it."""

    certificate: Path | None = setting(
        OPTIONAL_PATH,
        "A PEM file with the certificate and those that lead to its CA; it is read again when it changes.",
        default=None,
        example=Path("/etc/webspaced/images.crt"),
    )
    key: Path | None = setting(
        OPTIONAL_PATH,
        "A PEM file with the certificate's private key.",
        default=None,
        example=Path("/etc/webspaced/images.key"),
    )


@attrs.frozen(kw_only=True)
class Http:
    """Where images are served, and to whom."""

    listen_address: Address = setting(
        ADDRESS,
        "Where streams are served. Not port 80 beside TLS at 443: LXD and Incus fetch files by plain HTTP where that port"
        " answers, passwords included.",
        default=Address("127.0.0.1", 8095),
    )
    url: str | None = setting(
        WEB_URL,
        "The address by which clients reach the server; it is shown in the commands of the page.",
        default=None,
        computed="what the visitor's browser asks for",
        example="https://images.example.org",
    )
    access: Mapping[str, Mapping[str, str]] | None = setting(
        ACCESS,
        "Streams that ask for a name and a password (Basic): by stream, passwords by name; `*` stands for all streams that"
        " are not named. LXD and Incus keep the password where everybody who may see the image may read it.",
        default=None,
        secret=True,
        from_file=True,
    )
    tls: Tls = section(Tls)


@attrs.frozen(kw_only=True)
class Releases:
    """Streams of the releases of repositories, each at `/<owner>/<repository>`."""

    api: str = setting(
        WEB_URL,
        "Base address of the API: GitHub's, or of a Forgejo or Gitea with `/api/v1` at its end.",
        default="https://api.github.com",
    )
    token: str | None = secret(
        SECRET,
        "A token for the API: more requests (GitHub: 5,000 an hour instead of 60), and private repositories.",
    )
    repositories: tuple[str, ...] = setting(
        listing(REPOSITORY),
        "What is served, as `<owner>/<repository>` or `<owner>/*`; nothing else is, whoever asks.",
        default=(),
        example=("netsoc/lxd-images",),
    )
    interval: float = setting(
        duration(10.0),
        "How long a look at a repository's releases counts; then they are asked for again, once. Clients keep what they"
        " were told for an hour.",
        default=300.0,
        unit="seconds",
    )


@attrs.frozen(kw_only=True)
class Cache:
    """Files of releases that were fetched, on disk. Those asked for least recently go first."""

    size: int = setting(
        integer(1024 * 1024),
        "How much they may take; it has to hold the largest two files at once.",
        default=20 * GIB,
        unit="bytes",
    )


@attrs.frozen(kw_only=True)
class Images:
    """What is listed of the images."""

    versions: int = setting(
        integer(0), "How many versions of an image are listed and read, the newest ones; 0 for all.", default=10
    )
    deltas: int = setting(
        integer(0, 20),
        "From how many versions before the newest one deltas are made, with the program xdelta3; only those below half of"
        " the root are kept. 0 makes none.",
        default=0,
    )
    pins: Mapping[ImageName, Version] | None = setting(
        PINS,
        "The newest version that is listed, by `<stream>:<image>`: an earlier one is a roll-back, which clients follow at"
        " their next update.",
        default=None,
        example={ImageName("netsoc/lxd-images", "docker"): Version("20.10.8-1")},
    )
    withdrawn: tuple[tuple[ImageName, Version], ...] = setting(
        listing(WITHDRAWN),
        "Versions that are not listed, as `<stream>:<image>/<version>`.",
        default=(),
        example=((ImageName("netsoc/lxd-images", "docker"), Version("20.10.7-1")),),
    )
    manifests: Mapping[ImageName, Manifest] | None = setting(
        MANIFESTS,
        "More about images, by `<stream>:<image>`: `aliases`, `end_of_life`, `requirements`, `os`, `release`, `variant`,"
        " `description`. It goes before what a release's `manifest.yaml` says.",
        default=None,
        example={ImageName("netsoc/lxd-images", "docker"): Manifest(aliases=("docker/latest",))},
    )


@attrs.frozen(kw_only=True)
class Settings(ServiceSettings):
    """The settings of webspaced-images."""

    operators_address: Address = operators_address(9095)
    data_dir: Path = setting(
        PATH,
        "Holds what was fetched, and what is known of it; all of it can be had again.",
        default=Path("/var/lib/webspaced-images"),
    )
    directories: Mapping[str, Path] = setting(
        DIRECTORIES,
        "Streams of folders, by their names: what `webspaced-images publish` writes, or files put there in the same way.",
        default={},
        example={"local": Path("/var/lib/webspaced-images/published")},
        computed="`local`, of the folder `published` in `data_dir`",
    )
    directory_interval: float = setting(
        duration(1.0), "How often these folders are looked at.", default=10.0, unit="seconds"
    )
    http: Http = section(Http)
    releases: Releases = section(Releases)
    cache: Cache = section(Cache)
    images: Images = section(Images)


def _directories(values: Values) -> Mapping[str, Path]:
    return {"local": Path(values["data_dir"], "published")}


def _pair(values: Values) -> str | None:
    together = (values["http.tls.certificate"] is None) == (values["http.tls.key"] is None)
    return None if together else "http.tls.certificate and http.tls.key must be given together"


def _apart(values: Values) -> str | None:
    repositories = {each.lower() for each in values["releases.repositories"]}
    both = next((name for name in values["directories"] if name.lower() in repositories), None)
    return None if both is None else f"{both} is a repository and a directory: a stream has one source"


SCHEMA: Final = Schema(
    Settings,
    name="webspaced-images",
    prefix="WSI_",
    computed=(Computed("directories", ("data_dir",), _directories),),
    checks=(
        Check(("http.tls.certificate", "http.tls.key"), _pair),
        Check(("directories", "releases.repositories"), _apart),
    ),
)
PAGES: Final = Pages.of(SCHEMA, "webspaced.images.settings")

if __name__ == "__main__":
    print_asked(PAGES.sample, PAGES.markdown)
