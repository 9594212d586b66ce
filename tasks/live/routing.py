"""Routes of the WebSockets."""

from __future__ import annotations

from django.urls import path

from tasks.live import consumers

websocket_urlpatterns = [
    path("ws/runs/<uuid:run_id>/", consumers.RunConsumer.as_asgi()),
    path("ws/share/<str:token>/", consumers.ShareConsumer.as_asgi()),
    path("ws/feed/", consumers.FeedConsumer.as_asgi()),
]
