from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path

from accounts.views import notifications
from accounts.views.security import Connections, to_security
from accounts.views.sign_in import ResetFromLink
from config.api_docs import errors
from config.api_docs import views as api_doc_views
from config.pages import health, operators, public, views

RESET_LINK = r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = admin.site.site_title = "Deskhand operators"

urlpatterns = [
    path("api/v1/", include("config.api_urls")),  # first: it is requested most
    path("", views.landing, name="landing"),
    path("pricing/", public.pricing, name="pricing"),
    path("privacy/", public.privacy, name="privacy"),
    path("terms/", public.terms, name="terms"),
    path("contact/", public.contact, name="contact"),
    path("contact/sent/", public.contact_sent, name="contact_sent"),
    path("robots.txt", public.robots),
    path("home/", views.home, name="home"),
    path("demo/", views.demo_sign_in, name="demo_sign_in"),
    path("styleguide/", views.styleguide, name="styleguide"),
    path("t/<slug:team>/", include("tasks.urls")),
    path("t/<slug:team>/", include("accounts.urls")),
    path("t/<slug:team>/", include("billing.urls")),
    path("", include("accounts.people_urls")),
    path("health/live/", health.live, name="health_live"),
    path("health/ready/", health.ready, name="health_ready"),
    path("share/<str:token>/", include("tasks.share_urls")),
    path("n/<str:token>/", notifications.notification_link, name="notification_link"),
    path("n/off/<str:token>/", notifications.notification_off, name="notification_off"),
    path("admin/health/", admin.site.admin_view(operators.health_page), name="operators_health"),
    path("admin/", admin.site.urls),
    re_path(RESET_LINK, ResetFromLink.as_view(), name="account_reset_password_from_key"),
    path("accounts/google/login/token/", views.not_offered),  # allauth's; it signs in without checking a state
    path("accounts/2fa/", to_security),
    path("accounts/2fa/webauthn/", to_security),
    path("accounts/sessions/", to_security),
    path("accounts/3rdparty/", Connections.as_view()),
    path("accounts/", include("allauth.urls")),
    path("favicon.ico", views.favicon),
    path("api/schema/", api_doc_views.schema, name="api_schema"),
    path("api/docs/", api_doc_views.docs, name="api_docs"),
    path("docs/errors/", errors.errors, name="error_docs"),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler429 = "config.errors.too_many"
handler500 = "config.errors.server_error"
