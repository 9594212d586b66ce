"""Loopback server that signs people in as Google and GitHub do.

It has authorize, token and userinfo, with their checks. `identity` is the person at the browser. A wrong request is
answered with its error, which is also kept in `refusals`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT = {"client_id": "deskhand", "client_secret": "stand-in-secret"}
AUTHORIZE = {"/o/oauth2/v2/auth": "google", "/login/oauth/authorize": "github"}
TOKEN = {"/token": "google", "/login/oauth/access_token": "github"}
PROFILE = {"/oauth2/v2/userinfo": "google", "/api/v3/user": "github", "/api/v3/user/emails": "github"}


@dataclass(frozen=True)
class Identity:
    """Person at the provider, and what it says of their address."""

    uid: str = "1001"
    email: str = "grace@example.com"
    is_verified: bool = True
    name: str = "Grace Hopper"
    cancels: bool = False


@dataclass
class OAuthStandIn:
    identity: Identity = field(default_factory=Identity)
    refusals: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, tuple[str, Identity]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def reset(self, identity: Identity | None = None) -> None:
        self.identity = identity or Identity()
        self.refusals, self.codes, self.tokens = [], {}, {}

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings that lead Deskhand here."""
        addresses = {
            "GOOGLE_AUTHORIZE_URL": "/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URL": "/token",
            "GOOGLE_USERINFO_URL": "/oauth2/v2/userinfo",
            "GOOGLE_CERTS_URL": "/oauth2/v1/certs",
            "GOOGLE_ISSUER": "",
            "GITHUB_URL": "",
        }
        clients = {f"{name}_{what.upper()}": value for name in ("GOOGLE", "GITHUB") for what, value in CLIENT.items()}
        return {name: self.url + path for name, path in addresses.items()} | clients

    # ---- Steps of the OAuth flow. Each returns (status, body or redirect).

    def authorize(self, provider: str, asked: dict[str, str]) -> tuple[int, Any]:
        wrong = [name for name in ("state", "code_challenge", "redirect_uri", "scope") if not asked.get(name)]
        if asked.get("client_id") != CLIENT["client_id"]:
            wrong.append("client_id")
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            wrong.append("flow")
        if not urlsplit(asked.get("redirect_uri", "")).path.endswith(f"/{provider}/login/callback/"):
            wrong.append("redirect_uri")
        if wrong:
            return self._refuse(f"authorize: {', '.join(wrong)}")
        back = {"state": asked["state"]}
        if self.identity.cancels:
            back |= {"error": "access_denied"}
        else:
            back |= {"code": secrets.token_urlsafe(16)}
            self.codes[back["code"]] = asked | {"provider": provider}
        return 302, f"{asked['redirect_uri']}?{urlencode(back)}"

    def token(self, provider: str, given: dict[str, str]) -> tuple[int, Any]:
        grant = self.codes.pop(given.get("code", ""), None)
        challenge = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if grant is None or grant["provider"] != provider:
            return self._refuse("token: code", "invalid_grant")
        if base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != grant["code_challenge"]:
            return self._refuse("token: code_verifier", "invalid_grant")
        if given.get("redirect_uri") != grant["redirect_uri"] or given.get("grant_type") != "authorization_code":
            return self._refuse("token: redirect_uri or grant_type", "invalid_grant")
        if {name: given.get(name) for name in CLIENT} != CLIENT:
            return self._refuse("token: client", "invalid_client")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = (provider, self.identity)
        if provider == "github":  # form-encoded, unless asked for JSON
            return 200, urlencode({"access_token": token, "scope": "read:user,user:email", "token_type": "bearer"})
        answer = {"access_token": token, "expires_in": 3599, "scope": grant["scope"], "token_type": "Bearer"}
        return 200, answer | {"id_token": self._id_token()}

    def profile(self, path: str, authorization: str) -> tuple[int, Any]:
        scheme, _, token = authorization.partition(" ")
        provider, who = self.tokens.get(token, ("", self.identity))
        if provider != PROFILE[path] or scheme.lower() not in ("bearer", "token"):
            return self._refuse("profile: token", status=401)
        if path.endswith("/emails"):
            return 200, [{"email": who.email, "primary": True, "verified": who.is_verified, "visibility": "private"}]
        if provider == "github":
            login = who.email.partition("@")[0]
            return 200, {"id": int(who.uid), "login": login, "name": who.name, "email": None}
        return 200, {"id": who.uid, "email": who.email, "verified_email": who.is_verified, "name": who.name}

    def _id_token(self) -> str:
        who, now = self.identity, int(time.time())
        given, _, family = who.name.partition(" ")
        claims = {"iss": self.url, "aud": CLIENT["client_id"], "azp": CLIENT["client_id"], "sub": who.uid}
        claims |= {"email": who.email, "email_verified": who.is_verified, "name": who.name}  # type: ignore[dict-item]
        claims |= {"given_name": given, "family_name": family, "iat": now, "exp": now + 3600}  # type: ignore[dict-item]
        parts = [{"alg": "RS256", "kid": "1", "typ": "JWT"}, claims]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
        return ".".join([*encoded, base64.urlsafe_b64encode(b"stand-in").rstrip(b"=").decode()])

    def _refuse(self, why: str, code: str = "invalid_request", status: int = 400) -> tuple[int, Any]:
        self.refusals.append(why)
        return status, {"error": code, "error_description": why}


def _handler(owner: OAuthStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if provider := AUTHORIZE.get(parts.path):
                self._answer(*owner.authorize(provider, _flat(parts.query)))
            elif parts.path in PROFILE:
                self._answer(*owner.profile(parts.path, self.headers.get("Authorization", "")))
            else:
                self._answer(404, {"error": "not_found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if provider := TOKEN.get(urlsplit(self.path).path):
                self._answer(*owner.token(provider, _flat(body)))
            else:
                self._answer(404, {"error": "not_found"})

        def _answer(self, status: int, body: Any) -> None:
            is_text = isinstance(body, str)
            payload = b"" if status == 302 else (body if is_text else json.dumps(body)).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
            kind = "application/x-www-form-urlencoded" if is_text else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None: ...

    return Handler


def _flat(encoded: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(encoded).items()}
