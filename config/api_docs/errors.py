"""Reference page of error codes: meaning and advice. Every problem document links to it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@dataclass(frozen=True, slots=True)
class ErrorDoc:
    """One `code` of problem+json. `advice` is a sentence for the author of the client."""

    code: str
    status: int
    meaning: str
    advice: str


ERRORS = (
    ErrorDoc("bad_request", 400, "The request could not be read.", "Send well-formed HTTP and JSON."),
    ErrorDoc(
        "parse_error",
        400,
        "The body is not the JSON that its type announces.",
        "Mend the JSON; the detail names the place.",
    ),
    ErrorDoc(
        "bad_parameter", 400, "A query parameter or header does not fit.", "Look at `errors`; it names the parameter."
    ),
    ErrorDoc(
        "not_authenticated",
        401,
        "Nobody is signed in and no key was sent.",
        "Send `Authorization: Bearer` with a key of the team.",
    ),
    ErrorDoc(
        "invalid_token",
        401,
        "The key is mistyped, revoked or expired.",
        "Make a new key under Settings, API keys. Do not retry.",
    ),
    ErrorDoc(
        "invalid_credentials",
        401,
        "The address and the password, or the code, do not go together.",
        "Ask the person again; a few wrong tries in a minute are refused with 429.",
    ),
    ErrorDoc(
        "sign_up_closed",
        403,
        "The operator of this installation makes the accounts.",
        "Ask the operator for an account, or an owner of a team for an invitation.",
    ),
    ErrorDoc(
        "second_factor_required",
        401,
        "The password is right and the person has a second factor.",
        "Send the same again with `code`: of the authenticator app, or a recovery code.",
    ),
    ErrorDoc("authentication_failed", 401, "The key or session is not valid.", "Sign in again or make a new key."),
    ErrorDoc(
        "plan_limit_reached",
        402,
        "The team's plan does not allow one more.",
        "Free a place or choose a larger plan; the answer has the numbers.",
    ),
    ErrorDoc(
        "email_not_verified",
        403,
        "The person has not confirmed their address yet; we have sent the link again.",
        "Open the link in the mail, then sign in.",
    ),
    ErrorDoc(
        "would_repeat_effects",
        409,
        "The run has already done something outside, and a new one may do it again; `effects` names it.",
        "Continue the run instead if it failed, or send `repeat_effects` true.",
    ),
    ErrorDoc("account_inactive", 403, "The account is switched off.", "Ask the operator of this installation."),
    ErrorDoc(
        "wrong_person",
        403,
        "The invitation was sent to another address than yours.",
        "Sign in as the person whom it was sent to, or ask for one to your address.",
    ),
    ErrorDoc("forbidden", 403, "You may see this but may not do it.", "Ask an owner or admin of the team."),
    ErrorDoc(
        "insufficient_scope",
        403,
        "The key or the role lacks the scope that this needs.",
        "Make a key with the scope that the detail names.",
    ),
    ErrorDoc(
        "csrf_failed",
        403,
        "A browser's request did not come from our pages.",
        "Reload the page, or use a key in place of the session.",
    ),
    ErrorDoc("permission_denied", 403, "You don’t have permission to do this.", "Ask an owner or admin of the team."),
    ErrorDoc(
        "not_found",
        404,
        "There is no such thing, or it belongs to another team.",
        "Check the id. The two cases are never told apart.",
    ),
    ErrorDoc("method_not_allowed", 405, "There is no such method here.", "The `Allow` header lists those it has."),
    ErrorDoc("not_acceptable", 406, "Only JSON can be sent back.", "Accept `application/json`."),
    ErrorDoc(
        "request_timeout", 408, "The body stopped coming.", "Send the request again, with the same Idempotency-Key."
    ),
    ErrorDoc(
        "last_owner",
        409,
        "The team would have no owner left.",
        "Make somebody else an owner first, or delete the team.",
    ),
    ErrorDoc(
        "invitation_over",
        409,
        "The invitation was used, revoked, or is older than seven days; `invitation` says which.",
        "Ask for another one.",
    ),
    ErrorDoc("conflict", 409, "The thing has changed since you looked at it.", "Read it again and decide anew."),
    ErrorDoc(
        "model_ended",
        409,
        "The provider no longer answers calls to the agent's model; `replacement` names another one.",
        "Change the agent's `model`, or fork the run with another one.",
    ),
    ErrorDoc(
        "invalid_transition",
        409,
        "A status cannot become that one any more.",
        "Read the status; a finished run stays finished.",
    ),
    ErrorDoc(
        "idempotency_key_reused",
        409,
        "This Idempotency-Key belongs to another request.",
        "Use a new key for a new request.",
    ),
    ErrorDoc(
        "idempotency_in_progress",
        409,
        "The first request with this Idempotency-Key is still at work.",
        "Send it again in a second; you will get the first one's answer.",
    ),
    ErrorDoc(
        "precondition_failed",
        412,
        "`If-Match` names a state that is not the present one.",
        "Read it again, merge, and send the new `ETag`.",
    ),
    ErrorDoc(
        "too_large",
        413,
        "The body or file is larger than this address takes.",
        "Upload large things as files and refer to them by their id.",
    ),
    ErrorDoc(
        "range_not_satisfiable",
        416,
        "`Range` asks for bytes that the file does not have.",
        "Ask for the size with `HEAD`, then for a part of it.",
    ),
    ErrorDoc(
        "unsupported_media_type",
        415,
        "The body has a type that is not read here.",
        "Send `application/json`, files as `multipart/form-data`.",
    ),
    ErrorDoc(
        "invalid_input",
        422,
        "Some of the input does not fit; nothing was changed.",
        "`errors` names each field and what is wrong with it.",
    ),
    ErrorDoc(
        "too_many_streams",
        429,
        "You read as many event streams at once as you may.",
        "Close one, or read the events in pages.",
    ),
    ErrorDoc("throttled", 429, "Too many calls or tries.", "Wait for the seconds in `Retry-After`."),
    ErrorDoc(
        "internal",
        500,
        "Something broke on our side and is logged.",
        "Try again with the same Idempotency-Key; report the request id if it stays.",
    ),
    ErrorDoc(
        "unavailable",
        503,
        "A part that is needed does not answer.",
        "Wait for the seconds in `Retry-After`; nothing was half done.",
    ),
)


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    return render(request, "config/errors_page.html", {"errors": ERRORS})
