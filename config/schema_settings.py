"""Settings of drf-spectacular, which makes the OpenAPI document."""

from __future__ import annotations

SPECTACULAR_SETTINGS = {
    "TITLE": "Deskhand API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "AgentStatus": ["active", "paused"],
        "Policy": ["allow", "ask", "deny"],
        "RequestKind": "tasks.models.RequestKind",
        "RequestStatus": "tasks.models.RequestStatus",
        "RunKind": "tasks.models.RunKind",
        "RunStatus": "tasks.models.RunStatus",
        "Runtime": "agents.models.Runtime",
        "UsageKind": "billing.models.UsageKind",
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tasks.api.event_schema.add_events",
        "config.api_docs.examples.add_examples",
    ],
}
