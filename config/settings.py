"""Settings of Deskhand. Environments differ in values (see docs/settings.md), never in code."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from boto3.s3.transfer import TransferConfig
from botocore.config import Config as BotoConfig
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import sign_in, url_settings
from config.environment import Environment
from config.schema_settings import SPECTACULAR_SETTINGS  # noqa: F401 - read by Django
from config.server import browser_security

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
# A terminal beside a running `make up` uses the same services; environment variables take precedence.
if (_running := Path(os.environ.get("DESKHAND_VAR") or BASE_DIR / "var") / "env").exists():
    env.read_env(_running)
if _fault := url_settings.fault_in(os.environ):
    raise ImproperlyConfigured(_fault)

# ---- This machine
DEBUG = env.bool("DEBUG", default=False)
VAR_DIR = Path(env.str("DESKHAND_VAR", default=str(BASE_DIR / "var"))).resolve()
SECRET_KEY = env.str("SECRET_KEY")
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
IS_HTTPS = BASE_URL.startswith("https://")
# One click signs anyone in as the demo person: only for servers that nobody else can reach.
DEMO_SIGN_IN = env.bool("DESKHAND_DEMO_SIGN_IN", default=False)

# ---- Applications: one staircase, see docs/map.md
INSTALLED_APPS = [
    *(["daphne"] if DEBUG else []),  # for `runserver` only: importing it costs every process a second
    "accounts",
    "billing",
    "storage",
    "tools",
    "agents",
    "tasks",
    "marketplace",
    "config",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.github",
    "allauth.usersessions",
    "channels",
    "csp",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]
MIDDLEWARE = [
    "config.server.middleware.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.server.browser_security.BrowserSecurityMiddleware",
    "config.server.compression.CompressionMiddleware",
    "config.server.middleware.UploadMiddleware",
    "config.redirects.KeepBodyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.redirects.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sessions.SessionSeenMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.errors.AppErrorMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WEB_THREADS = env.int("DESKHAND_WEB_THREADS", default=8)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [VAR_DIR / "templates", BASE_DIR / "templates"],  # the operator's own templates take precedence
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.ui.context.shell",
            ],
            "builtins": ["config.templatetags.deskhand"],
        },
    }
]
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- PostgreSQL: the source of truth
DATABASES = {"default": env.db_url("DATABASE_URL")}
if env.str("DATABASE_PASSWORD", default=""):
    DATABASES["default"]["PASSWORD"] = env.str("DATABASE_PASSWORD")
DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
    "min_size": 1,
    "max_size": env.int("DATABASE_POOL_SIZE", default=16),
    "timeout": 10,
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
# Postgres plans a prepared statement (accounts/prepared_sql.py) once per connection. Turn this off behind a pooler that
# does not keep prepared statements, such as PgBouncer in transaction mode. All other statements are sent with their
# values and planned for these: a generic plan for any status would walk through every run of a team to find that none
# is running.
if env.bool("DATABASE_PREPARED", default=True):
    DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 2

# ---- Valkey: the broker, hints and the cache. Losing all of it loses no work.
REDIS_URL = env.str("REDIS_URL").rstrip("/")
REDIS_PREFIX = env.str("REDIS_PREFIX", default="dh:")
CACHES = {
    "default": {
        "BACKEND": "config.cache.ForgivingRedisCache",
        "LOCATION": f"{REDIS_URL}/1",
        "KEY_PREFIX": REDIS_PREFIX,
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5, "retry": Retry(NoBackoff(), 0)},
    }
}

# ---- Celery: wake-ups and periodic jobs
CELERY_BROKER_URL = f"{REDIS_URL}/0"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 6 * 3600,
    "global_keyprefix": REDIS_PREFIX,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {"default": {}, "runs": {}}
CELERY_BEAT_SCHEDULE = {"accounts.run_periodic_jobs": {"task": "accounts.run_periodic_jobs", "schedule": 2.5}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"

# ---- Object storage (S3 protocol)
S3_ENDPOINT_URL = env.str("S3_ENDPOINT_URL", default="")
S3_BUCKET = env.str("S3_BUCKET", default="deskhand")
_S3_OPTIONS = {
    "bucket_name": S3_BUCKET,
    "endpoint_url": S3_ENDPOINT_URL or None,
    "access_key": env.str("S3_ACCESS_KEY_ID", default=""),
    "secret_key": env.str("S3_SECRET_ACCESS_KEY", default=""),
    "region_name": env.str("S3_REGION", default="us-east-1"),
    "default_acl": None,
    "file_overwrite": False,
    "querystring_auth": True,
    "querystring_expire": 300,
    "max_memory_size": 8 * 1024 * 1024,  # larger downloads go to disk
    "transfer_config": TransferConfig(use_threads=False),  # one part of 8 MB at a time: ten at once use too much memory
    "client_config": BotoConfig(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"max_attempts": 3, "mode": "standard"},
        connect_timeout=3,
        read_timeout=20,
    ),
}
DOWNLOADS = env.str("DESKHAND_DOWNLOADS", default="auto")  # storage/downloads.py
STORAGES = {
    "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _S3_OPTIONS},
    "staticfiles": {"BACKEND": "config.ui.static_storage.StaticStorage"},
}
LIVE_SOCKETS = env.int("DESKHAND_LIVE_SOCKETS", default=100)
LIVE_STREAMS = env.int("DESKHAND_LIVE_STREAMS", default=50)
UPLOAD_MAX_BYTES = env.int("DESKHAND_UPLOAD_MAX_MB", default=100) * 1024 * 1024
UPLOAD_PATHS = [
    "/api/v1/files(/received/[^/]+)?/?",
    "/t/[^/]+/(files|runs/new|tasks/[^/]+|start/[^/]+)/?",
]  # addresses with the larger limit; everywhere else 2 MiB
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
WORKSPACE_DIR = VAR_DIR / "workspaces"

# ---- Code of agents (tools/sandbox)
SANDBOX = env.str("SANDBOX", default="local")

# ---- Egress: hosts and ports that tools, webhooks and imports may reach (tools/http)
EGRESS_PORTS = env.list("DESKHAND_EGRESS_PORTS", cast=int, default=[80, 443, 8080, 8443])
EGRESS_DENY = env.list("DESKHAND_EGRESS_DENY", default=[])
EGRESS_ALLOW = env.list("DESKHAND_EGRESS_ALLOW", default=[])

# ---- Static files (built by `make css`, committed)
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static" / "dist"]

# ---- Models
DEFAULT_MODEL = env.str("DESKHAND_DEFAULT_MODEL", default="")
ANTHROPIC_API_KEY = env.str("ANTHROPIC_API_KEY", default="")
ANTHROPIC_BASE_URL = env.str("ANTHROPIC_BASE_URL", default="")
MODEL_SILENCE_S = env.float("DESKHAND_MODEL_SILENCE_S", default=120.0)
DEMO_DELAY_MS = env.int("DESKHAND_DEMO_DELAY_MS", default=40)

# ---- The run engine (seconds)
ENGINE = {
    "lease_s": env.float("DESKHAND_LEASE_S", default=30.0),
    "heartbeat_s": env.float("DESKHAND_HEARTBEAT_S", default=5.0),
    "poll_s": env.float("DESKHAND_POLL_S", default=5.0),
    "max_runs": env.int("DESKHAND_MAX_RUNS_PER_WORKER", default=500),
    "max_recoveries": env.int("DESKHAND_MAX_RECOVERIES", default=5),
    "tool_threads": env.int("DESKHAND_TOOL_THREADS", default=8),
    "async_calls": env.int("DESKHAND_ASYNC_CALLS", default=100),
    "team_runs": env.int("DESKHAND_TEAM_RUNS", default=1000),
    "drain_s": env.float("DESKHAND_DRAIN_S", default=20.0),
}

# Module whose SPECS become tools, for the fault tests only.
EXTRA_TOOLS = env.str("DESKHAND_EXTRA_TOOLS", default="")

# ---- Accounts
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = sign_in.PASSWORD_RULES
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "landing"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = env.str("DESKHAND_EMAIL_VERIFICATION", default="mandatory")
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_FORMS = sign_in.ENTRY_FORMS
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_RATE_LIMITS = {
    "login_failed": env.str("DESKHAND_SIGN_IN_RATE", default="5/m/ip,5/m/key"),
    "contact": env.str("DESKHAND_CONTACT_RATE", default="5/h/ip"),
}
DEFAULT_PLAN = env.str("DESKHAND_DEFAULT_PLAN", default="enterprise")
ACCESS_TOKEN_LIFETIME = timedelta(minutes=env.int("DESKHAND_ACCESS_TOKEN_MINUTES", default=10))
REFRESH_TOKEN_LIFETIME = timedelta(days=env.int("DESKHAND_REFRESH_TOKEN_DAYS", default=14))
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # mail the person about a changed password or sign-in method
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_HTTPS else "http"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_METHODS = ["password", "mfa"]  # a code by mail would bypass a second factor
SOCIALACCOUNT_ADAPTER = "accounts.social.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = sign_in.providers(env)
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # an identity is provider and uid, never an email address
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
MFA_ADAPTER = "accounts.second_factor.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = sign_in.FACTOR_FORMS
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_RECOVERY_CODE_DIGITS = 10
# The first key encrypts, all of them decrypt; without any, one derived from SECRET_KEY does.
ENCRYPTION_KEYS = env.list("DESKHAND_ENCRYPTION_KEYS", default=[])
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)

# ---- Mail: files under var/mail unless a server is named
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Deskhand <desk@localhost>")
CONTACT_EMAIL = env.str("DESKHAND_CONTACT_EMAIL", default="")
EMAIL_FILE_PATH = VAR_DIR / "mail"
EMAIL_TIMEOUT = 20
EMAIL_BACKEND = "accounts.mail_files.EmailBackend"
if env.str("EMAIL_URL", default=""):
    vars().update(env.email_url("EMAIL_URL"))

# ---- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.rest.authentication.TokenAuthentication",
        "accounts.rest.authentication.ApiKeyAuthentication",
        "accounts.rest.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.rest.permissions.TeamPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.rest.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "accounts.rest.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["accounts.rest.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "accounts.rest.schema.DeskhandSchema",
    "DEFAULT_THROTTLE_CLASSES": ["accounts.rest.throttles.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "key": env.str("DESKHAND_API_RATE", default="100/min"),
        "team": env.str("DESKHAND_TEAM_API_RATE", default="1000/min"),
        "address": env.str("DESKHAND_ADDRESS_RATE", default="60/min"),
        "build": env.str("DESKHAND_BUILD_RATE", default="10/h"),
        "chat": env.str("DESKHAND_CHAT_RATE", default="60/h"),
        "sign_in": "5/min",  # only while Valkey is down; otherwise ACCOUNT_RATE_LIMITS
        "invite": env.str("DESKHAND_INVITE_RATE", default="30/h"),
        "share": env.str("DESKHAND_SHARE_RATE", default="300/min"),
    },
    "EXCEPTION_HANDLER": "config.errors.api_exception_handler",
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "DATETIME_FORMAT": "iso-8601",
    "COERCE_DECIMAL_TO_STRING": True,
}
# ---- Browser security
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if IS_HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if IS_HTTPS else "csrftoken"
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("DESKHAND_HSTS_SUBDOMAINS", default=True)
if IS_HTTPS and ALLAUTH_TRUSTED_PROXY_COUNT:  # the proxy terminates TLS, and reports whether the browser used it
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/"]
# Joining the browsers' preload lists is a decision of the domain's owner.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = browser_security.content_policy(sign_in.form_targets(SOCIALACCOUNT_PROVIDERS))

LOGGING_CONFIG = "config.logs.configure"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "config.server.middleware.RequestIdFilter"}},
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Django's own handlers are dropped: one mails whole requests, one prints twice in DEBUG.
        "django": {"handlers": [], "level": "INFO"},
        "httpx2": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        # Celery's two lines per wake-up are noise; a run's events say what it did.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
