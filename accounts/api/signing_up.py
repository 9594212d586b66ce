"""API endpoints of sign-up: create an account, then verify its address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import OpenAPIView
from accounts.rest.fields import AddressField
from accounts.rest.serializers import StrictSerializer
from accounts.services import sign_up


@extend_schema_serializer(component_name="SignUp")
class SignUpInput(StrictSerializer):
    email = AddressField(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


@extend_schema_serializer(component_name="SignUpAnswer")
class SignUpAnswerSerializer(serializers.Serializer[dict[str, str]]):
    detail = serializers.CharField(help_text="The same whether or not there is an account with this address.")


@extend_schema_serializer(component_name="VerifyEmail")
class VerifyEmailInput(StrictSerializer):
    key = serializers.CharField(max_length=500, help_text="The last part of the mailed link.")


@extend_schema_serializer(component_name="VerifiedEmail")
class VerifiedEmailSerializer(serializers.Serializer[dict[str, str]]):
    email = serializers.EmailField()


class SignUpView(OpenAPIView):
    @extend_schema(
        request=SignUpInput,
        responses={202: SignUpAnswerSerializer},
        operation_id="auth_sign_up",
        summary="Sign up",
        description="Mails a link to the address; its last part is the key for `/auth/verify-email/`.",
    )
    def post(self, request: Request) -> Response:
        given = SignUpInput(data=request.data)
        given.is_valid(raise_exception=True)
        with _throwaway_session(request._request) as plain:
            sign_up.sign_up(request=plain, **given.validated_data)
        return Response({"detail": "Look at your mail: its link finishes the account."}, status=202)


class VerifyEmailView(OpenAPIView):
    @extend_schema(
        request=VerifyEmailInput,
        responses=VerifiedEmailSerializer,
        operation_id="auth_verify_email",
        summary="Prove an address",
    )
    def post(self, request: Request) -> Response:
        given = VerifyEmailInput(data=request.data)
        given.is_valid(raise_exception=True)
        with _throwaway_session(request._request) as plain:
            email = sign_up.verify_email(request=plain, **given.validated_data)
        return Response({"email": email})


@contextmanager
def _throwaway_session(request: HttpRequest) -> Iterator[HttpRequest]:
    """Lend allauth a request whose session and messages are thrown away. allauth notes there what its next page shows;
    the API shows no page.
    """
    kept = request.session
    request.session = SessionStore()
    try:
        yield request
    finally:
        request.session = kept
        for _ in messages.get_messages(request):
            pass
