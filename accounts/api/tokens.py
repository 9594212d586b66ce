"""API endpoints of the JWT pair: sign in, refresh, sign out."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import OpenAPIView
from accounts.rest.fields import KnownAddressField
from accounts.rest.serializers import StrictSerializer
from accounts.services import sign_in, tokens


@extend_schema_serializer(component_name="SignIn")
class SignInInput(StrictSerializer):
    email = KnownAddressField(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    code = serializers.CharField(
        max_length=40,
        required=False,
        allow_blank=True,
        default="",
        help_text="With a second factor: a code of the authenticator app, or a recovery code.",
    )


@extend_schema_serializer(component_name="Refresh")
class RefreshInput(StrictSerializer):
    refresh = serializers.CharField(max_length=2000)


@extend_schema_serializer(component_name="TokenPair")
class PairSerializer(serializers.Serializer[tokens.Pair]):
    access = serializers.CharField(help_text="Send it as `Authorization: Bearer …`; never in an address.")
    refresh = serializers.CharField(help_text="Good for one use at `/auth/token/refresh/`.")
    expires_in = serializers.IntegerField(help_text="Seconds that `access` is good for.")


class TokenView(OpenAPIView):
    @extend_schema(request=SignInInput, responses=PairSerializer, operation_id="auth_token", summary="Sign in")
    def post(self, request: Request) -> Response:
        given = SignInInput(data=request.data)
        given.is_valid(raise_exception=True)
        user = sign_in.person_of(request=request._request, **given.validated_data)
        pair = tokens.issue_pair(user=user, user_agent=request.headers.get("User-Agent", ""))
        return Response(PairSerializer(pair).data)


class RefreshView(OpenAPIView):
    @extend_schema(
        request=RefreshInput, responses=PairSerializer, operation_id="auth_token_refresh", summary="Take the next pair"
    )
    def post(self, request: Request) -> Response:
        given = RefreshInput(data=request.data)
        given.is_valid(raise_exception=True)
        pair = tokens.rotate(given.validated_data["refresh"])
        return Response(PairSerializer(pair).data)


class RevokeView(OpenAPIView):
    @extend_schema(
        request=RefreshInput,
        responses={204: None},
        operation_id="auth_token_revoke",
        summary="Sign out",
        description="Voids the refresh token and every access token of its sign-in at once; other sign-ins go on. "
        "A token that is void already answers 204 too.",
    )
    def post(self, request: Request) -> Response:
        given = RefreshInput(data=request.data)
        given.is_valid(raise_exception=True)
        tokens.end_sign_in(given.validated_data["refresh"])
        return Response(status=204)
