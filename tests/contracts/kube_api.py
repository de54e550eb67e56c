"""What the API server of Kubernetes does, as far as webspaced relies on it: run on the emulator in the fast tier, and on a
real kube-apiserver.

Tests are coroutines; a subclass says how they are run, and gives each a namespace of its own.
"""

from __future__ import annotations

from tests.contracts.instances import contract
from tests.contracts.kube_base import OURS, SELECTOR, KubeApi, ingress, metadata, service, slice_of
from webspaced.errors import Changed, Conflict, Distrusted, NotFound, RemoteError
from webspaced.kube import client as client_module
from webspaced.kube.answers import AlreadyExists, FieldsTaken
from webspaced.kube.resources import ENDPOINT_SLICE, INGRESS_ROUTE, SERVICE, Resource, name_of, version_of


class KubeApiContract(KubeApi):
    """Mixed into a trial test case."""

    # --- create, read, delete

    @contract
    async def test_created_once(self) -> None:
        created = await self.create(INGRESS_ROUTE, ingress())
        self.assertEqual(created, await self.get(INGRESS_ROUTE))
        self.assertEqual(created["spec"], ingress()["spec"])
        self.assertEqual(created["metadata"]["namespace"], self.namespace)
        self.assertTrue(created["metadata"]["uid"])
        error = await self.refused(AlreadyExists, self.create(INGRESS_ROUTE, ingress(host="two.example.org")))
        self.assertTrue(isinstance(error, Conflict))
        self.assertEqual(created, await self.get(INGRESS_ROUTE))

    @contract
    async def test_what_is_not_there(self) -> None:
        await self.refused(NotFound, self.get(SERVICE))
        await self.refused(NotFound, self.put(INGRESS_ROUTE, ingress() | {"metadata": metadata(resourceVersion="1")}))
        await self.refused(NotFound, self.client.merge_patch(SERVICE, self.namespace, "one", {"metadata": {}}))
        await self.refused(NotFound, self.client.delete(SERVICE, self.namespace, "one"))
        await self.refused(NotFound, self.client.create(SERVICE, "no-such-namespace", service()))
        nothing = Resource(group="example.org", version="v1", plural="nothings", kind="Nothing")
        await self.refused(NotFound, self.client.list_all(nothing, self.namespace))

    @contract
    async def test_deleted_if_it_is_the_one_that_is_meant(self) -> None:
        first = await self.create(SERVICE, service())
        second = await self.put(SERVICE, service(publishNotReadyAddresses=True))
        await self.refused(
            Changed, self.client.delete(SERVICE, self.namespace, "one", first["metadata"]["resourceVersion"])
        )
        await self.client.delete(SERVICE, self.namespace, "one", second["metadata"]["resourceVersion"])
        await self.refused(NotFound, self.get(SERVICE))

    @contract
    async def test_lists_by_label_and_in_pages(self) -> None:
        self.patch(client_module, "PAGE", 2)
        for name in ("one", "two", "three", "four", "five"):
            await self.create(SERVICE, service(name))
        other = service("other")
        await self.create(SERVICE, {**other, "metadata": {"name": "other"}})
        listing = await self.client.list_all(SERVICE, self.namespace, SELECTOR)
        self.assertEqual([name_of(each) for each in listing.items], ["five", "four", "one", "three", "two"])
        self.assertTrue(int(listing.version) >= max(map(version_of, listing.items)))
        everything = await self.client.list_all(SERVICE, self.namespace)
        self.assertIn("other", [name_of(each) for each in everything.items])
        none = await self.client.list_all(SERVICE, self.namespace, f"{SELECTOR},webspaced/webspace=ws-u1")
        self.assertEqual(none.items, ())

    @contract
    async def test_who_is_not_known_is_told_nothing(self) -> None:
        await self.refused(Distrusted, self.stranger.list_all(SERVICE, self.namespace))
        await self.refused(Distrusted, self.stranger.create(SERVICE, self.namespace, service()))
        await self.refused(NotFound, self.get(SERVICE))

    # --- changes

    @contract
    async def test_equal_ones_are_no_change(self) -> None:
        for resource, document in ((SERVICE, service()), (ENDPOINT_SLICE, slice_of()), (INGRESS_ROUTE, ingress())):
            first = await self.create(resource, document)
            version = {"metadata": metadata(resourceVersion=first["metadata"]["resourceVersion"])}
            self.assertEqual(version_of(await self.put(resource, document | version)), version_of(first))

    @contract
    async def test_an_apply_of_the_same_is_no_change(self) -> None:
        for resource, document in ((SERVICE, service()), (ENDPOINT_SLICE, slice_of()), (INGRESS_ROUTE, ingress())):
            first = await self.apply(resource, document)
            self.assertEqual(version_of(await self.apply(resource, document)), version_of(first))

    @contract
    async def test_a_replacement_needs_the_version_that_is_there(self) -> None:
        first = await self.create(INGRESS_ROUTE, ingress())
        named = {"metadata": metadata(resourceVersion=first["metadata"]["resourceVersion"])}
        second = await self.put(INGRESS_ROUTE, ingress(host="two.example.org") | named)
        self.assertTrue(version_of(second) > version_of(first))
        error = await self.refused(Changed, self.put(INGRESS_ROUTE, ingress(host="three.example.org") | named))
        self.assertEqual(error.code, 409)
        error = await self.refused(RemoteError, self.put(INGRESS_ROUTE, ingress()))
        self.assertEqual(error.code, 422)
        self.assertEqual(await self.get(INGRESS_ROUTE), second)

    @contract
    async def test_a_replacement_takes_away_what_others_added(self) -> None:
        await self.create(SERVICE, service())
        await self.client.merge_patch(SERVICE, self.namespace, "one", {"spec": {"publishNotReadyAddresses": True}})
        await self.put(SERVICE, service())
        self.assertEqual((await self.get(SERVICE))["spec"].get("publishNotReadyAddresses"), None)

    @contract
    async def test_a_merge_patch_changes_fields_and_whole_lists(self) -> None:
        await self.create(INGRESS_ROUTE, ingress())
        patch = {"metadata": {"labels": {"more": "1"}}, "spec": {"entryPoints": ["other"], "tls": {"secretName": "s"}}}
        patched = await self.client.merge_patch(INGRESS_ROUTE, self.namespace, "one", patch)
        self.assertEqual(patched["spec"], {**ingress()["spec"], "entryPoints": ["other"], "tls": {"secretName": "s"}})
        self.assertEqual(patched["metadata"]["labels"], {**OURS, "more": "1"})
        patch = {"spec": {"tls": None}}
        patched = await self.client.merge_patch(INGRESS_ROUTE, self.namespace, "one", patch)
        self.assertEqual(patched["spec"], {**ingress()["spec"], "entryPoints": ["other"]})
        stale = {"metadata": {"resourceVersion": "1"}, "spec": {"entryPoints": ["third"]}}
        await self.refused(Changed, self.client.merge_patch(INGRESS_ROUTE, self.namespace, "one", stale))

    @contract
    async def test_a_strategic_merge_patch_of_a_custom_resource_is_refused(self) -> None:
        await self.create(INGRESS_ROUTE, ingress())
        path, kind = INGRESS_ROUTE.path(self.namespace, "one"), "application/strategic-merge-patch+json"
        error = await self.refused(RemoteError, self.client._request("PATCH", path, {}, {"spec": {}}, kind=kind))
        self.assertEqual(error.code, 415)

    # --- server-side apply

    @contract
    async def test_an_apply_creates_and_takes_away_what_it_no_longer_says(self) -> None:
        tls = {"secretName": "s"}
        created = await self.apply(INGRESS_ROUTE, {**ingress(), "spec": {**ingress()["spec"], "tls": tls}})
        self.assertEqual(created["spec"]["tls"], tls)
        self.assertEqual((await self.apply(INGRESS_ROUTE, ingress()))["spec"], ingress()["spec"])

    @contract
    async def test_an_apply_leaves_what_others_own(self) -> None:
        await self.apply(INGRESS_ROUTE, ingress())
        other = INGRESS_ROUTE.document({"name": "one", "labels": {"other": "1"}}, spec={"tls": {"secretName": "s"}})
        await self.apply_as_other(INGRESS_ROUTE, other)
        after = await self.apply(INGRESS_ROUTE, ingress())
        self.assertEqual(after["spec"].get("tls"), {"secretName": "s"})
        self.assertEqual(after["metadata"]["labels"], {**OURS, "other": "1"})

    @contract
    async def test_what_two_own_stays_until_both_give_it_up(self) -> None:
        tls = {"tls": {"secretName": "s"}}
        await self.apply(INGRESS_ROUTE, {**ingress(), "spec": {**ingress()["spec"], **tls}})
        await self.apply_as_other(INGRESS_ROUTE, INGRESS_ROUTE.document({"name": "one"}, spec=tls))
        self.assertEqual((await self.apply(INGRESS_ROUTE, ingress()))["spec"]["tls"], {"secretName": "s"})
        await self.apply_as_other(INGRESS_ROUTE, INGRESS_ROUTE.document({"name": "one"}))
        self.assertEqual((await self.get(INGRESS_ROUTE))["spec"].get("tls"), None)

    @contract
    async def test_fields_that_others_took_are_taken_back_by_force(self) -> None:
        await self.apply(INGRESS_ROUTE, ingress())
        other = INGRESS_ROUTE.document({"name": "one"}, spec={"entryPoints": ["other"]})
        await self.apply_as_other(INGRESS_ROUTE, other)
        await self.refused(FieldsTaken, self.apply(INGRESS_ROUTE, ingress()))
        self.assertEqual((await self.get(INGRESS_ROUTE))["spec"]["entryPoints"], ["other"])
        self.assertEqual((await self.apply(INGRESS_ROUTE, ingress(), force=True))["spec"], ingress()["spec"])
