"""Images, profiles, networks, projects, certificates and the cluster: what is mostly read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from twisted.web.server import Request

from webspaced.testing.lxd import documents
from webspaced.testing.lxd.answers import Answer, argument, read_json, refused, sync, sync_text, tagged
from webspaced.testing.lxd.errors import ApiError
from webspaced.testing.lxd.machine import FEATURES, Machine
from webspaced.testing.lxd.things import Profile, Project


def _listing(request: Request, items: Iterable[tuple[str, Any]]) -> Answer:
    recursive = argument(request, "recursion") not in ("", "0")
    return sync([document if recursive else path for path, document in items])


class Stores:
    """Serves what lies below ``/1.0`` and is no instance and no operation."""

    def __init__(self, machine: Machine, trusted: Callable[[], bool]) -> None:
        self._machine = machine
        self._trusted = trusted

    def serve(self, request: Request, parts: list[str], project: str) -> Answer:
        """Answer a request for a path that is given in its parts."""
        where, *names = parts
        method = request.method.decode().lower()
        known = [each for each in ("images", "profiles", "networks", "projects", "certificates", "cluster") if each == where]
        if not known or not all(names):
            return refused(404, "not found")
        if where == "images" and names[:1] == ["aliases"]:
            where, names = "aliases", names[1:]
        handler = getattr(self, f"_{method}_{where}" if names else f"_{method}_all_{where}", None)
        if handler is None:
            return refused(501, "not implemented")
        if where == "networks" and method == "get" and names[1:] == ["leases"] and self._trusted():
            return self._leases(names[0], project)
        if len(names) > 1 and where != "cluster":
            return refused(404, "not found")
        if not self._trusted():
            return self._public(where, names)
        answer: Answer = handler(request, project, *names)
        return answer

    @staticmethod
    def _public(where: str, names: list[str]) -> Answer:
        """Answer who is not trusted: images may be public, and none here is."""
        if where not in ("images", "aliases"):
            raise ApiError(403, "not authorized")
        return refused(404, "Image not found") if names else sync([])

    # --- images

    def _get_all_images(self, request: Request, project: str) -> Answer:
        home = self._machine.home(project, "images")
        images = [each for (owner, _), each in self._machine.images.items() if owner == home]
        return _listing(request, [(f"/1.0/images/{each.fingerprint}", documents.image_document(each)) for each in images])

    def _get_images(self, request: Request, project: str, fingerprint: str) -> Answer:
        image = self._machine.image(fingerprint, project)
        if image is None:
            text = f'Image "{fingerprint}" not found' if self._machine.flavour.full_events else "Image not found"
            raise ApiError(404, text)
        return tagged(documents.image_document(image))

    def _get_all_aliases(self, request: Request, project: str) -> Answer:
        home = self._machine.home(project, "images")
        aliases = [
            (f"/1.0/images/aliases/{alias}", documents.alias_document(alias, each))
            for (owner, _), each in self._machine.images.items()
            if owner == home
            for alias in each.aliases
        ]
        return _listing(request, sorted(aliases, key=lambda pair: pair[0]))

    def _get_aliases(self, request: Request, project: str, alias: str) -> Answer:
        image = self._machine.aliased(alias, project)
        if image is None:
            raise ApiError(404, "Image alias not found")
        return tagged(documents.alias_document(alias, image))

    # --- profiles

    def _get_all_profiles(self, request: Request, project: str) -> Answer:
        home = self._machine.home(project, "profiles")
        profiles = [each for (owner, _), each in self._machine.profiles.items() if owner == home]
        shown = [(f"/1.0/profiles/{each.name}", self._profile(each, home)) for each in profiles]
        return _listing(request, shown)

    def _profile(self, profile: Profile, home: str) -> dict[str, Any]:
        return documents.profile_document(profile, self._machine, home)

    def _get_profiles(self, request: Request, project: str, name: str) -> Answer:
        profile = self._machine.profile(name, project)
        tag = documents.tag_of([profile.config, profile.description, profile.devices])
        return sync(self._profile(profile, self._machine.home(project, "profiles")), etag=tag)

    def _post_all_profiles(self, request: Request, project: str) -> Answer:
        body = read_json(request)
        name, home = str(body.get("name") or ""), self._machine.home(project, "profiles")
        if not name:
            raise ApiError(400, "No name provided")
        if (home, name) in self._machine.profiles:
            raise ApiError(500, f'Error inserting "{name}" into database: The profile already exists')
        self._machine.profiles[home, name] = Profile(
            name=name,
            config=dict(body.get("config") or {}),
            devices=dict(body.get("devices") or {}),
            description=str(body.get("description") or ""),
        )
        where = f"/1.0/profiles/{name}"
        self._machine.events.lifecycle("profile-created", where, project)
        return sync_text("null", status=201, location=where)

    def _delete_profiles(self, request: Request, project: str, name: str) -> Answer:
        self._machine.profile(name, project)
        del self._machine.profiles[self._machine.home(project, "profiles"), name]
        self._machine.events.lifecycle("profile-deleted", f"/1.0/profiles/{name}", project)
        return sync({})

    def _patch_profiles(self, request: Request, project: str, name: str) -> Answer:
        profile = self._machine.profile(name, project)
        given = (request.getHeader("if-match") or "").strip('"')
        tag = documents.tag_of([profile.config, profile.description, profile.devices])
        if given not in ("", tag):
            raise ApiError(412, f"ETag doesn't match: {tag} vs {given}")
        body = read_json(request)
        merged = {**profile.config, **(body.get("config") or {})}
        profile.config = {key: value for key, value in merged.items() if value != ""}
        profile.devices = {**profile.devices, **(body.get("devices") or {})}
        self._machine.profiles_version += 1
        self._machine.events.lifecycle("profile-updated", f"/1.0/profiles/{name}", project)
        return sync({})

    # --- networks

    def _get_all_networks(self, request: Request, project: str) -> Answer:
        networks = self._machine.networks.values()
        return _listing(
            request, [(f"/1.0/networks/{each.name}", documents.network_document(each, self._machine)) for each in networks]
        )

    def _get_networks(self, request: Request, project: str, name: str) -> Answer:
        if name not in self._machine.networks:
            raise ApiError(404, "Network not found")
        return tagged(documents.network_document(self._machine.networks[name], self._machine))

    def _leases(self, name: str, project: str) -> Answer:
        network = self._machine.networks.get(name)
        if network is None:
            raise ApiError(404, "Network not found")
        if not network.managed:
            raise ApiError(400, "Network driver doesn't support leases")
        return sync(documents.leases_document(self._machine, project))

    # --- projects

    def _get_all_projects(self, request: Request, project: str) -> Answer:
        projects = self._machine.projects.values()
        return _listing(
            request, [(f"/1.0/projects/{each.name}", documents.project_document(each, self._machine)) for each in projects]
        )

    def _get_projects(self, request: Request, project: str, name: str) -> Answer:
        return tagged(documents.project_document(self._machine.project(name), self._machine))

    def _post_all_projects(self, request: Request, project: str) -> Answer:
        body = read_json(request)
        name = str(body.get("name") or "")
        if name in self._machine.projects:
            prefix = f'Failed creating project "{name}": Failed adding database record: '
            if self._machine.flavour.full_events:
                raise ApiError(500, f'{prefix}Failed to create "projects" entry: UNIQUE constraint failed: projects.name')
            raise ApiError(409, f'{prefix}This "projects" entry already exists')
        config = {f"features.{each}": "true" for each in FEATURES if each != "networks"} | (body.get("config") or {})
        self._machine.projects[name] = Project(name=name, config=config, description=str(body.get("description") or ""))
        if config["features.profiles"] == "true":
            self._machine.profiles[name, "default"] = Profile(name="default")
        where = f"/1.0/projects/{name}"
        self._machine.events.lifecycle("project-created", where, name)
        return sync_text("null", status=201, location=where)

    def _delete_projects(self, request: Request, project: str, name: str) -> Answer:
        if name == "default":
            raise ApiError(403, "The 'default' project cannot be deleted")
        if name not in self._machine.projects:
            raise ApiError(404, f'Fetch project "{name}": Project not found')
        if documents.project_document(self._machine.projects[name], self._machine)["used_by"] not in (
            [], ["/1.0/profiles/default"],
        ):  # fmt: skip
            raise ApiError(400, "Only empty projects can be removed")
        del self._machine.projects[name]
        self._machine.profiles.pop((name, "default"), None)
        self._machine.events.lifecycle("project-deleted", f"/1.0/projects/{name}", name)
        return sync({})

    # --- certificates and the cluster

    def _get_all_certificates(self, request: Request, project: str) -> Answer:
        certificates = self._machine.certificates.items()
        return _listing(request, [(f"/1.0/certificates/{name}", document) for name, document in certificates])

    def _post_all_certificates(self, request: Request, project: str) -> Answer:
        body = read_json(request)
        text = str(body.get("certificate") or "")
        if not text:
            raise ApiError(400, "No client certificate provided")
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        if fingerprint in self._machine.certificates:
            raise ApiError(409 if not self._machine.flavour.full_events else 400, "Certificate already in trust store")
        self._machine.certificates[fingerprint] = {
            "name": str(body.get("name") or ""),
            "type": str(body.get("type") or "client"),
            "restricted": body.get("restricted") is True,
            "projects": body.get("projects") or [],
            "certificate": text,
            "fingerprint": fingerprint,
        }
        where = f"/1.0/certificates/{fingerprint}"
        self._machine.events.lifecycle("certificate-created", where, "default")
        return sync_text("null", status=201, location=where)

    def _get_certificates(self, request: Request, project: str, fingerprint: str) -> Answer:
        if fingerprint not in self._machine.certificates:
            raise ApiError(404, "Certificate not found")
        return tagged(self._machine.certificates[fingerprint])

    def _delete_certificates(self, request: Request, project: str, fingerprint: str) -> Answer:
        if self._machine.certificates.pop(fingerprint, None) is None:
            raise ApiError(404, "Certificate not found")
        self._machine.events.lifecycle("certificate-deleted", f"/1.0/certificates/{fingerprint}", "default")
        return sync({})

    def _get_all_cluster(self, request: Request, project: str) -> Answer:
        return tagged({
            "server_name": next(iter(self._machine.members), ""),
            "enabled": bool(self._machine.members),
            "member_config": [],
        })

    def _get_cluster(self, request: Request, project: str, *names: str) -> Answer:
        if names != ("members",):
            return refused(404, "not found")
        if not self._machine.members:
            raise ApiError(500, "Server is not clustered")
        members = [
            (
                f"/1.0/cluster/members/{name}",
                {"server_name": name, "status": "Online" if online else "Offline", "message": "", "roles": ["database"]},
            )
            for name, online in self._machine.members.items()
        ]
        return _listing(request, members)
