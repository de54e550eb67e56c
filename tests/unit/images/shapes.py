"""Answers as their makers publish them: what the fake API is compared with, member by member.

GitHub's are the examples of https://docs.github.com/rest/releases/releases (version 2022-11-28), Forgejo's what codeberg.org
answered in June 2026 for a release of Lyall/MGSVFix. What nobody here reads is left out.
"""

from __future__ import annotations

from typing import Any

GITHUB: dict[str, Any] = {
    "url": "https://api.github.com/repos/octocat/Hello-World/releases/1",
    "html_url": "https://github.com/octocat/Hello-World/releases/v1.0.0",
    "id": 1,
    "tag_name": "v1.0.0",
    "target_commitish": "master",
    "name": "v1.0.0",
    "body": "Description of the release",
    "draft": False,
    "prerelease": False,
    "created_at": "2013-02-27T19:35:32Z",
    "published_at": "2013-02-27T19:35:32Z",
    "assets": [
        {
            "url": "https://api.github.com/repos/octocat/Hello-World/releases/assets/1",
            "browser_download_url": "https://github.com/octocat/Hello-World/releases/download/v1.0.0/example.zip",
            "id": 1,
            "name": "example.zip",
            "label": "short description",
            "state": "uploaded",
            "content_type": "application/zip",
            "size": 1024,
            "digest": "sha256:2151b604e3429bff440b9fbc03eb3617bc2603cda96c95b9bb05277f9ddba255",
            "download_count": 42,
            "created_at": "2013-02-27T19:35:32Z",
            "updated_at": "2013-02-27T19:35:32Z",
        }
    ],
}
FORGEJO: dict[str, Any] = {
    "tag_name": "0.0.3",
    "name": "0.0.3",
    "draft": False,
    "prerelease": False,
    "published_at": "2026-06-11T23:53:53+02:00",
    "html_url": "https://codeberg.org/Lyall/MGSVFix/releases/tag/0.0.3",
    "assets": [
        {
            "id": 1477751,
            "name": "MGSVFix_0.0.3.zip",
            "size": 786976,
            "created_at": "2026-06-11T23:54:35+02:00",
            "browser_download_url": "https://codeberg.org/Lyall/MGSVFix/releases/download/0.0.3/MGSVFix_0.0.3.zip",
            "type": "attachment",
        }
    ],
}
