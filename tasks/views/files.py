"""Uploads one by one, while a form is being filled in."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from accounts.errors import FieldError, InvalidInput
from accounts.tenancy import TeamRequest, require, team_required
from tasks.forms.files import check_size, keep


@require_POST
@team_required
def file_upload(request: TeamRequest) -> HttpResponse:
    require(request, "runs:write")
    files = request.FILES.getlist("file")
    if len(files) != 1:
        raise InvalidInput("Send one file.", fields=[FieldError("file", "required", "Send one file.")])
    (upload,) = files
    try:
        check_size(upload)
    except ValidationError as error:
        message = str(error.message)
        raise InvalidInput(message, fields=[FieldError("file", "too_large", message)]) from error
    (stored,) = keep([upload], team=request.team, actor=request.user)
    return JsonResponse({"id": str(stored.pk), "name": stored.name, "size": stored.size}, status=201)
