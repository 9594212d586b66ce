"""Masking of texts: which parts are hidden, and which stay readable."""

from __future__ import annotations

import pytest

from accounts.masking import mask

TOKEN = "Zk3Yx9_uW-0Qd7r1mPpB5sVtHnKcJgLeFaOiXyTzRwU"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"GET /share/{TOKEN}/state/?after=2", "GET /share/***/state/?after=2"),
        (f"/google/callback/?state=abc&code={TOKEN}&scope=x", "/google/callback/?state=***&code=***&scope=x"),
        (
            "PUT /b/1?X-Amz-Credential=AK%2F1&X-Amz-Signature=0f&n=1",
            "PUT /b/1?X-Amz-Credential=***&X-Amz-Signature=***&n=1",
        ),
        ("/a/?next=%2Fb%2F%3Ftoken%3Dabcdef%26page%3D2", "/a/?next=%2Fb%2F%3Ftoken%3D***"),
        (f"key dh_0123456789_{TOKEN} is revoked", "key dh_0123456789_*** is revoked"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        ("refresh eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s5Ug-abcdefgh ends", "refresh eyJ*** ends"),
        ("the provider refused sk-ant-api03-abcdefghijklmnop", "the provider refused sk-***"),
        ("Error connecting to redis://:hunter2@127.0.0.1:6379", "Error connecting to redis://:***@127.0.0.1:6379"),
        ("postgres://deskhand:hun/ter@db:5432/deskhand", "postgres://deskhand:hun/ter@db:5432/deskhand"),
    ],
)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        'File "/usr/share/python3/dist-packages/django/core/handlers/base.py", line 197, in _get_response',
        'File "/home/n/.local/share/uv/python/cpython-3.11/lib/python3.11/json/decoder.py", line 353',
        "POST /api/v1/teams/acme/invitations/0192a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/resend/",
        "Not Found: /api/v1/runs/0192a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/requests/?limit=20&ordering=-created_at",
        "run 0192a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b broke the engine",
        "Not Found: /share/",
        "http://127.0.0.1:8000/t/acme/ at 12:30",
    ],
)
def test_what_opens_nothing_stays(text: str) -> None:
    assert mask(text) == text


def test_a_long_line_takes_no_time() -> None:
    """Mask a line of a megabyte. The patterns have no nested repetition, so that takes no time."""
    line = "/share/" + "a" * 1_000_000 + " " + "?" * 100_000 + "://" * 100_000

    assert mask(line).startswith("/share/*** ")
