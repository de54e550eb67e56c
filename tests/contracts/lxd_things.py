"""Instances made, changed, renamed, copied and deleted; operations, events, images, profiles, projects, the server."""

from __future__ import annotations

from tests.contracts.lxd_api import LxdApi, contract

NOWHERE = "0" * 64


class ThingsContract(LxdApi):
    """All that is no run state and not inside."""

    # --- creating

    @contract
    async def test_a_creation_is_an_operation(self) -> None:
        answer = await self.raw("POST", "/instances", self.new(config={"user.a": "b"}))
        self.assertEqual((answer.status, answer.json["type"], answer.json["status_code"]), (202, "async", 100))
        self.assertEqual(answer.header("Location").partition("?")[0], answer.operation)
        begun = answer.metadata
        self.assertEqual(begun["class"], "task")
        if (begun["status"], begun["status_code"]) != ("Running", 103):
            self.assertEqual((begun["status"], begun["status_code"]), ("Success", 200))
            self.late("the creation was over")
        self.assertEqual((begun["description"], begun["may_cancel"], begun["err"]), ("Creating instance", False, ""))
        (about,) = begun["resources"]["instances"]
        self.assertEqual(about.partition("?")[0], f"/1.0/instances/{self.name}")
        ended = (await self.waited(answer.operation)).metadata
        self.assertEqual((ended["id"], ended["status"], ended["status_code"]), (begun["id"], "Success", 200))

    @contract
    async def test_a_created_one(self) -> None:
        await self.create(config={"user.a": "b"})
        instance = await self.instance()
        self.assertEqual((instance["name"], instance["status_code"], instance["type"]), (self.name, 102, "container"))
        self.assertEqual((instance["project"], instance["location"]), (self.project, "none"))
        self.assertEqual((instance["profiles"], instance["devices"]), (["webspace"], {}))
        self.assertEqual(instance["config"]["user.a"], "b")
        for key in ("volatile.eth0.hwaddr", "volatile.uuid", "volatile.base_image", "image.os"):
            self.assertTrue(instance["config"][key], key)
        self.assertEqual(instance["expanded_config"]["boot.autostart"], "false")
        self.assertEqual(instance["expanded_devices"]["eth0"]["type"], "nic")
        self.assertTrue(instance["config"]["volatile.eth0.hwaddr"].startswith(self.flavour.hwaddr_prefix))
        self.assertTrue(instance["last_used_at"].startswith("1970-01-01T00:00:00"))

    @contract
    async def test_creations_that_fail(self) -> None:
        await self.create()
        missing_alias = self.new(name="other", source={"type": "image", "alias": "no-such-image"})
        wanted = self.failed(500) if self.flavour.missing_alias_in_operation else 404
        self.assertEqual(await self.outcome("POST", "/instances", missing_alias), wanted)
        for more, code in (
            ({}, self.failed(500)),  # the name is taken
            ({"name": "other", "source": {"type": "image", "fingerprint": NOWHERE}}, self.failed(500)),
            ({"name": "other", "config": {"nonsense": "1"}}, self.failed(500)),
            ({"name": "other", "profiles": ["no-such-profile"]}, 500),
            ({"name": "an_underscore"}, 400),
            ({"name": "other", "source": {"type": "nonsense"}}, 400),
            ({"name": "other", "config": {"user.a": 1}}, 400),
        ):
            self.assertEqual(await self.outcome("POST", "/instances", self.new(**more)), code, more)
        self.assertEqual(await self.outcome("POST", "/instances", b"{"), 400)
        self.assertEqual(len((await self.raw("GET", "/instances")).metadata), 1)

    @contract
    async def test_what_is_not_there(self) -> None:
        for method, path, body in (
            ("GET", "/instances/none", None),
            ("GET", "/instances/none/state", None),
            ("PUT", "/instances/none/state", {"action": "start"}),
            ("PATCH", "/instances/none", {"config": {}}),
            ("DELETE", "/instances/none", None),
            ("POST", "/instances/none", {"name": "some"}),
            ("POST", "/instances/none/exec", {"command": ["true"]}),
            ("GET", "/instances/none/console", None),
            ("GET", "/operations/none", None),
            ("GET", "/operations/none/wait", None),
            ("DELETE", "/operations/none", None),
            ("GET", f"/images/{NOWHERE}", None),
            ("GET", "/images/aliases/none", None),
            ("GET", "/profiles/none", None),
            ("GET", "/networks/none", None),
            ("GET", "/projects/none", None),
            ("GET", "/certificates/none", None),
            ("GET", "/nonsense", None),
        ):
            answer = await self.raw(method, path, body)
            self.assertEqual((answer.status, answer.json["type"], answer.json["error_code"]), (404, "error", 404), path)
            self.assertEqual(answer.metadata, None)

    @contract
    async def test_a_copy_has_the_keys_but_not_the_identity(self) -> None:
        await self.create(config={"user.a": "b"})
        body = {"name": f"{self.name}-copy", "profiles": ["webspace"], "source": {"type": "copy", "source": self.name}}
        self.assertEqual(await self.outcome("POST", "/instances", body), 200)
        origin, copy = await self.instance(), await self.instance(f"{self.name}-copy")
        self.assertEqual(copy["config"]["user.a"], "b")
        for key in ("volatile.uuid", "volatile.eth0.hwaddr"):
            self.assertNotEqual(origin["config"][key], copy["config"][key])
        missing = {**body, "name": "other", "source": {"type": "copy", "source": "none"}}
        self.assertEqual(await self.outcome("POST", "/instances", missing), 404)

    # --- listing

    @contract
    async def test_lists(self) -> None:
        await self.create()
        self.assertEqual([each.partition("?")[0] for each in (await self.raw("GET", "/instances")).metadata], [
            f"/1.0/instances/{self.name}",
        ])  # fmt: skip
        (one,) = (await self.raw("GET", "/instances?recursion=1")).metadata
        self.assertEqual(one, await self.instance())
        (full,) = (await self.raw("GET", "/instances?recursion=2")).metadata
        self.assertEqual({key: full[key] for key in one}, one)
        self.assertEqual((full["state"]["status"], full["state"]["network"]), ("Stopped", None))
        self.assertEqual((await self.raw("GET", "/instances?recursion=1")).etag, "")

    # --- changing

    @contract
    async def test_patch_merges_at_once_and_drops_empty_keys(self) -> None:
        await self.create(config={"user.a": "1", "user.b": "2"})
        answer = await self.raw("PATCH", f"/instances/{self.name}", {"config": {"user.a": "3", "user.b": ""}})
        self.assertEqual((answer.status, answer.json["type"]), (200, "sync"))
        instance = await self.instance()
        self.assertEqual((instance["config"]["user.a"], instance["config"].get("user.b")), ("3", None))
        self.assertEqual(instance["profiles"], ["webspace"])

    @contract
    async def test_put_replaces_in_an_operation(self) -> None:
        await self.create(config={"user.a": "1"})
        instance = await self.instance()
        config = {key: value for key, value in instance["config"].items() if key != "user.a"} | {"user.b": "2"}
        body = {"config": config, "devices": {}, "profiles": ["webspace"], "description": "changed"}
        answer = await self.raw("PUT", f"/instances/{self.name}", body)
        self.assertEqual(answer.status, 202)
        self.assertEqual(self.code_of(await self.waited(answer.operation)), 200)
        after = await self.instance()
        self.assertEqual((after["config"].get("user.a"), after["config"]["user.b"]), (None, "2"))
        self.assertEqual(after["description"], "changed")

    @contract
    async def test_etags(self) -> None:
        await self.create()
        tag = await self.etag()
        self.assertTrue(tag.startswith('"') and tag.endswith('"'))
        self.assertEqual(await self.etag(), tag)
        where, body = f"/instances/{self.name}", {"config": {"user.a": "1"}}
        self.assertEqual((await self.raw("PATCH", where, body, {"If-Match": tag})).status, 200)
        self.assertNotEqual(await self.etag(), tag)
        for method in ("PATCH", "PUT"):
            stale = await self.raw(method, where, body, {"If-Match": tag})
            self.assertEqual((stale.status, stale.json["error_code"]), (412, 412))

    @contract
    async def test_changes_that_are_refused(self) -> None:
        await self.create()
        where = f"/instances/{self.name}"
        for body, code in (
            ({"config": {"nonsense": "1"}}, 500),
            ({"config": {"user.a": 1}}, 400),
            ({"profiles": ["none"]}, 404),
            ({"devices": {"x": {"type": "nonsense"}}}, 500),
            (b"{", 400),
        ):
            self.assertEqual(await self.outcome("PATCH", where, body), code, body)

    # --- renaming and deleting

    @contract
    async def test_a_rename(self) -> None:
        await self.create()
        heard = await self.listen()
        new = f"{self.name}-new"
        self.assertEqual(await self.outcome("POST", f"/instances/{self.name}", {"name": new}), 200)
        self.assertEqual((await self.raw("GET", f"/instances/{self.name}")).status, 404)
        self.assertEqual((await self.instance(new))["name"], new)
        self.assertEqual(await self.actions(heard, 1), ["instance-renamed"])
        self.assertEqual(heard()[0]["source"].partition("?")[0], f"/1.0/instances/{new}")
        self.assertEqual(heard()[0]["context"]["old_name"], self.name)

    @contract
    async def test_a_running_one_is_neither_renamed_nor_deleted(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.outcome("POST", f"/instances/{self.name}", {"name": "other"}), self.failed(500))
        self.assertEqual(await self.outcome("DELETE", f"/instances/{self.name}"), 400)
        self.assertEqual(await self.status(), "Running")

    @contract
    async def test_a_deletion(self) -> None:
        await self.create()
        self.assertEqual(await self.outcome("DELETE", f"/instances/{self.name}"), 200)
        self.assertEqual(await self.outcome("DELETE", f"/instances/{self.name}"), 404)

    @contract
    async def test_one_that_starts_is_not_deleted(self) -> None:
        await self.create()
        start = await self.put_state_begun("start")
        refused = await self.outcome("DELETE", f"/instances/{self.name}")
        if refused != self.failed(500):
            # As it is with one that runs.
            self.assertEqual(refused, 400)
            self.late("the start was over")
        self.assertEqual(self.code_of(await self.waited(start)), 200)

    @contract
    async def test_of_two_deletions_one_works(self) -> None:
        await self.create()
        answers = [await self.raw("DELETE", f"/instances/{self.name}") for _ in range(2)]
        codes = [self.code_of(await self.waited(each.operation)) for each in answers if each.status == 202]
        self.assertEqual(codes.count(200), 1)
        self.assertEqual((await self.raw("GET", f"/instances/{self.name}")).status, 404)

    @contract
    async def test_events_of_a_life(self) -> None:
        heard = await self.listen()
        await self.create()
        await self.outcome("PATCH", f"/instances/{self.name}", {"config": {"user.a": "1"}})
        await self.outcome("DELETE", f"/instances/{self.name}")
        told = await self.actions(heard, 3)
        self.assertEqual(told, ["instance-created", "instance-updated", "instance-deleted"])
        created = heard()[0]
        self.assertEqual(created["source"].partition("?")[0], f"/1.0/instances/{self.name}")
        self.assertEqual(created["context"]["type"], "container")
        self.assertEqual([created.get("name"), created.get("project")], [
            self.name if self.flavour.full_events else None, self.project if self.flavour.full_events else None,
        ])  # fmt: skip
        requestors = ["requestor" in event for event in heard()]
        self.assertEqual(requestors, [True, False, True] if self.flavour.full_events else [False] * 3)

    # --- operations

    @contract
    async def test_what_cannot_be_cancelled(self) -> None:
        await self.create_and_start()
        body = {"command": ["sleep", "1"], "wait-for-websocket": False}
        operation = (await self.raw("POST", f"/instances/{self.name}/exec", body)).operation
        self.assertEqual(await self.outcome("DELETE", operation.removeprefix("/1.0")), 400)
        await self.waited(operation)
        self.assertEqual(await self.outcome("DELETE", operation.removeprefix("/1.0")), 400)

    @contract
    async def test_a_failed_operation_says_so_until_it_is_forgotten(self) -> None:
        await self.create()
        operation = (await self.put_state_begun("stop", force=True)).removeprefix("/1.0")
        self.assertEqual(self.code_of(await self.waited(operation)), self.failed(400))
        document = (await self.raw("GET", operation)).metadata
        self.assertEqual((document["status"], document["status_code"]), ("Failure", 400))
        self.assertTrue(document["err"])

        async def forgotten() -> bool:
            return (await self.raw("GET", operation)).status == 404

        await self.until("it is forgotten", forgotten)

    # --- the rest

    @contract
    async def test_the_server(self) -> None:
        answer = await self.raw("GET", "")
        server = answer.metadata
        self.assertEqual((server["auth"], server["api_version"], server["public"]), ("trusted", "1.0", False))
        self.assertEqual(server["environment"]["server"], self.flavour.name)
        self.assertEqual(server["environment"]["server_clustered"], False)
        self.assertIn("instances", server["api_extensions"])
        self.assertTrue(answer.etag)
        self.assertEqual((await self.raw("DELETE", "")).status, 501)

    @contract
    async def test_who_is_not_trusted_sees_little(self) -> None:
        server = (await self.untrusted("/1.0"))[1]["metadata"]
        self.assertEqual((server["auth"], "environment" in server), ("untrusted", False))
        for path, status in (
            ("/", 200), ("/1.0/instances", 403), ("/1.0/instances/none", 403), ("/1.0/operations/none", 403),
            ("/1.0/events", 403), ("/1.0/certificates", 403), ("/1.0/projects", 403), ("/1.0/images", 200),
            ("/1.0/nonsense", 404),
        ):  # fmt: skip
            self.assertEqual((await self.untrusted(path))[0], status, path)

    @contract
    async def test_images(self) -> None:
        images = (await self.raw("GET", "/images?recursion=1")).metadata
        (image,) = [each for each in images if each["fingerprint"] == self.fingerprint]
        self.assertIn("fast", [alias["name"] for alias in image["aliases"]])
        self.assertEqual((image["type"], image["properties"]["os"]), ("container", "busybox"))
        self.assertIn(f"/1.0/images/{self.fingerprint}", (await self.raw("GET", "/images")).metadata)
        alias = (await self.raw("GET", "/images/aliases/fast")).metadata
        self.assertEqual((alias["target"], alias["name"], alias["type"]), (self.fingerprint, "fast", "container"))
        self.assertEqual((await self.raw("GET", f"/images/{self.fingerprint}")).metadata["fingerprint"], self.fingerprint)

    @contract
    async def test_profile_and_network(self) -> None:
        profile = (await self.raw("GET", "/profiles/webspace")).metadata
        nic = profile["devices"]["eth0"]
        self.assertEqual((nic["type"], profile["config"]["boot.autostart"]), ("nic", "false"))
        self.assertEqual(profile["devices"]["root"]["path"], "/")
        network = (await self.raw("GET", f"/networks/{nic['network']}")).metadata
        self.assertEqual((network["type"], network["managed"], network["status"]), ("bridge", True, "Created"))
        self.assertIn("/", network["config"]["ipv4.address"])

    @contract
    async def test_two_with_one_address_on_their_nics_neither_starts(self) -> None:
        nic = (await self.raw("GET", "/profiles/webspace")).metadata["devices"]["eth0"]
        where = f"/networks/{nic['network']}"
        gateway, _, _ = (await self.raw("GET", where)).metadata["config"]["ipv4.address"].partition("/")
        taken = {lease["address"] for lease in (await self.raw("GET", f"{where}/leases")).metadata}
        free = [f"{gateway.rpartition('.')[0]}.{n}" for n in range(200, 250)]
        address = next(each for each in free if each not in taken)
        housed = {"eth0": {**nic, "ipv4.address": address}}
        await self.create(devices=housed)
        leases = (await self.raw("GET", f"{where}/leases")).metadata
        mac = (await self.instance())["config"]["volatile.eth0.hwaddr"]
        self.assertIn((mac, address, "static"), [(each["hwaddr"], each["address"], each["type"]) for each in leases])
        other = f"{self.name}-2"
        created = await self.outcome("POST", "/instances", self.new(name=other, devices=housed))
        # Where a server takes both, a start finds out.
        if created == 200:
            for name in (self.name, other):
                answer = await self.outcome("PUT", f"/instances/{name}/state", {"action": "start", "timeout": 30})
                self.assertNotEqual(answer, 200, name)
            await self.raw("DELETE", f"/instances/{other}")

    @contract
    async def test_a_profile_of_ones_own(self) -> None:
        name = f"{self.name}-profile"
        where = f"/profiles/{name}"
        self.assertEqual(await self.outcome("POST", "/profiles", {"name": name, "description": "mine"}), 201)
        self.assertIn(await self.outcome("POST", "/profiles", {"name": name}), (409, 500))
        made = await self.raw("GET", where)
        self.assertEqual((made.metadata["config"], made.metadata["used_by"], made.metadata["devices"]), ({}, [], {}))
        for value, status in (("1", 200), ("2", 412)):
            changed = await self.raw("PATCH", where, {"config": {"user.x": value}}, {"If-Match": made.header("ETag")})
            self.assertEqual(changed.status, status)
            self.assertEqual((await self.raw("GET", where)).metadata["config"], {"user.x": "1"})
        self.assertEqual(await self.outcome("DELETE", where), 200)
        self.assertEqual(await self.outcome("GET", where), 404)

    @contract
    async def test_projects(self) -> None:
        name = f"{self.name}-project"
        body = {"name": name, "config": {"features.images": "false", "features.profiles": "false"}}
        made = await self.raw("POST", "/projects", body)
        self.assertEqual((made.status, made.header("Location")), (201, f"/1.0/projects/{name}"))
        self.assertEqual(await self.outcome("POST", "/projects", body), 500 if self.flavour.full_events else 409)
        self.assertEqual((await self.raw("GET", f"/projects/{name}")).metadata["config"]["features.images"], "false")
        self.assertIn(f"/1.0/projects/{name}", (await self.raw("GET", "/projects")).metadata)
        own, self.project = self.project, name
        await self.create()
        self.assertEqual((await self.raw("GET", "/instances")).metadata, [f"/1.0/instances/{self.name}?project={name}"])
        self.assertEqual((await self.instance())["project"], name)
        self.assertEqual(await self.outcome("DELETE", f"/instances/{self.name}"), 200)
        self.project = own
        self.assertEqual((await self.raw("GET", "/instances")).metadata, [])
        self.assertEqual(await self.outcome("DELETE", f"/projects/{name}"), 200)
        self.assertEqual(await self.outcome("DELETE", f"/projects/{name}"), 404)
        self.assertEqual(await self.outcome("DELETE", "/projects/default"), 403)

    @contract
    async def test_a_project_that_is_not_there(self) -> None:
        self.project = "no-such-project"
        self.assertEqual((await self.raw("GET", "/instances")).metadata, [])
        self.assertEqual(await self.outcome("POST", "/instances", self.new()), 404)
        self.assertEqual(await self.outcome("GET", f"/instances/{self.name}"), 404)

    @contract
    async def test_events_need_a_websocket_and_a_type_that_exists(self) -> None:
        self.assertEqual((await self.raw("GET", "/events")).status, 400)
        unknown = await self.raw("GET", "/events?type=nonsense")
        self.assertEqual(unknown.status, self.flavour.unknown_event_type)
