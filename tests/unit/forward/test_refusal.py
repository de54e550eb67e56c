from __future__ import annotations

from email.parser import BytesParser

from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import BootFailed, NotFound, PortSilent, Refused, RemoteError, Unavailable
from webspaced.forward.refusal import refusal


class RefusalTests(SynchronousTestCase):
    def read(self, error: Exception) -> tuple[bytes, object, bytes]:
        head, _, body = refusal(error).partition(b"\r\n\r\n")
        status, _, fields = head.partition(b"\r\n")
        return status, BytesParser().parsebytes(fields), body

    def test_is_a_whole_response(self) -> None:
        status, fields, body = self.read(Refused("the webspace is being stopped", retry_after=1.2))
        self.assertEqual(status, b"HTTP/1.1 503 Service Unavailable")
        self.assertEqual(body, b"This webspace cannot be reached now: the webspace is being stopped.\n")
        self.assertEqual(fields["Content-Length"], str(len(body)))
        self.assertEqual((fields["Retry-After"], fields["Connection"], fields["Cache-Control"]), ("2", "close", "no-store"))

    def test_the_wait_is_whole_seconds_and_never_none(self) -> None:
        for retry_after, said in ((0.0, "1"), (0.1, "1"), (2.0, "2"), (59.01, "60")):
            self.assertEqual(self.read(Unavailable("LXD cannot be reached", retry_after))[1]["Retry-After"], said)
        self.assertEqual(self.read(PortSilent("nothing answers"))[1]["Retry-After"], "5")

    def test_errors_that_are_not_for_visitors_say_nothing(self) -> None:
        for error in (RemoteError("/var/lib/lxd: secret", 500), ValueError("secret"), OSError("secret")):
            self.assertNotIn(b"secret", refusal(error))
        for error in (BootFailed("it crashed"), NotFound("no such webspace")):
            self.assertIn(str(error).encode(), refusal(error))
